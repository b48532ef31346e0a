"""Claims confronted with results: their comparisons, and their verdicts as one family of tests."""

from collections.abc import Sequence
from dataclasses import dataclass

from fashionbench.analysis.conditions import Claim, Comparison, Verdict
from fashionbench.analysis.evidence import FEWEST_SEEDS, Evidence
from fashionbench.analysis.inference import Adjusted, holm
from fashionbench.analysis.results import NotTestableError, Results


@dataclass(frozen=True)
class Examined:
    """A claim with the comparisons of each condition; ``remark`` says why it cannot be judged."""

    claim: Claim
    found: tuple[tuple[Comparison, ...], ...]
    evidence: Evidence | None
    remark: str
    is_vacuous: bool = False
    is_applicable: bool = True

    @property
    def is_judged(self) -> bool:
        """Tell whether the claim is tested at all."""
        return self.evidence is not None and not self.remark

    def verdict(self, evidence: Evidence, level: float) -> Verdict:
        """Return the verdict that evidence on this claim gives at a level."""
        decision = evidence.decide(level)
        return "vacuous" if decision == "reproduced" and self.is_vacuous else decision


@dataclass(frozen=True)
class Judged:
    """A claim within its family of tests; ``adjusted`` is None if it is not tested."""

    examined: Examined
    adjusted: Adjusted | None

    @property
    def verdict(self) -> Verdict:
        """Return the verdict on the claim."""
        return self._verdict(self.examined.evidence)

    def verdict_on(self, number: int) -> Verdict:
        """Return the verdict on one of the claim's conditions."""
        evidence = self.examined.evidence
        return self._verdict(evidence and evidence.part(number))

    def _verdict(self, evidence: Evidence | None) -> Verdict:
        if not self.examined.is_applicable:
            return "not applicable"
        if evidence is None or self.adjusted is None:
            return "inconclusive"
        return self.examined.verdict(evidence, self.adjusted.level)


def examine(claim: Claim, results: Results) -> Examined:
    """Make the comparisons of a claim."""
    try:
        found = tuple(tuple(condition.compare(results)) for condition in claim.conditions)
        is_vacuous = any(results.learned_nothing(name) for name in claim.about)
    except NotTestableError as error:
        return Examined(claim, (), None, f"not tested: {error}")
    evidence = Evidence.of(claim.conditions, found)
    is_applicable = all(
        condition.loss_input in (None, results.loss_input) for condition in claim.conditions
    )
    remark = ""
    if not is_applicable:
        remark = f"the claim's number is not on the scale of cross-entropy of {results.loss_input}"
    elif evidence.n < FEWEST_SEEDS:
        remark = f"{evidence.n} of at least {FEWEST_SEEDS} seeds"
    return Examined(claim, found, evidence, remark, is_vacuous, is_applicable)


def judge_family(family: Sequence[Examined]) -> list[Judged]:
    """Correct the p-values of all claims that can be tested, and judge each at its level."""
    p_values = [one.evidence.p() for one in family if one.evidence and one.is_judged]
    adjusted = iter(holm(p_values))
    return [Judged(one, next(adjusted) if one.is_judged else None) for one in family]
