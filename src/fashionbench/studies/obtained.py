"""Which data sets of its own a study could get: networks on the others have no results."""

import json
from collections.abc import Collection

from fashionbench.errors import DataError
from fashionbench.files import replace_file
from fashionbench.params import Params
from fashionbench.paths import METRICS_DIR

OBTAINED_FILE = METRICS_DIR / "datasets.json"


def write_obtained(params: Params, names: Collection[str]) -> None:
    """Note which data sets could be had. Raises DataError if none could."""
    if not names:
        raise DataError(f"the study has no data: got none of {', '.join(params.own_datasets)}")
    found = {name: name in names for name in params.own_datasets}
    replace_file(OBTAINED_FILE, f"{json.dumps(found, indent=1)}\n".encode())


def missing_datasets(params: Params) -> tuple[str, ...]:
    """Return the data sets that could not be had; DataError before the stage download has run."""
    if not params.own_datasets:
        return ()
    try:
        found = json.loads(OBTAINED_FILE.read_bytes())
        return tuple(name for name in params.own_datasets if not found[name])
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{OBTAINED_FILE} does not fit params.yaml; run dvc repro") from error


def with_data(params: Params) -> Params:
    """Return the parameters without the networks whose data set could not be had."""
    missing = missing_datasets(params)
    kept = {
        name: network
        for name, network in params.networks.items()
        if network.own.get("dataset") not in missing
    }
    return params.model_copy(update={"networks": kept})
