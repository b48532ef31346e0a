"""Packages that take seconds to import are imported only where they are used."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("unwanted", "modules"),
    [
        # Without a cluster, or before it is known that there is one.
        (
            "dask",
            "cli stages.download stages.prepare stages.compare stages.train workers.local "
            "commands.prefill commands.worker",
        ),
        (
            "mlflow",
            "cli stages.download stages.prepare stages.compare stages.evaluate stages.mirror "
            "analysis.comparison evaluation.trained",
        ),
        # With nothing to do the mirror must end within a fraction of a second.
        ("torch", "tracking.sync"),
        ("pandas", "stages.mirror"),
        # Printing what is stored tests nothing.
        ("scipy.stats", "tracking.sync stages.compare claims.words analysis.explanations"),
    ],
)
def test_a_heavy_package_is_not_imported(unwanted: str, modules: str) -> None:
    names = ", ".join(f"fashionbench.{module}" for module in modules.split())
    code = f"import sys, {names}; sys.exit({unwanted!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
