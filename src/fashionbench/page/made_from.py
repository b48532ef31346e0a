"""What results were made from, as names and values to be shown beside them."""

import sys
from importlib.metadata import version

from fashionbench.data.sources import OFFICIAL_FILES
from fashionbench.params import Params
from fashionbench.pipeline.dependencies import Dependencies

_PACKAGES = ("torch", "numpy", "scipy", "pandas", "matplotlib", "safetensors")
"""Those whose versions can change a number or a line of a figure."""


def describe(params: Params, dependencies: Dependencies) -> dict[str, dict[str, str]]:
    """Parameters, versions, and the sha256 of the data and of the code, under a heading each.

    The code is that among ``dependencies``.
    """
    values = params.model_dump(mode="json")
    networks = values.pop("networks")
    return {
        "Parameters": {name: _plain(value) for name, value in values.items()},
        "Networks": {
            name: ", ".join(f"{key}: {_plain(value)}" for key, value in declared.items())
            for name, declared in networks.items()
        },
        "Versions": {"python": ".".join(str(part) for part in sys.version_info[:2])}
        | {package: version(package).partition("+")[0] for package in _PACKAGES},
        "Data (sha256 of the official files, unpacked)": {
            file.name: file.sha256 for file in OFFICIAL_FILES
        },
        "Code (sha256)": {
            str(path): digest
            for path, digest in sorted(dependencies.files.items())
            if path.suffix in (".py", ".jinja")
        },
    }


def _plain(value: object) -> str:
    """A value as YAML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(str(item) for item in value)}]"
    return str(value)
