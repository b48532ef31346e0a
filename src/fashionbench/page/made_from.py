"""What the results were made from: parameters, versions and data, to be listed on the page.

The hashes of the code are in dvc.lock.
"""

import sys
from collections.abc import Sequence
from importlib.metadata import version

from fashionbench.datasets import Dataset, Own
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
    del values["networks"]  # The page has them in words, and params.yaml in full.
    datasets = [own.dataset for own in params.own_datasets.values()]
    if all(network.own.get("dataset") for network in params.networks.values()):
        for name in ("dataset", *Own.model_fields):  # Nothing was made from these.
            del values[name]
    else:
        datasets = [params.dataset, *datasets]
    return {
        "Parameters": {name: _as_yaml(value) for name, value in values.items()},
        "Versions": {"python": ".".join(str(part) for part in sys.version_info[:2])}
        | {package: version(package).partition("+")[0] for package in _PACKAGES},
    } | {_heading(dataset, datasets): _describe_data(dataset) for dataset in datasets}


def _heading(dataset: Dataset, datasets: Sequence[Dataset]) -> str:
    of = f" of {dataset.title}" if len(datasets) > 1 else ""
    return f"Data{of} (sha256 of the files, unpacked)"


def _describe_data(dataset: Dataset) -> dict[str, str]:
    has_archives = any(origin.startswith("torchvision:") for origin in dataset.origins)
    unhashed = "verified by the md5 of its archive" if has_archives else "as its package has it"
    return {
        "data set": f"{dataset.title}: {dataset.source}; licence: {dataset.licence}",
        "known faults": dataset.faults,
        **{file.name: file.sha256 or unhashed for file in dataset.files},
    }


def _as_yaml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(str(item) for item in value)}]"
    return str(value)
