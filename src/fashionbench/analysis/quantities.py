"""Quantities that claims are about: functions from results to one value per seed.

Accuracies and losses are those of the validation images after the last epoch, unless a function
says otherwise.
"""

import numpy as np
import pandas as pd

from fashionbench.analysis.verdicts import NotTestableError, Quantity, Results

PERCEPTRONS = ("n1_mlp", "n2_mlp", "n3_mlp", "n4_dropout", "n5_batch_norm", "n6_l1", "n7_l2")


def final(network: str, column: str = "val_accuracy") -> Quantity:
    """Return the last value of a column of a network's curves."""
    return lambda results: results.final(network, column)


def difference(first: str, second: str, column: str = "val_accuracy") -> Quantity:
    """Return the last value of a column, of the first network minus the second."""
    return lambda results: results.final(first, column) - results.final(second, column)


def highest(network: str) -> Quantity:
    """Return the highest accuracy of any epoch."""
    return lambda results: results.by_epoch(network, "val_accuracy").max()


def weights_difference(first: str, second: str, statistic: str) -> Quantity:
    """Return a statistic of the weights, of the first network minus the second."""
    return lambda results: (
        results.of_weights(first, statistic) - results.of_weights(second, statistic)
    )


def gap(network: str) -> Quantity:
    """Return train minus validation accuracy, both in evaluation mode."""
    return lambda results: (
        results.score(network, "train", "accuracy") - results.score(network, "val", "accuracy")
    )


def gap_difference(first: str, second: str) -> Quantity:
    """Return the gap of the first network minus that of the second."""
    return lambda results: gap(first)(results) - gap(second)(results)


def lead(network: str) -> Quantity:
    """Return the accuracy of a network minus that of the best other perceptron of the same seed."""

    def values(results: Results) -> "pd.Series[float]":
        others = {name: results.final(name) for name in PERCEPTRONS if name != network}
        return results.final(network) - pd.DataFrame(others).max(axis=1)

    return values


def lead_in_loss(network: str) -> Quantity:
    """Return the lowest loss of another perceptron of the same seed minus that of a network."""

    def values(results: Results) -> "pd.Series[float]":
        others = {name: results.final(name, "val_loss") for name in PERCEPTRONS if name != network}
        return pd.DataFrame(others).min(axis=1) - results.final(network, "val_loss")

    return values


def rise(network: str, epochs: int) -> Quantity:
    """Return the rise of a straight line fitted to the accuracies of the last ``epochs`` epochs."""

    def values(results: Results) -> "pd.Series[float]":
        accuracies = results.by_epoch(network, "val_accuracy")
        if len(accuracies) < epochs:
            raise NotTestableError(f"needs at least {epochs} epochs")
        last = accuracies.tail(epochs)
        slopes = np.polyfit(last.index, last.to_numpy(), deg=1)[0]
        return pd.Series(slopes * (epochs - 1), index=last.columns)

    return values


def improvement_after(network: str, epoch: int) -> Quantity:
    """Return the highest accuracy after ``epoch`` minus the highest up to and including it."""

    def values(results: Results) -> "pd.Series[float]":
        accuracies = results.by_epoch(network, "val_accuracy")
        if accuracies.index.max() <= epoch:
            raise NotTestableError(f"needs more than {epoch} epochs")
        return accuracies.loc[epoch + 1 :].max() - accuracies.loc[:epoch].max()

    return values


def smallest_difference(network: str, first: str, second: str) -> Quantity:
    """Return the minimum over epochs of the first curve minus the second."""
    return lambda results: (
        results.by_epoch(network, first) - results.by_epoch(network, second)
    ).min()
