"""Why three of the report's observations look as they do, in numbers of the results."""

import json
import math
from dataclasses import dataclass

import pandas as pd
from rich.console import Console

from fashionbench.analysis.comparison_table import read_result
from fashionbench.analysis.statistics import estimate
from fashionbench.analysis.verdicts import NotTestableError, Results
from fashionbench.params import Params
from fashionbench.paths import METRICS_DIR

EXPLANATIONS_FILE = METRICS_DIR / "explanations.json"
"""A list of explanations, by the names of their fields."""
FLOOR = math.log(math.e + 9) - 1
"""Cross-entropy in nats of softmax outputs that are 1 for the right one of ten classes, else 0."""
REPORTED_LOSS = 1.54
"""The report's lowest validation loss, that of its network with batch normalisation."""


@dataclass(frozen=True)
class Explanation:
    """An observation, what explains it, and the numbers that do, row by row under their names."""

    title: str
    text: str
    numbers: dict[str, str]


def show(rev: str | None = None, *, markdown: bool = False, console: Console | None = None) -> None:
    """Print the explanations of the last run, or those that git or DVC holds of ``rev``.

    ``rev`` is a commit, a branch or an experiment. Raises DataError if there are none.
    """
    console = console or Console()
    for fields in json.loads(read_result(EXPLANATIONS_FILE, rev)):
        found = Explanation(**fields)
        title = f"**{found.title}.**" if markdown else f"[bold]{found.title}.[/bold]"
        console.print(f"{title} {found.text}\n", markup=not markdown, soft_wrap=markdown)
        for name, value in found.numbers.items():
            console.print(f"- {name}: {value}", markup=False, highlight=False, soft_wrap=markdown)
        console.print()


def explain(results: Results, logits: Results | None, params: Params) -> list[Explanation]:
    """The explanations that ``results``, of a run with ``params``, have the networks for.

    ``logits`` are those of its counterpart with the textbook's loss, if there is one. A run on
    logits itself shows nothing of what is explained.
    """
    if params.loss_input == "logits":
        return []
    found = []
    for of_one in (_loss_floor, _train_below_validation, _collapse):
        try:
            found.append(of_one(results, logits, params))
        except NotTestableError:
            continue
    return found


def _loss_floor(results: Results, logits: Results | None, _: Params) -> Explanation:
    name = "n5_batch_norm"
    loss, accuracy = (results.score(name, "val", kind).mean() for kind in ("loss", "accuracy"))
    numbers = {
        "the lowest loss that softmax outputs can have, log(e + 9) - 1": f"{FLOOR:.4f}",
        "the lowest loss of any network, seed and split here": f"{_lowest_loss(results):.4f}",
        f"{name}: validation loss": f"{loss:.4f}",
        f"{name}: the floor and the share of errors": f"{FLOOR:.4f} + {1 - accuracy:.4f} = "
        f"{FLOOR + 1 - accuracy:.4f}",
        "replicates that never recognise one of the classes": _lost_classes(results),
    }
    if logits:
        with_logits = logits.score(name, "val", "loss").mean()
        numbers[f"{name}: validation loss when trained on logits"] = f"{with_logits:.4f}"
        numbers["the lowest loss on logits"] = f"{_lowest_loss(logits):.4f}"
        numbers["replicates on logits that never recognise one"] = _lost_classes(logits)
    return Explanation(
        f"What a loss of {REPORTED_LOSS} is",
        "Cross-entropy takes the softmax of what it is given. Given probabilities instead of "
        f"logits it can never fall below {FLOOR:.4f} nats, the loss of a certain and right answer; "
        f"a certain and wrong one costs {FLOOR + 1:.4f}. So the loss is about "
        f"{FLOOR:.2f} and the probability that is missing from the right class: the report's "
        f"{REPORTED_LOSS} stands for {100 * (REPORTED_LOSS - FLOOR):.0f}% of it. That every loss "
        "it gives lies above this floor, at accuracies that go with a small fraction of it on "
        "logits, shows what its networks were trained on. Such a loss learns worse, too: the "
        "gradient of an answer that is certain and wrong fades in the softmax, so a whole class "
        "can be lost for good.",
        numbers,
    )


