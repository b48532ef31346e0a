"""Each kind of condition that a study may declare comes out in all ways."""

from collections.abc import Mapping, Sequence

import pytest
from made_up_studies import Curve, design_of, made_up

from fashionbench.analysis.results import Results
from fashionbench.claims.judging import judge
from fashionbench.claims.language import Verdict
from fashionbench.claims.verdicts import VerdictRecord
from fashionbench.claims.words import name_comparison
from fashionbench.errors import ConfigError
from fashionbench.params import Params

R: Verdict = "reproduced"
C: Verdict = "contradicted"
U: Verdict = "inconclusive"

DOSES = (0.1, 0.3, 0.5)
LABELS = ("n4_dropout_dropout_prob_0_1", "n4_dropout_dropout_prob_0_3", "n4_dropout")
FACTOR = {"dropout_prob": list(DOSES)}

Declared = Mapping[str, object] | Sequence[Mapping[str, object]]


def judged(params: Params, declared: Declared, results: Results) -> VerdictRecord:
    """Judge a claim with these conditions, in a study of three dropout probabilities."""
    conditions = [declared] if isinstance(declared, Mapping) else declared
    claim = {"number": 1, "words": "So it is", "conditions": conditions, "why": "Because."}
    design = design_of(params, factors=FACTOR, claims=[claim])
    (record,) = judge(design.claims(), results).claims
    return record


def doses(*accuracies: float, spread: float = 0.001) -> Results:
    """Return results with these final accuracies, by dropout probability."""
    return made_up(dict(zip(LABELS, accuracies, strict=True)), spread=spread)


def crossing(*train: Curve | float, spread: float = 0.001) -> Results:
    """Return results with these train accuracies by dropout probability, and validation at 0.85."""
    values = dict(zip(LABELS, train, strict=True))
    return made_up(dict.fromkeys(LABELS, 0.85), values, spread=spread)


def scattered(last: float) -> Results:
    """Return results in which seeds of n4_dropout alone lie far from each other."""
    results = doses(0.85, 0.85, last, spread=0.2)
    steady = doses(0.85, 0.85, 0.85).scores
    scores = {**steady, "n4_dropout": results.scores["n4_dropout"]}
    return Results(curves=results.curves, scores=scores, weights={})


GAIN = {
    "value": "accuracy",
    "of": {"dropout_prob": [0.1, 0.3]},
    "minus": "n4_dropout",
    "some": True,
    "above": 0.01,
}
EACH = {"dropout_prob": "all"}
RANGE = {"value": "accuracy", "of": EACH, "minus": EACH, "some": True, "above": 0.01}
LEAD = {"value": "accuracy", "of": EACH, "minus": {"dropout_prob": 0.5}, "below": 0.01}
CROSSING = (
    {"value": "excess", "of": {"dropout_prob": 0.1}, "below": 0},
    {"value": "excess", "of": EACH, "minus": "previous", "above": 0},
    {"value": "excess_by_epoch", "of": {"dropout_prob": 0.5}, "above": 0},
)
FINAL = {"value": "accuracy", "of": "n4_dropout", "between": [0.84, 0.86]}
ON_TEST = {"value": "accuracy", "of": "n4_dropout", "split": "test", "above": 0.84}


@pytest.mark.parametrize(
    ("condition", "verdict", "results"),
    [
        (GAIN, R, doses(0.84, 0.88, 0.85)),  # One of the two is enough.
        (GAIN, C, doses(0.84, 0.855, 0.85)),
        (GAIN, U, scattered(0.83)),
        (RANGE, R, doses(0.84, 0.85, 0.88)),
        (RANGE, C, doses(0.850, 0.852, 0.851)),
        (RANGE, U, scattered(0.86)),
        (LEAD, R, doses(0.84, 0.855, 0.85)),
        (LEAD, C, doses(0.84, 0.87, 0.85)),
        (LEAD, U, scattered(0.85)),
        (CROSSING, R, crossing(0.88, 0.86, 0.80)),
        (CROSSING, C, crossing(0.80, 0.79, 0.78)),  # Validation is above from the first.
        (CROSSING, C, crossing(0.88, 0.89, 0.80)),  # It does not rise.
        (CROSSING, C, crossing(0.90, 0.88, 0.87)),  # It stays below.
        (CROSSING, U, crossing(0.8500, 0.84, 0.80)),
        (ON_TEST, R, doses(0.84, 0.85, 0.85)),
        (ON_TEST, C, doses(0.84, 0.85, 0.83)),
        (ON_TEST, U, doses(0.84, 0.85, 0.84)),
    ],
)
def test_each_kind_comes_out_in_all_ways(
    params: Params, condition: Declared, verdict: Verdict, results: Results
) -> None:
    assert judged(params, condition, results).verdict == verdict


