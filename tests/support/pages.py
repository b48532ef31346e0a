"""A page of made-up results, and each kind of figure."""

import functools
import hashlib
from contextlib import chdir
from dataclasses import replace

import numpy as np
import pandas as pd
from comparisons import COMPARISON, CURVES, REPLICATES
from made_up import CLAIMS, NETWORKS, MadeUp, near, results
from made_up_trust import TABLES
from matplotlib.figure import Figure as Drawing
from repositories import CLASSES, PROJECT

from fashionbench.analysis.calibration_and_robustness import compare_robustness
from fashionbench.analysis.comparison import compare_networks
from fashionbench.analysis.explanations import Words
from fashionbench.analysis.pairs import compare_pairs
from fashionbench.analysis.results import Chosen, Results, choose, disputed
from fashionbench.claims.judging import judge
from fashionbench.page import figures
from fashionbench.page.captions import describe_trust
from fashionbench.page.explorer import Answers, Explorer, explore
from fashionbench.page.page import Arm, Figure, Page, render, render_section
from fashionbench.studies.published import COUNTERPART, read_published
from fashionbench.training.costs import Costs


def verdicts(**networks: MadeUp) -> Arm:
    """Judge every claim on made-up results of the networks named."""
    return Arm(
        loss_input="probabilities",
        comparison=COMPARISON,
        record=judge(CLAIMS, results(networks)),
    )


OWN = results(
    {
        "n1_mlp": MadeUp(accuracy=near(0.80), rise=near(0.1)),
        "n6_l1": MadeUp(accuracy=near(0.1, 0)),
        "n8_conv": MadeUp(accuracy=near(0.91, 0.01), train_lead=near(0.05)),
    }
)
"""Results to explore."""
LOGITS = replace(
    results(),
    loss_input="logits",
    curves={name: of for name, of in results().curves.items() if name != "n7_l2"},
    scores={name: of for name, of in results().scores.items() if name != "n7_l2"},
)
"""The other arm, which lacks a network as if that had been added later."""
PAIRS = compare_pairs(OWN).query("split == 'test'")
COSTS = {
    name: Costs(parameters=1000 * 2**place, train_teraflop=place)
    for place, name in enumerate(NETWORKS, start=1)
}


def answers(own: Results, images: int = 60) -> Answers:
    """Make up what networks answer: each is wrong on every image whose number its own divides."""
    labels = np.arange(images, dtype=np.uint8) % 10
    chosen = Chosen(
        labels=labels,
        seeds=choose(own),
        predictions={
            name: np.where(np.arange(images) % place == 0, (labels + place) % 10, labels).astype(
                np.uint8
            )
            for place, name in enumerate(NETWORKS, start=2)
        },
    )
    indices = disputed(chosen, own, 25)
    pixels = np.arange(len(indices) * 784, dtype=np.uint8).reshape(-1, 28, 28)
    return Answers(loss_input=own.loss_input, chosen=chosen, indices=indices, images=pixels)


@functools.cache
def an_explorer() -> Explorer:
    """Return what can be explored of two arms of made-up results."""
    own, logits = OWN, LOGITS
    comparison = compare_networks(own.curves, own.scores, COSTS)
    pairs = pd.concat([compare_pairs(own), compare_pairs(logits)])
    return explore([own, logits], comparison, pairs, answers(own))


def with_studies(page: Page) -> Page:
    """Return a page with the studies whose results are in git."""
    with chdir(PROJECT):
        found = [study for study in read_published() if study.name != COUNTERPART]
    sections = [render_section(study.name, study.record, study.figures) for study in found]
    return replace(page, studies=sections)


@functools.cache
def a_page() -> Page:
    """Return a page with everything that a page can have."""
    accuracy = figures.svg_text(figures.draw_accuracy(COMPARISON, REPLICATES))
    curves = figures.svg_text(figures.draw_network("good", CURVES["good"]))
    own = verdicts(n6_l1=MadeUp(near_zero=near(0.5)))
    return Page(
        title="Networks on Fashion-MNIST, compared",
        arms=[own, replace(verdicts(), loss_input="logits")],
        described={name: f"a network called {name}" for name in own.comparison["network"]},
        first=[Figure(name="first", svg=accuracy, caption="Accuracy", alt="good 85%")],
        overview=[Figure(name="accuracy", svg=accuracy, caption="Accuracy", alt="good 85%")],
        correction=[Figure(name="correction", svg=accuracy, caption="On logits", alt="good 85%")],
        networks={"good": [Figure(name="a/b", svg=curves, caption="Curves", alt="up to 86%")]},
        explanations=[Words(title="Why", text="Because.", numbers={"a number": "1.4612"})],
        trust=[describe_trust("probabilities", TABLES)],
        made_from={"Parameters": {"seeds": "[0, 1]"}},
        explorer=an_explorer(),
    )


_SAME = np.eye(len(CLASSES), dtype=int)
CONFUSION = pd.DataFrame(
    [
        {"seed": seed, "actual": CLASSES[row], "predicted": CLASSES[column], "images": images}
        for seed in (0, 1)
        for (row, column), images in np.ndenumerate(90 * _SAME + 10 * np.roll(_SAME, -1, axis=1))
    ]
)
ERRORS = {
    "images": np.arange(3 * 784, dtype=np.uint8).reshape(3, 28, 28),
    "labels": np.array([6, 0, 9], np.uint8),
    "predictions": np.array([0, 6, 7], np.uint8),
}


def draw_all() -> dict[str, Drawing]:
    """Draw each kind of figure once."""
    filters = np.linspace(-1, 1, 5 * 9, dtype=np.float32).reshape(5, 3, 3)
    return {
        "network": figures.draw_network("good", CURVES["good"]),
        "curves": figures.draw_curves(CURVES, COMPARISON),
        "accuracy": figures.draw_accuracy(COMPARISON, REPLICATES),
        "costs": figures.draw_costs(COMPARISON, REPLICATES),
        "confusion": figures.draw_confusion(CONFUSION),
        "pairs": figures.draw_pairs(PAIRS),
        "calibration": figures.draw_reliability(TABLES.calibration),
        "robustness": figures.draw_robustness(compare_robustness(TABLES.robustness)),
        "filters": figures.draw_filters(filters),
        "errors": figures.draw_errors(ERRORS, CLASSES),
    }


def digests() -> dict[str, str]:
    """Return a digest of the page and of each figure, by name."""
    texts = {name: figures.svg_text(figure) for name, figure in draw_all().items()}
    texts["page"] = render(a_page())
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
