"""Digests that identify replicates: equal digests, equal results."""

import hashlib
import json
from dataclasses import asdict

from fashionbench.params import Hyperparameters, Network
from fashionbench.pipeline.dependencies import Dependencies


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
    JSON can hold, such as versions of packages. The network's name determines nothing, nor does the
    folder from which files are named: a study shares replicates with the project.
    """
    files = {
        "/".join(part for part in path.parts if part != ".."): sha256
        for path, sha256 in dependencies.files.items()
    }
    replicate = {
        "network": {**asdict(network), "name": None},
        "hyperparameters": asdict(hyperparameters),
        "seed": seed,
    }
    return digest(replicate, files, *facts)