def rising(by: float) -> Curve:
    return lambda epoch: 0.85 + by * (epoch == 100)


@pytest.mark.parametrize(
    ("value", "verdict", "val", "train"),
    [
        ("change", R, rising(0.02), 0.9),
        ("change", C, rising(-0.02), 0.9),
        ("gap_change", R, rising(0.01), lambda epoch: 0.9 + 0.03 * (epoch == 100)),
        ("gap_change", C, rising(0.01), 0.9),
    ],
)
def test_a_change_between_epochs(
    params: Params, value: str, verdict: Verdict, val: Curve, train: Curve | float
) -> None:
    change = {"value": value, "of": "n4_dropout", "from": 20, "to": 100}
    results = made_up({"n4_dropout": val}, {"n4_dropout": train}, epochs=(20, 100))
    assert judged(params, change | {"above": 0}, results).verdict == verdict
    later = judged(params, change | {"from": 40, "above": 0}, results)
    assert (later.verdict, later.remark) == (U, "not tested: needs epoch 40")


def test_a_change_that_differs_between_seeds_is_open(params: Params) -> None:
    change = {"value": "change", "of": "n4_dropout"}
    results = made_up({"n4_dropout": rising(0.0)}, epochs=(20, 100))
    curve = results.curves["n4_dropout"]
    at_end = curve["epoch"] == 100
    curve.loc[at_end, "val_accuracy"] += 0.01 * (curve["seed"][at_end] - 1.9)
    record = judged(params, change | {"from": 20, "to": 100, "above": 0}, results)
    assert record.verdict == U


def test_a_condition_about_some_shows_the_strongest_and_pays_for_the_choice(
    params: Params,
) -> None:
    record = judged(params, GAIN, doses(0.84, 0.88, 0.85))
    (condition,) = record.conditions
    assert name_comparison(condition) == "0.3, the strongest of 2"
    assert condition.mean == pytest.approx(0.03)
    # In all seeds 0.3 is a little better, and by more in some.
    results = doses(0.80, 0.87, 0.85)
    table = results.scores[LABELS[1]]
    table["accuracy"] += 0.002 * (table["seed"] % 3)
    alone = judged(params, GAIN | {"of": {"dropout_prob": [0.3]}}, results)
    both = judged(params, GAIN, results)
    assert alone.p is not None
    assert both.p == pytest.approx(2 * alone.p, rel=1e-3)
    assert both.pairs is None


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        (GAIN | {"of": {"batch_size": "all"}}, "batch_size is not among the study's factors"),
        (GAIN | {"of": {"dropout_prob": [0.2]}}, "0.2 is no value of dropout_prob"),
        (FINAL | {"of": "n2_mlp"}, "there is no point n2_mlp; there are n4_dropout_dropout"),
    ],
)
def test_what_a_study_does_not_have_is_named(
    params: Params, condition: Mapping[str, object], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        judged(params, condition, doses(0.84, 0.88, 0.85))


def test_points_that_there_are_are_named_once_whatever_the_losses(params: Params) -> None:
    claim = {"number": 1, "words": "So", "conditions": [FINAL], "why": "Because."}
    factors, losses = {"dropout_prob": [0.1, 0.3]}, ["probabilities", "logits"]
    design = design_of(params, factors=factors, losses=losses, claims=[claim])
    with pytest.raises(ConfigError, match=f"there are {LABELS[0]} and {LABELS[1]}$"):
        design.claims()
