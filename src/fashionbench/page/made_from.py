"""What the results were made from: parameters, versions and data, to be listed on the page.

The hashes of the code are in dvc.lock.
"""

import sys
from importlib.metadata import version

from fashionbench.data.sources import OFFICIAL_FILES
from fashionbench.params import Params

_PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "statsmodels",
    "pandas",
    "matplotlib",
    "safetensors",
    "vl-convert-python",
)
"""Packages whose version can change a number or a line of a figure."""


def describe(params: Params) -> dict[str, dict[str, str]]:
    """Return tables of names and values, keyed by their headings."""
    values = params.model_dump(mode="json")
    networks = values.pop("networks")
    return {
        "Parameters": {name: _as_yaml(value) for name, value in values.items()},
        "Networks": {
            name: ", ".join(f"{key}: {_as_yaml(value)}" for key, value in declared.items())
            for name, declared in networks.items()
        },
        "Versions": {"python": ".".join(str(part) for part in sys.version_info[:2])}
        | {package: version(package).partition("+")[0] for package in _PACKAGES},
        "Data (sha256 of the official files, unpacked)": {
            file.name: file.sha256 for file in OFFICIAL_FILES
        },
    }


def _as_yaml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(str(item) for item in value)}]"
    return str(value)
