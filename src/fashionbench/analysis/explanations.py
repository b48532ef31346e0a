"""The numbers that explain three of the report's observations, and their words."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, TypeAdapter
from rich.console import Console

from fashionbench.analysis.result_files import EXPLANATIONS_FILE, parse_result, read_result
from fashionbench.analysis.results import NotTestableError, Results
from fashionbench.analysis.statistics import estimate, rounded
from fashionbench.params import Params
from fashionbench.terminal import open_console

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
        _number("lowest_possible_loss", "nats", _floor(results)),
        _number("reported_loss", "nats", REPORTED_LOSS),
        _number("lowest_loss", "nats", _lowest_loss(results)),
        _mean("val_loss", "nats", results.score(name, "val", "loss"), name),
        _mean("final_train_loss", "nats", results.score(name, "train", "loss"), name),
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
            _number("dropout_prob", "share", params.network(name).dropout_prob),
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
    strength = params.network(collapsed).l1_strength
    of_plain = strength * count * magnitude
    numbers = [
        _number("l1_strength", "weight", strength),
        _number("learning_rate", "weight", params.of(collapsed).learning_rate),
        _number("largest_possible_gain", "nats", math.log(len(results.classes)) - _floor(results)),
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


def _floor(results: Results) -> float:
    """Return the cross-entropy of perfect softmax outputs that are taken for logits, in nats.

    They are 1 for the right class and 0 for the others.
    """
    return math.log(math.e + len(results.classes) - 1) - 1


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


@dataclass(frozen=True)
class Words:
    """An explanation for readers; ``numbers`` are labels with formatted values."""

    title: str
    text: str
    numbers: Mapping[str, str]


def print_explanations(
    rev: str | None = None, *, markdown: bool = False, console: Console | None = None
) -> None:
    """Print the explanations of the last run, or of ``rev``: a commit, a branch or an experiment.

    Raises DataError if there are none.
    """
    console = console or open_console()
    for explanation in read_explanations(rev):
        found = in_words(explanation)
        title = f"**{found.title}.**" if markdown else f"[bold]{found.title}.[/bold]"
        console.print(f"{title} {found.text}\n", markup=not markdown, soft_wrap=markdown)
        for label, value in found.numbers.items():
            console.print(f"- {label}: {value}", markup=False, highlight=False, soft_wrap=markdown)
        console.print()


def in_words(explanation: Explanation) -> Words:
    """Put an explanation into words."""
    title, text = _TEXTS[explanation.name]
    values = {number.name: number.value for number in explanation.numbers}
    if explanation.name == "loss_floor":
        floor = values["lowest_possible_loss"]
        values |= {"wrong": floor + 1, "missing": values["reported_loss"] - floor}
    numbers: dict[str, str] = {}
    for number in explanation.numbers:
        label, shown = _LABELS[number.name], _format(number)
        if number.unit == "count" and number.network:
            # Counts of several networks stand in one line.
            shown = f"{shown} of {number.network}"
            numbers[label] = f"{numbers[label]}, {shown}" if label in numbers else shown
        else:
            numbers[f"{number.network}: {label}" if number.network else label] = shown
    return Words(title, text.format(**values), numbers)


_TEXTS = {
    "loss_floor": (
        "What a loss of 1.54 means",
        "Cross-entropy applies a softmax to its input. If that input is already a vector of "
        "probabilities, the loss cannot fall below {lowest_possible_loss:.4f} nats, the value for "
        "a certain and correct answer; a certain but wrong one costs {wrong:.4f}. The loss is "
        "therefore about {lowest_possible_loss:.2f} plus the probability missing from the correct "
        "class, which for the report's {reported_loss} is {missing:.0%}. All losses in the report "
        "lie above this floor, at accuracies for which cross-entropy of logits is a small fraction "
        "of it: so its networks were trained on probabilities. This loss also trains worse. For a "
        "certain but wrong answer the softmax saturates and its gradient vanishes, so a class can "
        "be lost: after the last epoch the replicate recognises no validation image of it.",
    ),
    "train_below_validation": (
        "Why N4's validation scores lie above its training scores",
        "The training curve is recorded while dropout disables {dropout_prob:.0%} of the hidden "
        "units; validation uses all of them. Scoring the same final weights on the training images "
        "without dropout separates the effect of dropout from that of the data.",
    ),
    "l1_penalty": (
        "What the L1 penalty does to the weights",
        "The penalty is {l1_strength:g} times the sum of the absolute values of all parameters. It "
        "pulls each weight towards zero with the same force, however small the weight, while the "
        "force of the L2 penalty vanishes with it. Weights like those of the network without a "
        "penalty would cost more than classification can gain, so the objective falls as they "
        "shrink, until they are near zero (smaller than one step of the optimizer, "
        "{learning_rate:g}) and the network gives every class the same probability.",
    ),
}
"""By the name of an explanation its title, and its text with names of numbers."""

_LABELS = {
    "lowest_possible_loss": "lowest possible loss of softmax outputs, log(e + classes - 1) - 1",
    "reported_loss": "lowest loss in the report",
    "lowest_loss": "lowest loss of any network, seed and split in this run",
    "val_loss": "validation loss",
    "final_train_loss": "train loss; the report's may be it, and not the validation loss",
    "val_error_rate": "validation error rate; added to the floor it is about the loss",
    "replicates_with_a_lost_class": "replicates with a class of which no validation image is "
    "recognised after the last epoch",
    "val_loss_on_logits": "validation loss when trained on logits",
    "lowest_loss_on_logits": "lowest loss on logits",
    "replicates_with_a_lost_class_on_logits": "replicates on logits with such a class",
    "dropout_prob": "share of hidden units disabled",
    "train_accuracy_while_training": "train accuracy while training",
    "train_accuracy_without_dropout": "train accuracy without dropout",
    "val_accuracy": "validation accuracy",
    "val_minus_train_while_training": "validation minus train accuracy while training",
    "val_minus_train_without_dropout": "validation minus train accuracy without dropout",
    "l1_strength": "strength of the penalty",
    "learning_rate": "learning rate, about one step of the optimizer",
    "largest_possible_gain": "largest possible reduction of the loss, from guessing to the floor",
    "weights": "weights",
    "l1_penalty_if_it_had_one": "the L1 penalty that its weights would have",
    "penalty_in_first_epoch": "penalty in the first epoch",
    "penalty_in_last_epoch": "penalty in the last epoch",
    "train_loss": "train loss of the last epoch",
    "weights_near_zero": "weights near zero",
    "mean_magnitude": "mean magnitude of the weights",
}

# A factor, the digits after the point, and a suffix.
_FORMATS: dict[NumberUnit, tuple[float, str, str]] = {
    "nats": (1, ".4f", " nats"),
    "share": (100, ".2f", "%"),
    "points": (100, ".2f", " points"),
    "count": (1, ",.0f", ""),
    "weight": (1, ".4g", ""),
}


def _format(number: Number) -> str:
    factor, digits, suffix = _FORMATS[number.unit]
    text = f"{factor * number.value:{digits}}"
    if number.high is not None:
        text += f" ± {factor * (number.high - number.value):{digits}}"
    return f"{text}{suffix}"
