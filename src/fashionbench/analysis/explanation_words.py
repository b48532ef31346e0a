"""The explanations in words: titles, texts and the labels of their numbers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rich.console import Console

from fashionbench.analysis.explanations import Explanation, Number, NumberUnit, read_explanations


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
    console = console or Console()
    for explanation in read_explanations(rev):
        found = in_words(explanation)
        title = f"**{found.title}.**" if markdown else f"[bold]{found.title}.[/bold]"
        console.print(f"{title} {found.text}\n", markup=not markdown, soft_wrap=markdown)
        for label, value in found.numbers.items():
            console.print(f"- {label}: {value}", markup=False, highlight=False, soft_wrap=markdown)
        console.print()


def in_words(explanation: Explanation) -> Words:
    """Put an explanation into words."""
    title, write = _TEXTS[explanation.name]
    values = {number.name: number.value for number in explanation.numbers}
    numbers: dict[str, str] = {}
    for number in explanation.numbers:
        label, shown = _LABELS[number.name], _format(number)
        if number.unit == "count" and number.network:
            # Counts of several networks stand in one line.
            shown = f"{shown} of {number.network}"
            numbers[label] = f"{numbers[label]}, {shown}" if label in numbers else shown
        else:
            numbers[f"{number.network}: {label}" if number.network else label] = shown
    return Words(title, write(values), numbers)


def _loss_floor(values: Mapping[str, float]) -> str:
    floor, reported = values["lowest_possible_loss"], values["reported_loss"]
    return (
        "Cross-entropy applies a softmax to its input. If that input is already a vector of "
        f"probabilities, the loss cannot fall below {floor:.4f} nats, the value for a certain and "
        f"correct answer; a certain but wrong one costs {floor + 1:.4f}. The loss is therefore "
        f"about {floor:.2f} plus the probability missing from the correct class, which for the "
        f"report's {reported} is {100 * (reported - floor):.0f}%. All losses in the report lie "
        "above this floor, at accuracies for which cross-entropy of logits is a small fraction of "
        "it: so its networks were trained on probabilities. This loss also trains worse. For a "
        "certain but wrong answer the softmax saturates and its gradient vanishes, so a class can "
        "be lost: after the last epoch the replicate recognises no validation image of it."
    )


def _train_below_validation(values: Mapping[str, float]) -> str:
    return (
        "The training curve is recorded while dropout disables "
        f"{100 * values['dropout_prob']:.0f}% of the hidden units; validation uses all of them. "
        "Scoring the same final weights on the training images without dropout separates the "
        "effect of dropout from that of the data."
    )


def _l1_penalty(values: Mapping[str, float]) -> str:
    return (
        f"The penalty is {values['l1_strength']:g} times the sum of the absolute values of all "
        "parameters. It pulls each weight towards zero with the same force, however small the "
        "weight, while the force of the L2 penalty vanishes with it. Weights like those of the "
        "network without a penalty would cost more than classification can gain, so the "
        "objective falls as they shrink, until they are near zero (smaller than one step of the "
        f"optimizer, {values['learning_rate']:g}) and the network gives every class the same "
        "probability."
    )


_TEXTS: dict[str, tuple[str, Callable[[Mapping[str, float]], str]]] = {
    "loss_floor": ("What a loss of 1.54 means", _loss_floor),
    "train_below_validation": (
        "Why N4's validation scores lie above its training scores",
        _train_below_validation,
    ),
    "l1_penalty": ("What the L1 penalty does to the weights", _l1_penalty),
}

_LABELS = {
    "lowest_possible_loss": "lowest possible loss of softmax outputs, log(e + 9) - 1",
    "reported_loss": "lowest loss in the report",
    "lowest_loss": "lowest loss of any network, seed and split in this run",
    "val_loss": "validation loss",
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
