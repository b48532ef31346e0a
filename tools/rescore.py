"""Judge the claims without suspicious images, and renew a table of docs/data.md: ``make rescore``.

Needs the images of ``dvc repro prepare`` and the predictions of ``dvc repro``; takes a minute. Test
images, and validation images, that nearly repeat a training image make accuracies too high, and
wrong labels make them too low. Final accuracies are counted again without them; whatever else a
claim is about stays as it is.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.metrics import pairwise_distances_argmin_min

from fashionbench.analysis.results import Results, ScoredSplit
from fashionbench.analysis.statistics import Flags
from fashionbench.claims.judging import judge
from fashionbench.claims.quantities import load_claims
from fashionbench.data.splits import load_split
from fashionbench.params import load_params
from fashionbench.paths import predictions_file, split_file
from fashionbench.tables import read_arrays

DOCUMENT = Path("docs/data.md")
BLOCK = re.compile(r"(<!-- begin rescored: make rescore -->\n).*?(<!-- end rescored -->)", re.S)
ALIKE = 0.985
"""Correlation of the pixels of two images from which one nearly repeats the other."""
AGREED = 0.9
"""Share of replicates that give one other class, from which the label is doubtful."""
SPLITS: tuple[ScoredSplit, ...] = ("val", "test")

Removed = Mapping[ScoredSplit, Flags]
"""By split, for each image whether it is left out: (images,)."""


def main() -> None:
    """Renew the block of the document in the current folder, and print it."""
    params = load_params()
    results = Results.read(Path(), params.networks, params.loss_input)
    alike, doubtful = near_duplicates(), doubtful_labels(results)
    both = {split: alike[split] | doubtful[split] for split in SPLITS}
    text = "\n".join(
        table({"near duplicates": alike, "doubtful labels": doubtful, "both": both}, results)
    )
    sys.stdout.write(f"{text}\n")
    old = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(BLOCK.sub(rf"\g<1>{text}\n\g<2>", old), encoding="utf-8")


def table(choices: Mapping[str, Removed], results: Results) -> Iterator[str]:
    """Yield the lines of a table: what is left out, and the verdicts that are others then."""
    yield "| Left out | Validation images | Test images | Verdicts that change |"
    yield "|---|---:|---:|---|"
    usual = verdicts(results)
    for name, removed in choices.items():
        now = verdicts(without(results, removed))
        changed = [
            f"{place}: {usual[place]} → {now[place]}"
            for place in usual
            if usual[place] != now[place]
        ]
        counts = " | ".join(f"{removed[split].sum():,}" for split in SPLITS)
        yield f"| {name} | {counts} | {'; '.join(changed) or 'none'} |"


def verdicts(results: Results) -> dict[str, str]:
    """Return the verdicts on the report's claims, on validation images and on test images."""
    found: dict[str, str] = {}
    for record in judge(load_claims(), results).claims:
        found[record.claim] = record.verdict
        found[f"{record.claim} on test"] = record.on_test or ""
    return found


def without(results: Results, removed: Removed) -> Results:
    """Return results whose final accuracies leave images out."""
    correct = {
        split: {
            name: {seed: right[~removed[split]] for seed, right in by_seed.items()}
            for name, by_seed in results.correct[split].items()
        }
        for split in SPLITS
    }
    scores = {}
    for name, rows in results.scores.items():
        again = {
            (split, seed): right.mean()
            for split in SPLITS
            for seed, right in correct[split][name].items()
        }
        places = zip(rows["split"], rows["seed"], rows["accuracy"], strict=True)
        accuracies = [again.get((split, seed), usual) for split, seed, usual in places]
        scores[name] = rows.assign(accuracy=np.array(accuracies, dtype=np.float64))
    return replace(results, scores=scores, correct=correct)


def near_duplicates() -> Removed:
    """Tell which images nearly repeat one of the training images of the split."""
    train, found = _centred("train"), {}
    for split in SPLITS:
        _, distances = pairwise_distances_argmin_min(_centred(split), train, metric="cosine")
        found[split] = np.asarray(distances <= 1 - ALIKE)
    return found


def _centred(split: str) -> npt.NDArray[np.float64]:
    """Return images as rows of mean 0, the cosines of whose angles are correlations."""
    images = load_split(split_file(split)).images
    rows = images.reshape(len(images), -1).astype(np.float64)
    centred: npt.NDArray[np.float64] = rows - rows.mean(axis=1, keepdims=True)
    return centred


def doubtful_labels(results: Results) -> Removed:
    """Tell of which images nearly all replicates say that they show one other class.

    Networks that learned nothing have no say; the others have one vote each.
    """
    kept = {
        name: read_arrays(predictions_file(name))
        for name in results.scores
        if not results.learned_nothing(name)
    }
    found: dict[ScoredSplit, Flags] = {}
    for split in SPLITS:
        labels = next(iter(kept.values()))[f"{split}_labels"]
        votes = np.zeros((len(results.classes), len(labels)))
        for arrays in kept.values():
            runs = [array for name, array in arrays.items() if name.startswith(f"{split}_seed_")]
            for run in runs:
                votes[run, np.arange(len(labels))] += 1 / len(runs) / len(kept)
        votes[labels, np.arange(len(labels))] = 0
        found[split] = votes.max(axis=0) >= AGREED
    return found


if __name__ == "__main__":
    main()
