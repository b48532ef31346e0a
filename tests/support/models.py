"""Registered models: the images to ask them about, and the answers that are right."""

import numpy as np
import numpy.typing as npt
import torch
from repositories import Repository
from safetensors.torch import load_file
from stores import client_of

from fashionbench.data.splits import load_split
from fashionbench.networks.declared import restore
from fashionbench.networks.forward import infer
from fashionbench.params import load_params

ASK = """
import sys, mlflow, numpy
images = numpy.load(sys.argv[2])
model = mlflow.pyfunc.load_model(sys.argv[1])
numpy.save(sys.argv[3], model.predict(images))
alone = numpy.concatenate([model.predict(images[i : i + 1].astype("float32")) for i in range(3)])
assert abs(alone - numpy.asarray(model.predict(images))[:3]).max() < 1e-6
assert "sympy" not in sys.modules, "torch takes two seconds for it"
"""
"""A program: ask the model named first about the images in a file, and write the answers."""


def thousand(repository: Repository) -> npt.NDArray[np.uint8]:
    """Return the test images of the sample, ten times over."""
    images = load_split(repository.path / "data/prepared/test.safetensors").images
    return np.tile(images, (10, 1, 1))


def evaluated(repository: Repository, name: str) -> npt.NDArray[np.float32]:
    """Return a registered model's probabilities for those images, as the evaluation has them."""
    version = client_of(repository).get_model_version_by_alias(name, "champion")
    network, seed = (version.tags[f"fashionbench.{tag}"] for tag in ("network", "model_seed"))
    weights = load_file(repository.path / f"models/{network}/seed_{seed}.safetensors")
    declared = load_params(repository.path / "params.yaml").network(network)
    logits = infer(restore(declared, weights, "cpu"), torch.from_numpy(thousand(repository)))
    probabilities: npt.NDArray[np.float32] = logits.softmax(dim=1).numpy()
    return probabilities


def champion_seed(repository: Repository, name: str) -> int:
    """Return the seed of a registered model's champion."""
    version = client_of(repository).get_model_version_by_alias(name, "champion")
    return int(version.tags["fashionbench.model_seed"])
