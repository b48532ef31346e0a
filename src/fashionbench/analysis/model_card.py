"""The model card of the champion: what it is, how it was chosen, how good it is, and its limits.

The headings follow Mitchell et al., Model cards for model reporting (FAT* 2019).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path

import pandas as pd

from fashionbench.analysis.calibration_and_robustness import (
    NONE,
    TrustTables,
    compare_calibration,
    compare_robustness,
    curve_of,
    units,
)
from fashionbench.analysis.comparison import best_first
from fashionbench.analysis.result_files import COMPARISON_FILE
from fashionbench.analysis.statistics import with_interval
from fashionbench.evaluation.corruptions import IMAGES
from fashionbench.evaluation.scores import best_seed
from fashionbench.messages import counted
from fashionbench.networks.description import in_words
from fashionbench.params import Params
from fashionbench.paths import network_table
from fashionbench.tables import read_table

LONGEST = 5000
"""Characters of a description in MLflow's tables."""
_WEAKEST = 3
_PURPOSE = """\
Comparing networks and methods on small images, teaching, and trying how a model is served. It tells
{classes} classes apart ({shows}), on {images}."""
_CHOICE = """\
By accuracy on the validation images: the network by its median over seeds, and of its replicates
the best. Test images chose nothing."""
_ABUSE = """\
Anything that matters to somebody: no decision about people, goods or money. It has seen the images
of one data set only. {faults} It answers with one of its {classes} classes whatever it is shown,
also noise, and its probabilities are off by the calibration error."""


@dataclass(frozen=True, kw_only=True)
class Champion:
    """The best network and replicate by validation accuracy, and the tables about them."""

    network: str
    seed: int
    numbers: "pd.Series[float]"
    scores: pd.DataFrame
    confusion: pd.DataFrame
    trust: TrustTables


def read_champion(folder: Path = Path()) -> Champion:
    """Choose the champion of the results in ``folder``; DataError if a table is missing.

    Both choices are those of the model registry.
    """
    comparison = read_table(folder / COMPARISON_FILE)
    network = str(best_first(comparison)["network"].iloc[0])
    scores, confusion = (
        read_table(folder / network_table(network, table)) for table in ("scores", "confusion")
    )
    val = scores[scores["split"] == "val"].set_index("seed")["accuracy"]
    return Champion(
        network=network,
        seed=best_seed({int(str(seed)): float(accuracy) for seed, accuracy in val.items()}),
        numbers=comparison.set_index("network").T[network],
        scores=scores,
        confusion=confusion,
        trust=TrustTables.read(folder, [network]),
    )


def write_card(champion: Champion, params: Params) -> str:
    """Return the card as Markdown, at most LONGEST characters, without a title."""
    data = params.dataset
    facts = {
        "classes": len(data.classes),
        "shows": data.shows,
        "images": data.in_words,
        "faults": data.faults,
    }
    sections = {
        "What it is": _model(champion, params),
        "What it is for": _PURPOSE.format(**facts),
        "How it was chosen": _CHOICE,
        "How good it is": _scores(champion),
        "Where it is weak": _weak_points(champion, data.classes),
        "On images that are worse": "\n".join(_robustness(champion)),
        "What it must not be used for": _ABUSE.format(**facts),
    }
    return "\n\n".join(f"## {heading}\n\n{text}" for heading, text in sections.items())


def _model(champion: Champion, params: Params) -> str:
    own, network = params.of(champion.network), params.network(champion.network)
    return (
        f"`{network.name}`, seed {champion.seed}: {in_words(network)}; "
        f"{int(champion.numbers['parameters']):,} parameters. Trained on {params.train_size:,} "
        f"images of {params.dataset.title} ({params.dataset.source}; licence: "
        f"{params.dataset.licence}) for {counted(own.num_epochs, 'epoch')}, with cross-entropy of "
        f"{own.loss_input}. Raw pixels from 0 to 255 go in, a probability for each class comes out."
    )


def _scores(champion: Champion) -> str:
    own = champion.scores[champion.scores["seed"] == champion.seed].set_index("split")["accuracy"]
    calibration = compare_calibration(champion.trust.calibration).set_index("network")
    error = _in_words(calibration.T[champion.network], "calibration_error")
    return "\n".join(
        [
            "| Score | Mean over seeds, 95% interval | This replicate |",
            "|---|---|---|",
            *(
                f"| {words} accuracy | {_in_words(champion.numbers, f'{split}_accuracy')} "
                f"| {own[split]:.2%} |"
                for split, words in (("val", "validation"), ("test", "test"))
            ),
            f"| expected calibration error | {error} | |",
        ]
    )


def _weak_points(champion: Champion, classes: Sequence[str]) -> str:
    test = champion.scores[champion.scores["split"] == "test"]
    found = {name: with_interval(name, test[f"accuracy {name}"].tolist()) for name in classes}
    weakest = sorted(classes, key=lambda name: found[name][name])[:_WEAKEST]
    lines = ["| Class | Test accuracy, 95% interval | Most often taken for |", "|---|---|---|"]
    for name in weakest:
        other, share = _taken_for(champion.confusion, name)
        lines.append(f"| {name} | {_in_words(found[name], name)} | {other}, {share:.0%} |")
    return "\n".join(lines)


def _taken_for(confusion: pd.DataFrame, name: str) -> tuple[str, float]:
    """Return the class that a class is most often taken for, and how often, over all seeds."""
    counts = confusion[confusion["actual"] == name].groupby("predicted")["images"].sum()
    wrong = counts.drop(name)
    return str(wrong.idxmax()), float(wrong.max()) / float(counts.sum())


def _robustness(champion: Champion) -> Iterator[str]:
    """Yield the lines of the section."""
    yield f"Accuracy on at most {IMAGES:,} test images, corrupted in mild to severe strengths."
    yield from ("", "| Corruption | Strengths | Mean accuracy % |", "|---|---|---|")
    table = compare_robustness(champion.trust.robustness)
    (clean,) = table.loc[table["corruption"] == NONE, "accuracy"]
    yield f"| none |  | {100 * clean:.0f} |"
    for kind, unit in units().items():
        curve = curve_of(table, champion.network, kind).iloc[1:]
        strengths = ", ".join(str(strength) for strength in curve["strength"])
        accuracies = ", ".join(f"{100 * accuracy:.0f}" for accuracy in curve["accuracy"])
        yield f"| {kind} | {strengths} {unit} | {accuracies} |"


def _in_words(numbers: "pd.Series[float] | Mapping[str, float]", name: str) -> str:
    mean, low, high = (float(numbers[f"{name}{end}"]) for end in ("", "_low", "_high"))
    interval = "" if isnan(low) else f" [{100 * low:.2f}, {100 * high:.2f}]"
    return f"{mean:.2%}{interval}"
