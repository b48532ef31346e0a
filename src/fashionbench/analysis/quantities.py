"""Quantities that claims are about: functions from results to comparisons, each a value per seed.

Accuracies and losses are final scores in evaluation mode on the split that is judged (validation,
unless the results are asked for test images), unless a function says otherwise.
"""

import numpy as np
import pandas as pd

from fashionbench.analysis.conditions import Comparison, Quantity
from fashionbench.analysis.results import NotTestableError, Results

PERCEPTRONS = ("n1_mlp", "n2_mlp", "n3_mlp", "n4_dropout", "n5_batch_norm", "n6_l1", "n7_l2")
SMOOTHED_EPOCHS = 3


def final(network: str, kind: str = "accuracy") -> Quantity:
    """Return the final accuracy or loss of a network."""
    return lambda results: [
        Comparison("", (network,), results.final(network, kind), of_images=kind == "accuracy")
    ]


def difference(first: str, second: str, kind: str = "accuracy") -> Quantity:
    """Return the final accuracy or loss of the first network minus the second."""
    return lambda results: [_difference(results, first, second, kind)]


def above_each(network: str) -> Quantity:
    """Return the accuracy of a network minus that of each other perceptron."""
    return lambda results: [
        _difference(results, network, other, "accuracy", name=other)
        for other in PERCEPTRONS
        if other != network
    ]


def below_each(network: str) -> Quantity:
    """Return the loss of each other perceptron minus that of a network."""
    return lambda results: [
        _difference(results, other, network, "loss", name=other)
        for other in PERCEPTRONS
        if other != network
    ]


def highest(network: str) -> Quantity:
    """Return the highest validation accuracy of any epoch."""
    return lambda results: [
        Comparison("", (network,), results.by_epoch(network, "val_accuracy").max())
    ]


def weights_difference(first: str, second: str, statistic: str) -> Quantity:
    """Return a statistic of the weights, of the first network minus the second."""
    return lambda results: [
        Comparison(
            "",
            (first, second),
            results.of_weights(first, statistic),
            results.of_weights(second, statistic),
        )
    ]


def gap(network: str) -> Quantity:
    """Return train minus held-out accuracy."""
    return lambda results: [Comparison("", (network,), _gap(results, network))]


def gap_difference(first: str, second: str) -> Quantity:
    """Return the gap of the first network minus that of the second."""
    return lambda results: [
        Comparison("", (first, second), _gap(results, first), _gap(results, second))
    ]


def rise(network: str, epochs: int) -> Quantity:
    """Return the rise of a straight line fitted to the accuracies of the last ``epochs`` epochs."""

    def compare(results: Results) -> list[Comparison]:
        last = _last_accuracies(results, network, epochs)
        slopes = np.asarray(np.polyfit(last.index, last.to_numpy(), deg=1)[0], dtype=np.float64)
        rises = pd.Series(slopes * (epochs - 1), index=last.columns)
        return [Comparison("", (network,), rises)]

    return compare


def fluctuation(network: str, epochs: int) -> Quantity:
    """Return how much more the accuracy varies from epoch to epoch than a smoothed curve.

    Both are standard deviations of the changes between successive epochs, among the last
    ``epochs``: they measure the variation around the mean change, which is the trend. The curve is
    smoothed by means over SMOOTHED_EPOCHS epochs. 0 for a straight line, flat or not.
    """

    def compare(results: Results) -> list[Comparison]:
        last = _last_accuracies(results, network, epochs)
        smoothed = last.rolling(SMOOTHED_EPOCHS).mean()
        return [Comparison("", (network,), last.diff().std() - smoothed.diff().std())]

    return compare


def change_after(network: str, epoch: int) -> Quantity:
    """Return the validation accuracy after the last epoch minus that after ``epoch``."""

    def compare(results: Results) -> list[Comparison]:
        accuracies = results.by_epoch(network, "val_accuracy")
        if accuracies.index.max() <= epoch:
            raise NotTestableError(f"needs more than {epoch} epochs")
        change = (accuracies.iloc[-1] - accuracies.loc[epoch]).astype(np.float64)
        return [Comparison("", (network,), change)]

    return compare


def each_epoch(network: str, first: str, second: str) -> Quantity:
    """Return the first curve minus the second, in each epoch."""

    def compare(results: Results) -> list[Comparison]:
        differences = results.by_epoch(network, first) - results.by_epoch(network, second)
        return [
            Comparison(f"epoch {epoch}", (network,), differences.loc[epoch])
            for epoch in differences.index
        ]

    return compare


def _difference(results: Results, first: str, second: str, kind: str, name: str = "") -> Comparison:
    one, other = (results.final(network, kind) for network in (first, second))
    return Comparison(name, (first, second), one, other, of_images=kind == "accuracy")


def _gap(results: Results, network: str) -> "pd.Series[float]":
    return results.score(network, "train", "accuracy") - results.final(network)


def _last_accuracies(results: Results, network: str, epochs: int) -> pd.DataFrame:
    """Return the last validation accuracies: one row per epoch, one column per seed."""
    accuracies = results.by_epoch(network, "val_accuracy")
    if len(accuracies) < epochs:
        raise NotTestableError(f"needs at least {epochs} epochs")
    return accuracies.tail(epochs)
