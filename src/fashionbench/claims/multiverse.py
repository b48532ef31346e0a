"""In how many analyses that could have been chosen as well a verdict stands.

Every combination of the choices below is an analysis of all claims as one family (Steegen et al.,
Increasing transparency through a multiverse analysis, Perspect. Psychol. Sci. 11, 2016).
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import product

import numpy as np

from fashionbench.analysis.intervals import ALPHA, holm_of
from fashionbench.analysis.results import Results
from fashionbench.claims.language import DeclaredCondition, Verdict
from fashionbench.claims.quantities import load_claims
from fashionbench.claims.rule import Evidence, Examined, examine
from fashionbench.claims.verdicts import ArmRecord

SCORES: Mapping[str, dict[str, object]] = {
    "final": {"value": "accuracy", "over": None},
    "best": {"value": "highest", "over": None},
    "plateau": {"value": "plateau", "over": 10},
}
"""What the accuracy of a network may be: after the last epoch, in its best, over the last ten."""
CHOICES: Mapping[str, tuple[str, ...]] = {
    "score": tuple(SCORES),
    "images": ("validation", "test"),
    "runs": ("no class lost", "all runs"),
    "test": ("pairs", "Welch"),
    "margin": ("half", "whole", "double"),
    "sides": ("two-sided", "one-sided"),
    "family": ("Holm", "uncorrected"),
}
ALL = "every analysis"
_FACTORS = {"half": 0.5, "whole": 1.0, "double": 2.0}


_SCORED = (
    ("final", "validation"),
    ("final", "test"),
    ("best", "validation"),
    ("plateau", "validation"),
)
"""Test images are scored after the last epoch alone."""


def with_multiverse(arm: ArmRecord, results: Results) -> ArmRecord:
    """Return the verdicts on the report's claims, each with the counts of the analyses."""
    verdicts = {record.claim: record.verdict for record in arm.claims}
    found: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for options, number, verdict in _analyses(results, verdicts):
        for option in (ALL, *options):
            found[number][option].append(verdict == verdicts[number])
    claims = tuple(
        record.model_copy(
            update={
                "multiverse": {
                    option: (sum(same), len(same)) for option, same in found[record.claim].items()
                }
            }
        )
        for record in arm.claims
    )
    return arm.model_copy(update={"claims": claims})


def _analyses(
    results: Results, numbers: Collection[str]
) -> Iterator[tuple[list[str], str, Verdict]]:
    """Yield the options of an analysis, and the number of a claim with the verdict by these."""
    for score, images in _SCORED:
        change = partial(_with_score, score)
        scored = results.on("test" if images == "test" else "val")
        claims = [claim for claim in load_claims(change=change) if claim.number in numbers]
        tested = [one for claim in claims for one in [examine(claim, scored)] if one.is_judged]
        for runs, test in product(CHOICES["runs"], CHOICES["test"]):
            evidence = [
                Evidence.of(
                    one.claim.conditions,
                    one.found,
                    results.images,
                    in_pairs=test == "pairs",
                    with_lost=runs == "all runs",
                )
                for one in tested
            ]
            for options, number, verdict in _decide(tested, evidence):
                yield [score, images, runs, test, *options], number, verdict


def _with_score(score: str, condition: DeclaredCondition) -> DeclaredCondition:
    is_accuracy = condition.value in [one["value"] for one in SCORES.values()]
    is_free = is_accuracy and condition.split is None
    return condition.model_copy(update=SCORES[score]) if is_free else condition


def _decide(
    tested: Sequence[Examined], evidence: Sequence[Evidence]
) -> Iterator[tuple[list[str], str, Verdict]]:
    corrections = [*product(CHOICES["sides"], CHOICES["family"])]
    for margin in CHOICES["margin"]:
        family = [_widened(one, _FACTORS[margin]) for one in zip(tested, evidence, strict=True)]
        p_values = np.array([float(one.p()) for one in family])
        # At a one-sided level p-values are half of what they are, and the two-sided level is twice.
        by_holm = {1: holm_of(p_values)[1], 2: 2 * holm_of(p_values / 2)[1]}
        for place, (one, of) in enumerate(zip(tested, family, strict=True)):
            levels = [
                by_holm[side][place] if correction == "Holm" else side * ALPHA
                for sides, correction in corrections
                for side in [CHOICES["sides"].index(sides) + 1]
            ]
            verdicts = one.verdicts(of, np.array(levels))
            for (sides, correction), verdict in zip(corrections, verdicts, strict=True):
                yield [margin, sides, correction], one.claim.number, verdict


def _widened(one: tuple[Examined, Evidence], factor: float) -> Evidence:
    examined, evidence = one
    for number, condition in enumerate(examined.claim.conditions):
        wider = condition.with_margin(factor * condition.margin)
        evidence = evidence.with_bounds(number, wider.low, wider.high)
    return evidence
