"""Statistics of trained weights: their sizes, and the smoothness of the first layer's filters."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isqrt

import numpy as np
import numpy.typing as npt

Weights = Mapping[str, npt.NDArray[np.float32]]
"""The state dict of a network (:func:`fashionbench.training.networks.build`), as numpy arrays."""

SHOWN_FILTERS = 16


@dataclass(frozen=True, kw_only=True)
class WeightStatistics:
    """Statistics of the weights of all layers, without biases and batch normalisation.

    ``count`` is the number of weights, ``near_zero`` the share that is smaller than a step of the
    optimizer, ``magnitude`` the mean absolute value. ``total_variation`` is that of the first
    layer's filters: the mean absolute difference of neighbouring weights, divided by the mean
    absolute weight; 0 for flat filters and 1.41 for independent normal weights.
    """

    count: int
    near_zero: float
    magnitude: float
    total_variation: float


def weight_statistics(weights: Weights, step: float) -> WeightStatistics:
    """Return the statistics of a network's weights.

    ``step`` is the learning rate: Adam moves a weight by about as much (Kingma and Ba, ICLR 2015,
    section 2.1) whatever its gradient, so no penalty can hold a weight nearer to zero than that.
    """
    layers = _layers(weights)
    flat = np.abs(np.concatenate([layer.ravel() for layer in layers]).astype(np.float64))
    first = filters(weights).astype(np.float64)
    steps = [np.abs(np.diff(first, axis=axis)).ravel() for axis in (1, 2)]
    size = np.abs(first).mean()
    return WeightStatistics(
        count=flat.size,
        near_zero=float((flat < step).mean()),
        magnitude=float(flat.mean()),
        total_variation=float(np.concatenate(steps).mean() / size) if size else 0.0,
    )


def weight_rows(weights: Mapping[int, Weights], step: float) -> list[dict[str, object]]:
    """Return one row per seed with the statistics of its weights, given by seed."""
    return [
        {"seed": seed} | asdict(weight_statistics(of_seed, step))
        for seed, of_seed in weights.items()
    ]


def filters(weights: Weights) -> npt.NDArray[np.float32]:
    """Return the first layer as images: (units, 28, 28), or (filters, 3, 3) for a convolution."""
    first = _layers(weights)[0]
    side = first.shape[-1] if first.ndim == 4 else isqrt(first.shape[1])
    return first.reshape(-1, side, side)


def strongest_filters(weights: Weights) -> npt.NDArray[np.float32]:
    """Return at most SHOWN_FILTERS filters of the first layer, the largest norm first."""
    found = filters(weights)
    norms = np.square(found.astype(np.float64)).sum(axis=(1, 2))
    return found[np.argsort(-norms, kind="stable")[:SHOWN_FILTERS]]


def _layers(weights: Weights) -> list[npt.NDArray[np.float32]]:
    """Return the weights of linear and convolutional layers, the first layer first."""
    by_position = sorted(weights.items(), key=lambda item: int(item[0].partition(".")[0]))
    return [array for name, array in by_position if name.endswith(".weight") and array.ndim > 1]
