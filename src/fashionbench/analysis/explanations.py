"""The numbers that explain three of the report's observations; their words are a module apart."""

import math
from typing import Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, TypeAdapter

from fashionbench.analysis.conditions import rounded
from fashionbench.analysis.files import EXPLANATIONS_FILE
from fashionbench.analysis.result_files import parse_result, read_result
from fashionbench.analysis.results import NotTestableError, Results
from fashionbench.analysis.statistics import estimate
from fashionbench.params import Params

FLOOR = math.log(math.e + 9) - 1
"""Cross-entropy in nats when the softmax outputs, 1 for the right class of ten and 0 for the
others, are taken for logits."""
REPORTED_LOSS = 1.54
"""The report's lowest validation loss, of its network with batch normalisation, in nats."""

NumberUnit = Literal["nats", "share", "points", "count", "weight"]
"""``share`` is from 0 to 1 and ``points`` the difference of two shares, also as a fraction of 1."""


class Number(BaseModel):
    """A number with its unit: of a network, if it is about one, with a 95% interval over seeds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    unit: NumberUnit
    value: float
    low: float | None = None
    high: float | None = None
    network: str | None = None


class Explanation(BaseModel):
    """An observation of the report, by its name, and the numbers that explain it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["loss_floor", "train_below_validation", "l1_penalty"]
    numbers: list[Number]


_ALL = TypeAdapter(list[Explanation])


def write_explanations(explanations: list[Explanation]) -> None:
    """Write explanations.json."""
    EXPLANATIONS_FILE.write_bytes(_ALL.dump_json(explanations, indent=1) + b"\n")


def read_explanations(rev: str | None = None) -> list[Explanation]:
    """Read explanations.json of the workspace or of ``rev``: a commit, branch or experiment.

    Raises DataError if it is missing or invalid.
    """
    return parse_result(_ALL, read_result(EXPLANATIONS_FILE, rev), EXPLANATIONS_FILE)


def explain_results(results: Results, logits: Results | None, params: Params) -> list[Explanation]:
    """Return the explanations for which ``results``, of a run with ``params``, have the networks.

    ``logits`` are the results of the same run with cross-entropy of logits, if there is one. A run
    on logits itself does not show what is explained here: its list is empty.
    """
    if params.loss_input == "logits":
        return []
    found = []
    for explain in (_loss_floor, _train_below_validation, _l1_penalty):
        try:
            found.append(explain(results, logits, params))
        except NotTestableError:
            continue
    return found


def _loss_floor(results: Results, logits: Results | None, _: Params) -> Explanation:
    name = "n5_batch_norm"
    numbers = [
        _number("lowest_possible_loss", "nats", FLOOR),
        _number("reported_loss", "nats", REPORTED_LOSS),
        _number("lowest_loss", "nats", _lowest_loss(results)),
        _mean("val_loss", "nats", results.score(name, "val", "loss"), name),
        _mean("val_error_rate", "share", 1 - results.score(name, "val", "accuracy"), name),
        *_lost_classes("replicates_with_a_lost_class", results),
    ]
    if logits:
        numbers += [
            _mean("val_loss_on_logits", "nats", logits.score(name, "val", "loss"), name),
            _number("lowest_loss_on_logits", "nats", _lowest_loss(logits)),
            *_lost_classes("replicates_with_a_lost_class_on_logits", logits),
        ]
    return Explanation(name="loss_floor", numbers=numbers)


def _train_below_validation(results: Results, _: Results | None, params: Params) -> Explanation:
    name = "n4_dropout"
    while_training = results.by_epoch(name, "train_accuracy").iloc[-1]
    train, val = (results.score(name, split, "accuracy") for split in ("train", "val"))
    return Explanation(
        name="train_below_validation",
        numbers=[
            _number("dropout_prob", "share", params.dropout_prob),
            _mean("train_accuracy_while_training", "share", while_training, name),
            _mean("train_accuracy_without_dropout", "share", train, name),
            _mean("val_accuracy", "share", val, name),
            _mean("val_minus_train_while_training", "points", val - while_training, name),
            _mean("val_minus_train_without_dropout", "points", val - train, name),
        ],
    )


def _l1_penalty(results: Results, _: Results | None, params: Params) -> Explanation:
    collapsed, plain, squared = "n6_l1", "n2_mlp", "n7_l2"
    objective, loss = (
        results.by_epoch(collapsed, f"train_{kind}") for kind in ("objective", "loss")
    )
    penalty = objective - loss
    count, magnitude = (results.of_weights(plain, part) for part in ("count", "magnitude"))
    of_plain = params.l1_strength * count * magnitude
    numbers = [
        _number("l1_strength", "weight", params.l1_strength),
        _number("learning_rate", "weight", params.learning_rate),
        _number("largest_possible_gain", "nats", math.log(10) - FLOOR),
        _number("weights", "count", float(count.iloc[0]), plain),
        _mean("l1_penalty_if_it_had_one", "nats", of_plain, plain),
        _mean("penalty_in_first_epoch", "nats", penalty.iloc[0], collapsed),
        _mean("penalty_in_last_epoch", "nats", penalty.iloc[-1], collapsed),
        _mean("train_loss", "nats", loss.iloc[-1], collapsed),
    ]
    for name in (plain, squared, collapsed):
        numbers += [
            _mean("weights_near_zero", "share", results.of_weights(name, "near_zero"), name),
            _mean("mean_magnitude", "weight", results.of_weights(name, "magnitude"), name),
            _mean("val_accuracy", "share", results.score(name, "val", "accuracy"), name),
        ]
    return Explanation(name="l1_penalty", numbers=numbers)


def _lowest_loss(results: Results) -> float:
    return min(float(table["loss"].min()) for table in results.scores.values())


def _lost_classes(name: str, results: Results) -> list[Number]:
    """Count the replicates that recognise no validation image of some class after the last epoch.

    One number per network that has such replicates.
    """
    counts = {network: int(results.lost_a_class(network).sum()) for network in results.scores}
    return [_number(name, "count", count, network) for network, count in counts.items() if count]


def _number(name: str, unit: NumberUnit, value: float, network: str | None = None) -> Number:
    # Of a constant or a count, not of a sum: more digits than a mean's are certain.
    return Number(name=name, unit=unit, value=round(value, 9), network=network)


def _mean(name: str, unit: NumberUnit, values: "pd.Series[float]", network: str) -> Number:
    found = estimate(values.tolist())
    low, high = (None if math.isnan(end) else rounded(end) for end in (found.low, found.high))
    mean = rounded(found.mean)
    return Number(name=name, unit=unit, value=mean, low=low, high=high, network=network)
