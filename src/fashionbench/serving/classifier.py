"""A trained network for serving: raw pixels in, class probabilities out."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file

from fashionbench.errors import DataError
from fashionbench.networks.declared import build
from fashionbench.networks.forward import infer
from fashionbench.params import Network, Precision

BRIGHTEST = 255


class Classifier:
    """A trained network on the CPU, with the arithmetic of the evaluation stage."""

    def __init__(
        self,
        network: Network,
        weights: Path,
        precision: Precision,
        classes: Sequence[str],
        code: Path | None = None,
    ) -> None:
        """Restore a network; ``code`` is the folder with its own module, by default the project.

        ``classes`` are the names of the labels.
        """
        # Whoever loads a model goes on with the random numbers they had.
        with torch.random.fork_rng(devices=[]):
            self._module = build(network, root=code)
        self._module.load_state_dict(load_file(weights))
        self._precision: Precision = precision
        self._shape, self.classes = network.shape, list(classes)

    @classmethod
    def load(cls, network: Path, weights: Path, code: Path | None = None) -> Self:
        """Load a network from its weights and a JSON file with all else that makes a Classifier.

        In the latter ``network`` holds the fields of :class:`fashionbench.params.Network`.
        """
        config = json.loads(network.read_text(encoding="utf-8"))
        declared = Network(**config["network"] | {"shape": tuple(config["network"]["shape"])})
        return cls(declared, weights, config["precision"], config["classes"], code)

    def probabilities(self, images: object) -> npt.NDArray[np.float32]:
        """Return float32 probabilities (n, classes) for raw pixels (n, height, width[, 3]).

        Pixels are integers or floats from 0 to 255. Raises DataError for anything else, and for
        floats from 0 to 1.
        """
        pixels = torch.from_numpy(check_pixels(images, self._shape))
        logits = infer(self._module, pixels, self._precision)
        return cast(npt.NDArray[np.float32], logits.softmax(dim=1).numpy())


def check_pixels(images: object, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Return valid images as float32, which represents all 256 values exactly.

    Raises DataError for other shapes, types and values, and for images scaled to 0 to 1.
    """
    wanted = (
        f"an array of shape (n, {', '.join(map(str, shape))}) with pixels from 0 to {BRIGHTEST}"
    )
    if not isinstance(images, np.ndarray):
        raise DataError(f"images are a {type(images).__name__}: must be {wanted}")
    if images.dtype.kind not in "uif":
        raise DataError(f"images are of type {images.dtype}: must be {wanted}")
    if images.shape[1:] != shape or not len(images):
        raise DataError(f"images are of shape {images.shape}: must be {wanted}, n at least 1")
    lowest, highest = images.min(), images.max()
    # Written so that nan fails.
    if not (lowest >= 0 and highest <= BRIGHTEST):
        raise DataError(f"pixels are from {lowest} to {highest}: must be {wanted}")
    if images.dtype.kind == "f":
        _refuse_scaled(images, wanted)
    return images.astype(np.float32)


def _refuse_scaled(images: npt.NDArray[Any], wanted: str) -> None:
    """Raise DataError for an image that is not black and has no pixel above 1.

    A network would see it as all but black, and yet answer with as much confidence as ever.
    """
    brightest = images.reshape(len(images), -1).max(axis=1)
    scaled = np.flatnonzero((brightest > 0) & (brightest <= 1))
    if len(scaled):
        raise DataError(
            f"image {scaled[0]} has floats from {images[scaled[0]].min():.3g} to "
            f"{brightest[scaled[0]]:.3g}: must be {wanted}; multiply by {BRIGHTEST}"
        )
