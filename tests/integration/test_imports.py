"""Packages that take seconds to import are imported only where they are used."""

import subprocess
import sys

import pytest

CLI_AND_LIGHT_STAGES = (
    "fashionbench.cli",
    "fashionbench.stages.download",
    "fashionbench.stages.prepare",
    "fashionbench.stages.compare",
    "fashionbench.analysis.comparison",
)
SCORING = (
    "fashionbench.stages.evaluate",
    "fashionbench.evaluation.trained",
)


@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        (CLI_AND_LIGHT_STAGES, "mlflow"),
        # Without a cluster, or before it is known that there is one.
        (
            (*CLI_AND_LIGHT_STAGES, "fashionbench.stages.train", "fashionbench.workers.local"),
            "dask",
        ),
        (("fashionbench.commands.prefill", "fashionbench.commands.worker"), "dask"),
        (SCORING, "mlflow"),
        # With nothing to do the mirror must end within a fraction of a second.
        (("fashionbench.tracking.sync",), "torch"),
        (("fashionbench.tracking.sync",), "scipy.stats"),
        (("fashionbench.stages.mirror",), "mlflow"),
        (("fashionbench.stages.mirror",), "pandas"),
        (("fashionbench.stages.compare",), "scipy.stats"),
        # Printing what is stored tests nothing.
        (("fashionbench.claims.words",), "scipy.stats"),
        (("fashionbench.analysis.explanations",), "scipy.stats"),
    ],
)
def test_a_heavy_package_is_not_imported(modules: tuple[str, ...], unwanted: str) -> None:
    code = f"import sys, {', '.join(modules)}; sys.exit({unwanted!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
