"""A trained network for serving: raw pixels in, class probabilities out."""

import json
from pathlib import Path
from typing import Self, cast

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file

from fashionbench.params import Network, Precision
from fashionbench.serving.pixels import check_pixels
from fashionbench.training.networks import build, infer


class Classifier:
    """A trained network on the CPU, with the arithmetic of the evaluation stage."""

    def __init__(self, network: Network, weights: Path, precision: Precision) -> None:
        # Whoever loads a model goes on with the random numbers they had.
        with torch.random.fork_rng(devices=[]):
            self._module = build(network)
        self._module.load_state_dict(load_file(weights))
        self._precision: Precision = precision

    @classmethod
    def load(cls, network: Path, weights: Path) -> Self:
        """Load a network from its weights and a JSON file with ``network`` and ``precision``.

        ``network`` holds the fields of :class:`fashionbench.params.Network`.
        """
        config = json.loads(network.read_text(encoding="utf-8"))
        return cls(Network(**config["network"]), weights, config["precision"])

    def probabilities(self, images: object) -> npt.NDArray[np.float32]:
        """Return float32 probabilities (n, classes) for raw pixels (n, 28, 28).

        Pixels are integers or floats from 0 to 255. Raises DataError for anything else, and for
        floats from 0 to 1.
        """
        pixels = torch.from_numpy(check_pixels(images))
        logits = infer(self._module, pixels, self._precision)
        return cast(npt.NDArray[np.float32], logits.softmax(dim=1).numpy())
