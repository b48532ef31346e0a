"""Verdicts as typed records, and the file that holds them."""

from collections.abc import Sequence
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, TypeAdapter

from fashionbench.analysis.result_files import CLAIMS_FILE, parse_result, read_result
from fashionbench.claims.language import Unit, Verdict

DECIDED: tuple[Verdict, ...] = ("reproduced", "vacuous", "contradicted")
"""The verdicts with which the replicates answer a claim."""
Ends = tuple[float, float]
"""The ends of an interval."""


class Record(BaseModel):
    """A part of results that are written as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Flip(Record):
    """The margin beyond which the claim's verdict is another, and that verdict."""

    margin: float
    verdict: Verdict


class CrossedRecord(Record):
    """The 95% interval over seeds and images; ``images`` is their share of the variance."""

    ends: Ends
    images: float


class OtherRecord(Record):
    """The effect over other runs than those that decide, with its 95% interval.

    Over ``all runs``, those that lost a class as well; or in ``pairs`` of the seeds that both have.
    """

    name: Literal["all runs", "pairs"]
    mean: float
    interval: Ends | None


class OnTestRecord(Record):
    """The mean on the test images, its 95% interval and the verdict on the condition there."""

    mean: float
    interval: Ends | None
    verdict: Verdict


class ConditionRecord(Record):
    """A condition, and the comparison of it that speaks least for the claim.

    If the condition is about ``some`` of its comparisons, the one that speaks most for it.
    ``low`` and ``high`` are the claimed bounds, None where there is none, and ``margin`` is what
    they are made from. ``comparison`` names the one of ``comparisons`` that is shown. ``values``
    are its common seeds, ``mean`` the effect by :meth:`quantities.Comparison.effect`, ``interval``
    its 95% interval, ``adjusted`` the interval that decides, at the level at which the claim is
    tested. ``runs`` are the runs, or pairs of runs, that it is over, for Welch's test those of both
    networks; ``lost`` runs that lost a class are not among them. ``others`` are what it would be
    over other runs. ``predicted`` is the 95% prediction interval of a single run, ``holds`` the
    number of seeds in which the condition holds. ``below`` and ``above`` tell where the claim's
    verdict flips if the margin shrinks or grows. ``on_test`` is None where the test images do not
    matter or are not scored.
    """

    # Results of an earlier version name effects that are not given any more.
    model_config = ConfigDict(extra="ignore")

    quantity: str
    unit: Unit
    low: float | None
    high: float | None
    margin: float
    reported: float | None
    comparison: str
    comparisons: int
    some: bool = False
    values: tuple[float, ...]
    mean: float
    interval: Ends | None
    adjusted: Ends | None
    predicted: Ends | None
    holds: int
    runs: tuple[int, ...] = ()
    lost: int
    others: tuple[OtherRecord, ...] = ()
    crossed: CrossedRecord | None
    below: Flip | None
    above: Flip | None
    on_test: OnTestRecord | None
    verdict: Verdict


class Needed(Record):
    """With how many new seeds an undecided claim would be decided, judging by those that there are.

    ``leans`` is the verdict to expect; ``half`` and ``most`` are numbers of seeds at which it comes
    out with an assurance of 50% and 80%, None for more than statistics.MOST_SEEDS. Where
    ``obstacle`` is given, no number of seeds decides: the single seeds, or the report's number,
    speak against the verdict that the mean leans to.
    """

    leans: Verdict
    half: int | None = None
    most: int | None = None
    obstacle: Literal["", "single seeds", "reported number"] = ""


class VerdictRecord(Record):
    """A claim, its verdict and the answers behind it.

    The sentence holds by itself in ``holds`` of ``n`` seeds, a share with the exact interval
    ``holds_interval``, and in a share ``pairs`` of all combinations of one run of each network.
    ``p`` is the two-sided p-value of the claim, ``p_adjusted`` Holm's, ``level`` the one at which
    it is tested. ``on_test`` is the verdict on the test images, None where there is none.
    ``needed`` is given for undecided claims that are about all of their comparisons. ``fives`` is
    the share of samples of five runs that decide the opposite, None where this is undecided.
    ``multiverse`` counts the analyses with this verdict, and all of them, by the options of
    :mod:`fashionbench.claims.sensitivity`.
    """

    model_config = ConfigDict(coerce_numbers_to_str=True)

    claim: str
    words: str
    quote: str = ""
    why: str
    verdict: Verdict
    remark: str
    n: int
    holds: int
    holds_interval: Ends | None
    pairs: float | None
    p: float | None = None
    p_adjusted: float | None = None
    level: float | None = None
    on_test: Verdict | None
    needed: Needed | None = None
    fives: float | None = None
    multiverse: dict[str, tuple[int, int]] = {}
    conditions: tuple[ConditionRecord, ...]

    @property
    def is_decided(self) -> bool:
        """Tell whether the replicates answer the claim."""
        return self.verdict in DECIDED

    @property
    def misled_seeds(self) -> float | None:
        """Return the share of single seeds that conclude otherwise; None for an open claim."""
        if not self.is_decided:
            return None
        holds = self.holds / self.n
        return holds if self.verdict == "contradicted" else 1 - holds


class ArmRecord(Record):
    """The verdicts on all claims in one arm.

    ``seeds`` is the number of most networks' runs, ``runs`` that of each network's. ``lost_class``
    counts by network the replicates that recognise no validation image of some class
    after the last epoch, ``collapsed`` names the networks most of whose replicates learned nothing.
    """

    seeds: int
    runs: dict[str, int] = {}
    lost_class: dict[str, int]
    collapsed: tuple[str, ...]
    claims: tuple[VerdictRecord, ...]


VerdictsByArm = dict[str, ArmRecord]
"""The verdicts on all claims, keyed by the value of loss_input of the arm they are about."""
BY_ARM = TypeAdapter(VerdictsByArm)


def count_verdicts(records: Sequence[VerdictRecord]) -> dict[Verdict, int]:
    """Count the claims with each verdict."""
    verdicts: tuple[Verdict, ...] = get_args(Verdict)
    return {verdict: sum(record.verdict == verdict for record in records) for verdict in verdicts}


def write_verdicts(arms: VerdictsByArm) -> None:
    """Write claims.json."""
    CLAIMS_FILE.write_bytes(BY_ARM.dump_json(arms, indent=1) + b"\n")


def read_verdicts(rev: str | None = None) -> VerdictsByArm:
    """Read claims.json of the workspace or of ``rev``.

    ``rev`` is a commit, a branch or an experiment. Raises DataError if it is missing or invalid.
    """
    return parse_result(BY_ARM, read_result(CLAIMS_FILE, rev), CLAIMS_FILE)
