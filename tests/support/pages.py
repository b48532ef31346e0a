"""A page of made-up results."""

from dataclasses import replace

from comparisons import COMPARISON, CURVES, REPLICATES
from made_up import MadeUp, near, results
from made_up_trust import TABLES

from fashionbench.analysis.claims import CLAIMS
from fashionbench.analysis.explanation_words import Words
from fashionbench.analysis.verdicts import judge
from fashionbench.page import captions, figures
from fashionbench.page.page import Arm, Figure, Page
from fashionbench.page.trust import describe_trust


def verdicts(**networks: MadeUp) -> Arm:
    """Judge every claim on made-up results of the networks named."""
    return Arm(
        loss_input="probabilities",
        comparison=COMPARISON,
        record=judge(CLAIMS, results(networks)),
    )


def a_page() -> Page:
    """Return a page with everything that a page can have."""
    accuracy = figures.svg_text(figures.draw_accuracy(COMPARISON, REPLICATES))
    curves = figures.svg_text(figures.draw_network("good", CURVES["good"]))
    own = verdicts(n6_l1=MadeUp(near_zero=near(0.5)))
    return Page(
        arms=[own, replace(verdicts(), loss_input="logits")],
        first=[captions.single_runs_figure(own)],
        overview=[Figure(name="accuracy", svg=accuracy, caption="Accuracy", alt="good 85%")],
        correction=[Figure(name="correction", svg=accuracy, caption="On logits", alt="good 85%")],
        networks={"good": [Figure(name="a/b", svg=curves, caption="Curves", alt="up to 86%")]},
        explanations=[Words(title="Why", text="Because.", numbers={"a number": "1.4612"})],
        trust=[describe_trust("probabilities", TABLES)],
        made_from={"Parameters": {"seeds": "[0, 1]"}},
    )