def _lowest_loss(results: Results) -> float:
    return min(float(table["loss"].min()) for table in results.scores.values())


def _lost_classes(results: Results) -> str:
    """How many replicates of which networks have a class of which no validation image is right."""
    counts = {}
    for name, table in results.scores.items():
        of_classes = table[table["split"] == "val"].filter(like="accuracy ")
        counts[name] = int((of_classes == 0).any(axis=1).sum())
    return ", ".join(f"{count} of {name}" for name, count in counts.items() if count) or "none"


def _train_below_validation(results: Results, _: Results | None, params: Params) -> Explanation:
    name = "n4_dropout"
    while_training = results.final(name, "train_accuracy")
    train, val = (results.score(name, split, "accuracy") for split in ("train", "val"))
    return Explanation(
        "Why N4's validation scores lie above its training scores",
        f"The training curve is taken while dropout hides {100 * params.dropout_prob:.0f}% of the "
        "hidden units, the validation score with all of them. The same weights on the same "
        "training images, scored as the validation images are, tell how much of it was dropout.",
        {
            "train accuracy while training": _percent(while_training),
            "train accuracy without dropout": _percent(train),
            "validation accuracy": _percent(val),
            "validation above train while training": _points(val - while_training),
            "validation above train without dropout": _points(val - train),
        },
    )


def _collapse(results: Results, _: Results | None, params: Params) -> Explanation:
    collapsed, plain, squared = "n6_l1", "n2_mlp", "n7_l2"
    objective, loss = (
        results.by_epoch(collapsed, f"train_{kind}") for kind in ("objective", "loss")
    )
    penalty = (objective - loss).mean(axis=1)
    count, magnitude = (results.of_weights(plain, part).mean() for part in ("count", "magnitude"))
    to_gain = math.log(10) - FLOOR
    numbers = {
        "the most that classifying can gain, from guessing to the floor": f"{to_gain:.3f} nats",
        f"what the {count:,.0f} weights of {plain} would pay": f"{params.l1_strength:g} * "
        f"{count:,.0f} * {magnitude:.4f} = {params.l1_strength * count * magnitude:.2f} nats",
        f"what {collapsed} pays, first and last epoch": f"{penalty.iloc[0]:.3f} and "
        f"{penalty.iloc[-1]:.3f} nats",
        f"{collapsed}: train loss in the last epoch": f"{loss.iloc[-1].mean():.3f} nats",
    }
    for name in (plain, squared, collapsed):
        near_zero, size = (results.of_weights(name, of).mean() for of in ("near_zero", "magnitude"))
        numbers[f"{name}: weights near zero, their mean size, validation accuracy"] = (
            f"{100 * near_zero:.1f}%, {size:.4f}, {_percent(results.final(name))}"
        )
    return Explanation(
        "What the L1 penalty does to the weights",
        f"The penalty is {params.l1_strength:g} times the sum of all absolute weights. It pulls at "
        "each of them with the same force, however small it is, while the L2 penalty lets go of "
        "small ones. Weights like those of the network without a penalty would cost more than "
        "classifying can gain, so the sum of both falls when they shrink, until all are near "
        f"zero, that is, smaller than a step of the optimizer ({params.learning_rate:g}), and "
        "the network gives each class the same probability.",
        numbers,
    )


def _percent(shares: "pd.Series[float]") -> str:
    return _with_half(shares, "%")


def _points(shares: "pd.Series[float]") -> str:
    return _with_half(shares, " points")


def _with_half(shares: "pd.Series[float]", unit: str) -> str:
    found = estimate((100 * shares).tolist())
    half = "" if math.isnan(found.low) else f" ± {found.high - found.mean:.2f}"
    return f"{found.mean:.2f}{half}{unit}"
