"""Statistics of trained weights: their sizes, and the smoothness of the first layer's filters."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from fashionbench.params import Hyperparameters, Network

Weights = Mapping[str, npt.NDArray[np.float32]]
"""The state dict of a network (:func:`fashionbench.networks.declared.build`), as numpy arrays."""

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


def step_length(hyperparameters: Hyperparameters) -> float:
    """Return how far a step of the optimizer moves a weight: no penalty holds it nearer to zero.

    Adam and its relatives divide a gradient by its size, and move a weight by about the learning
    rate (Kingma and Ba, ICLR 2015, section 2.1). The steps of SGD are proportional to the gradient:
    this is their length for a steady gradient of one.
    """
    rate = hyperparameters.learning_rate
    return rate / (1 - hyperparameters.momentum) if hyperparameters.optimizer == "sgd" else rate


def weight_statistics(weights: Weights, step: float, network: Network) -> WeightStatistics:
    """Return the statistics of the weights of a network; all are 0 if it has none.

    ``step`` is the length of a step of the optimizer (:func:`step_length`).
    """
    layers = _layers(weights)
    flat = np.abs(np.concatenate([np.zeros(0), *(layer.ravel() for layer in layers)]))
    first = filters(weights, network).astype(np.float64)
    steps = [np.abs(np.diff(first, axis=axis)).ravel() for axis in (1, 2)]
    size = np.abs(first).mean() if first.size else 0.0
    return WeightStatistics(
        count=flat.size,
        near_zero=float((flat < step).mean()) if flat.size else 0.0,
        magnitude=float(flat.mean()) if flat.size else 0.0,
        total_variation=float(np.concatenate(steps).mean() / size) if size else 0.0,
    )


def weight_rows(
    weights: Mapping[int, Weights], step: float, network: Network
) -> list[dict[str, object]]:
    """Return one row per seed with the statistics of its weights, given by seed."""
    return [
        {"seed": seed} | asdict(weight_statistics(of_seed, step, network))
        for seed, of_seed in weights.items()
    ]


def filters(weights: Weights, network: Network) -> npt.NDArray[np.float32]:
    """Return the first layer as images: (units, height, width), of a convolution (filters, 3, 3).

    There is one for each colour. In a module of the user's own, the first layer is the first
    convolution of more than one pixel, else the first matrix that multiplies all pixels; there is
    no image, (0, 1, 1), if it has neither.
    """
    layers = _layers(weights)
    for layer in layers:
        if layer.ndim == 4 and min(layer.shape[2:]) > 1:
            return layer.reshape(-1, *layer.shape[2:])
    for layer in layers:
        if layer.ndim == 2 and layer.shape[1] == network.input_size:
            height, width = network.shape[:2]
            if not network.module:  # Plain layers read colours last, the user's modules first.
                layer = layer.reshape(len(layer), height * width, -1).swapaxes(1, 2)
            return layer.reshape(-1, height, width)
    return np.zeros((0, 1, 1), np.float32)


def strongest_filters(weights: Weights, network: Network) -> npt.NDArray[np.float32]:
    """Return at most SHOWN_FILTERS filters of the first layer, the largest norm first."""
    found = filters(weights, network)
    norms = np.square(found.astype(np.float64)).sum(axis=(1, 2))
    return found[np.argsort(-norms, kind="stable")[:SHOWN_FILTERS]]


def _layers(weights: Weights) -> list[npt.NDArray[np.float32]]:
    """Return the weights of all layers, biases left out, in the order of their names."""
    found = sorted(weights.items(), key=lambda item: _in_order(item[0]))
    return [
        array for _, array in found if array.ndim > 1 and np.issubdtype(array.dtype, np.floating)
    ]


def _in_order(name: str) -> list[tuple[int, str]]:
    """Return what sorts names by their parts, and 10 after 9."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in name.split(".")]
