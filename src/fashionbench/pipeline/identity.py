"""Digests that identify replicates: equal digests, equal results."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from fashionbench.networks.own import code_of
from fashionbench.params import Hyperparameters, Network
from fashionbench.paths import PREPARED_DIR
from fashionbench.pipeline.dependencies import Dependencies

_OF_OTHERS = ("networks/", "data/networks/", "metrics/")
"""Files of networks, of which parameters and own module count, and what a study could get."""


def digest(*facts: object) -> str:
    """Return the sha256 of facts that JSON can hold, in hexadecimal."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def replicate_key(
    network: Network,
    hyperparameters: Hyperparameters,
    seed: int,
    dependencies: Dependencies,
    *facts: object,
) -> str:
    """Return a digest of all that determines a replicate: its parameters, seed, data and code.

    ``dependencies`` are those of the stage that trains its network. ``facts`` are further ones that
    JSON can hold, such as versions of packages. The network's name determines nothing, nor do the
    images' and the folder from which files are named: a study shares replicates with the
    project.
    """
    files = {}
    for path, sha256 in dependencies.files.items():
        place = Path(*(part for part in path.parts if part != ".."))
        if PREPARED_DIR in place.parents:  # Of a study: train/digits.safetensors.
            is_own = place.parent != PREPARED_DIR
            if network.images != (place.stem if is_own else ""):
                continue
            place = place.parent.with_suffix(place.suffix) if is_own else place
        if not place.as_posix().startswith(_OF_OTHERS):
            files[place.as_posix()] = sha256
    of_network = {key: value for key, value in asdict(network).items() if key != "images"}
    replicate = {
        "network": {**of_network, "name": None},
        "hyperparameters": asdict(hyperparameters),
        "seed": seed,
        "code": code_of(network),
    }
    return digest(replicate, files, *facts)
