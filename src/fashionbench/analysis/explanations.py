"""Explains three of the report's observations with numbers from the results."""

import math

import pandas as pd
from pydantic import BaseModel, ConfigDict, TypeAdapter
from rich.console import Console

from fashionbench.analysis.files import EXPLANATIONS_FILE
from fashionbench.analysis.result_files import parse_result, read_result
from fashionbench.analysis.statistics import estimate
from fashionbench.analysis.verdicts import NotTestableError, Results
from fashionbench.params import Params

FLOOR = math.log(math.e + 9) - 1
"""Cross-entropy in nats when the softmax outputs, 1 for the right class of ten and 0 for the
others, are taken for logits."""
REPORTED_LOSS = 1.54
"""The report's lowest validation loss, of its network with batch normalisation, in nats."""


class Explanation(BaseModel):
    """An observation of the report: its explanation, and the numbers behind it by their names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    text: str
    numbers: dict[str, str]


_ALL = TypeAdapter(list[Explanation])


def write_explanations(explanations: list[Explanation]) -> None:
    """Write explanations.json."""
    EXPLANATIONS_FILE.write_bytes(_ALL.dump_json(explanations, indent=1) + b"\n")


def print_explanations(
    rev: str | None = None, *, markdown: bool = False, console: Console | None = None
) -> None:
    """Print the explanations of the last run, or of ``rev``: a commit, a branch or an experiment.

    Raises DataError if there are none.
    """
    console = console or Console()
    for found in parse_result(_ALL, read_result(EXPLANATIONS_FILE, rev), EXPLANATIONS_FILE):
        title = f"**{found.title}.**" if markdown else f"[bold]{found.title}.[/bold]"
        console.print(f"{title} {found.text}\n", markup=not markdown, soft_wrap=markdown)
        for name, value in found.numbers.items():
            console.print(f"- {name}: {value}", markup=False, highlight=False, soft_wrap=markdown)
        console.print()


def explain_results(results: Results, logits: Results | None, params: Params) -> list[Explanation]:
    """Return the explanations for which ``results``, of a run with ``params``, have the networks.

    ``logits`` are the results of the same run with cross-entropy of logits, if there is one. A run
    on logits itself does not show what is explained here: its list is empty.
    """
    if params.loss_input == "logits":
        return []
    found = []
    for explain in (_loss_floor, _train_below_validation, _collapse):
        try:
            found.append(explain(results, logits, params))
        except NotTestableError:
            continue
    return found


def _loss_floor(results: Results, logits: Results | None, _: Params) -> Explanation:
    name = "n5_batch_norm"
    loss, accuracy = (results.score(name, "val", kind).mean() for kind in ("loss", "accuracy"))
    numbers = {
        "lowest possible loss of softmax outputs, log(e + 9) - 1": f"{FLOOR:.4f}",
        "lowest loss of any network, seed and split in this run": f"{_lowest_loss(results):.4f}",
        f"{name}: validation loss": f"{loss:.4f}",
        f"{name}: floor plus error rate": f"{FLOOR:.4f} + {1 - accuracy:.4f} = "
        f"{FLOOR + 1 - accuracy:.4f}",
        "replicates with a class of which no validation image is recognised": _lost_classes(
            results
        ),
    }
    if logits:
        with_logits = logits.score(name, "val", "loss").mean()
        numbers[f"{name}: validation loss when trained on logits"] = f"{with_logits:.4f}"
        numbers["lowest loss on logits"] = f"{_lowest_loss(logits):.4f}"
        numbers["replicates on logits with such a class"] = _lost_classes(logits)
    return Explanation(
        title=f"What a loss of {REPORTED_LOSS} means",
        text="Cross-entropy applies a softmax to its input. If that input is already a vector of "
        f"probabilities, the loss cannot fall below {FLOOR:.4f} nats, the value for a certain and "
        f"correct answer; a certain but wrong one costs {FLOOR + 1:.4f}. The loss is therefore "
        f"about {FLOOR:.2f} plus the probability missing from the correct class, which for the "
        f"report's {REPORTED_LOSS} is {100 * (REPORTED_LOSS - FLOOR):.0f}%. All losses in the "
        "report lie above this floor, at accuracies for which cross-entropy of logits is a small "
        "fraction of it: so its networks were trained on probabilities. This loss also trains "
        "worse. For a certain but wrong answer the softmax saturates and its gradient vanishes, "
        "so a whole class can be lost for good.",
        numbers=numbers,
    )


def _lowest_loss(results: Results) -> float:
    return min(float(table["loss"].min()) for table in results.scores.values())


def _lost_classes(results: Results) -> str:
    """Count by network the replicates that recognise no validation image of some class."""
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
        title="Why N4's validation scores lie above its training scores",
        text="The training curve is recorded while dropout disables "
        f"{100 * params.dropout_prob:.0f}% of the hidden units; validation uses all of them. "
        "Scoring the same final weights on the training images without dropout separates the "
        "effect of dropout from that of the data.",
        numbers={
            "train accuracy while training": _percent(while_training),
            "train accuracy without dropout": _percent(train),
            "validation accuracy": _percent(val),
            "validation minus train accuracy while training": _points(val - while_training),
            "validation minus train accuracy without dropout": _points(val - train),
        },
    )


def _collapse(results: Results, _: Results | None, params: Params) -> Explanation:
    collapsed, plain, squared = "n6_l1", "n2_mlp", "n7_l2"
    objective, loss = (
        results.by_epoch(collapsed, f"train_{kind}") for kind in ("objective", "loss")
    )
    penalty = (objective - loss).mean(axis=1)
    count, magnitude = (results.of_weights(plain, part).mean() for part in ("count", "magnitude"))
    largest_gain = math.log(10) - FLOOR
    numbers = {
        "largest possible reduction of the loss, from guessing to the floor": f"{largest_gain:.3f} "
        "nats",
        f"penalty that the {count:,.0f} weights of {plain} would have": f"{params.l1_strength:g} * "
        f"{count:,.0f} * {magnitude:.4f} = {params.l1_strength * count * magnitude:.2f} nats",
        f"penalty of {collapsed}, first and last epoch": f"{penalty.iloc[0]:.3f} and "
        f"{penalty.iloc[-1]:.3f} nats",
        f"{collapsed}: train loss of the last epoch": f"{loss.iloc[-1].mean():.3f} nats",
    }
    for name in (plain, squared, collapsed):
        near_zero, size = (results.of_weights(name, of).mean() for of in ("near_zero", "magnitude"))
        numbers[f"{name}: weights near zero, mean magnitude, validation accuracy"] = (
            f"{100 * near_zero:.1f}%, {size:.4f}, {_percent(results.final(name))}"
        )
    return Explanation(
        title="What the L1 penalty does to the weights",
        text=f"The penalty is {params.l1_strength:g} times the sum of the absolute values of all "
        "parameters. It pulls each weight towards zero with the same force, however small the "
        "weight, while the force of the L2 penalty vanishes with it. Weights like those of the "
        "network without a penalty would cost more than classification can gain, so the "
        "objective falls as they shrink, until they are near zero (smaller than one step of the "
        f"optimizer, {params.learning_rate:g}) and the network gives every class the same "
        "probability.",
        numbers=numbers,
    )


def _percent(shares: "pd.Series[float]") -> str:
    return _with_half(shares, "%")


def _points(shares: "pd.Series[float]") -> str:
    return _with_half(shares, " points")


def _with_half(shares: "pd.Series[float]", unit: str) -> str:
    found = estimate((100 * shares).tolist())
    half = "" if math.isnan(found.low) else f" ± {found.high - found.mean:.2f}"
    return f"{found.mean:.2f}{half}{unit}"
