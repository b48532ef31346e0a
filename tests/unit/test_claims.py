"""Each claim judged on made-up results with a known verdict."""

from dataclasses import replace

import pytest
from made_up import CLAIMS, MadeUp, near, results, scattered

from fashionbench.analysis.results import Results
from fashionbench.analysis.statistics import ALPHA
from fashionbench.claims.language import Verdict
from fashionbench.claims.rule import Adjusted, Judged, examine

R: Verdict = "reproduced"
C: Verdict = "contradicted"
U: Verdict = "inconclusive"
V: Verdict = "vacuous"

# That scattered values decide nothing is the rule's doing: some claims of each kind show it.
CASES: list[tuple[str, Verdict, dict[str, MadeUp]]] = [
    ("1", R, {"n1_mlp": MadeUp(accuracy=near(0.87))}),
    ("1", C, {"n1_mlp": MadeUp(accuracy=near(0.80))}),
    ("1", C, {"n1_mlp": MadeUp(accuracy=near(0.90))}),
    ("1", U, {"n1_mlp": MadeUp(accuracy=scattered(0.87))}),
    ("2a", R, {"n1_mlp": MadeUp(wobble=near(0.01))}),
    ("2a", C, {"n1_mlp": MadeUp()}),  # Flat: it does not fluctuate.
    ("2a", U, {"n1_mlp": MadeUp(wobble=near(0.0015))}),
    ("2b", R, {"n1_mlp": MadeUp()}),
    ("2b", C, {"n1_mlp": MadeUp(wobble=near(0.01), rise=near(0.03))}),
    ("3", R, {"n2_mlp": MadeUp(accuracy=near(0.853))}),
    ("3", R, {"n2_mlp": MadeUp(accuracy=near(0.80))}),  # Worse is no improvement either.
    ("3", C, {"n2_mlp": MadeUp(accuracy=near(0.88))}),
    ("4", R, {"n1_mlp": MadeUp(train_lead=near(0.03))}),
    ("4", C, {"n1_mlp": MadeUp(train_lead=near(-0.01))}),
    ("4", U, {"n2_mlp": MadeUp(train_lead=scattered(0.01))}),
    ("5a", R, {"n3_mlp": MadeUp(curve_lead=near(0.01))}),
    ("5a", C, {"n3_mlp": MadeUp(curve_lead=near(0.04))}),
    ("5b", R, {"n3_mlp": MadeUp(curve_lead=near(0.005))}),
    ("5b", C, {"n3_mlp": MadeUp(curve_lead=near(0.015))}),  # Smaller, but not by half.
    ("6a", R, {"n3_mlp": MadeUp(accuracy=near(0.84))}),
    ("6a", C, {"n3_mlp": MadeUp(accuracy=near(0.86))}),
    ("6b", R, {"n3_mlp": MadeUp(loss=near(1.65))}),
    ("6b", C, {"n3_mlp": MadeUp(loss=near(1.55))}),
    ("7a", R, {"n3_mlp": MadeUp(rise=near(-0.02))}),
    ("7a", C, {"n3_mlp": MadeUp(rise=near(0.09))}),
    ("7b", R, {"n3_mlp": MadeUp()}),
    ("7b", C, {"n3_mlp": MadeUp(loss_fall=near(0.09))}),
    ("8a", R, {"n4_dropout": MadeUp(curve_lead=near(-0.02))}),
    ("8a", C, {"n4_dropout": MadeUp(curve_lead=near(0.02))}),
    ("8b", R, {"n4_dropout": MadeUp(curve_lead=near(-0.02))}),
    ("8b", C, {"n4_dropout": MadeUp(curve_lead=near(0.02))}),
    ("9a", R, {"n5_batch_norm": MadeUp(accuracy=near(0.88))}),
    ("9a", C, {"n5_batch_norm": MadeUp(accuracy=near(0.88)), "n7_l2": MadeUp(accuracy=near(0.9))}),
    ("9a", U, {"n5_batch_norm": MadeUp(accuracy=scattered(0.88))}),
    ("9b", R, {"n5_batch_norm": MadeUp(accuracy=near(0.88))}),
    ("9b", C, {"n5_batch_norm": MadeUp(accuracy=near(0.95))}),
    ("9b", U, {"n5_batch_norm": MadeUp(accuracy=scattered(0.88))}),
    ("10a", R, {"n5_batch_norm": MadeUp(loss=near(1.50))}),
    ("10a", C, {"n5_batch_norm": MadeUp(loss=near(1.54)), "n4_dropout": MadeUp(loss=near(1.5))}),
    ("10b", R, {"n5_batch_norm": MadeUp(loss=near(1.54))}),
    ("10b", C, {"n5_batch_norm": MadeUp(loss=near(1.50))}),
    ("11", R, {"n6_l1": MadeUp(accuracy=near(0.80))}),
    ("11", V, {"n6_l1": MadeUp(accuracy=near(0.1))}),
    ("11", C, {"n6_l1": MadeUp(accuracy=near(0.845, 0.0001))}),
    ("11", U, {"n6_l1": MadeUp(accuracy=scattered(0.80))}),
    ("12", R, {"n6_l1": MadeUp(accuracy=near(0.80))}),
    ("12", V, {"n6_l1": MadeUp(accuracy=near(0.1))}),
    ("12", C, {"n6_l1": MadeUp(accuracy=near(0.90))}),
    ("13", R, {"n6_l1": MadeUp(near_zero=near(0.5))}),
    ("13", V, {"n6_l1": MadeUp(near_zero=near(0.5), accuracy=near(0.1))}),
    ("13", C, {"n6_l1": MadeUp(near_zero=near(0.05))}),
    ("13", U, {"n6_l1": MadeUp(near_zero=scattered(0.15))}),
    ("14", R, {"n6_l1": MadeUp(total_variation=near(1.4))}),
    ("14", V, {"n6_l1": MadeUp(total_variation=near(1.4), accuracy=near(0.1))}),
    ("14", C, {"n6_l1": MadeUp(total_variation=near(0.5), accuracy=near(0.1))}),
    ("14", C, {"n6_l1": MadeUp(total_variation=near(0.5))}),
    ("15a", R, {"n8_conv": MadeUp(accuracy=near(0.91))}),
    ("15a", C, {"n8_conv": MadeUp(accuracy=near(0.855, 0.0001))}),
    ("15b", R, {"n8_conv": MadeUp(loss=near(1.55))}),
    ("15b", C, {"n8_conv": MadeUp(loss=near(1.595, 0.0001))}),
    *(
        (number, verdict, {network: MadeUp(accuracy=accuracy)})
        for number, network in (("27a", "n4_dropout"), ("27b", "n6_l1"), ("27c", "n7_l2"))
        for verdict, accuracy in ((R, near(0.88)), (C, near(0.83)))
    ),
    ("28", R, {"n3_mlp": MadeUp(train_lead=near(0.04))}),
    ("28", C, {"n3_mlp": MadeUp(train_lead=near(0.0))}),
]


def judge_alone(number: str, found: Results) -> Judged:
    """Judge a claim as if it were the only one; without the correction, which takes its time."""
    (claim,) = [claim for claim in CLAIMS if claim.number == number]
    examined = examine(claim, found)
    return Judged(examined, Adjusted(p=1, level=ALPHA) if examined.is_judged else None)


@pytest.mark.parametrize(("number", "verdict", "networks"), CASES)
def test_each_claim_comes_out_as_the_results_say(
    number: str, verdict: Verdict, networks: dict[str, MadeUp]
) -> None:
    judged = judge_alone(number, results(networks))
    assert judged.verdict == verdict
    assert judged.examined.evidence
    assert judged.examined.evidence.n == 5


def test_two_seeds_conclude_nothing_and_say_so() -> None:
    found = results(seeds=2)
    for claim in CLAIMS:
        judged = judge_alone(claim.number, found)
        assert judged.verdict == U
        assert judged.examined.remark == "2 of at least 3 seeds"


def test_a_number_on_another_scale_does_not_apply() -> None:
    on_logits = replace(results(), loss_input="logits")
    judged = judge_alone("10b", on_logits)
    assert judged.verdict == judged.verdict_on(0) == "not applicable"
    assert judged.examined.remark == (
        "the claim's number is not on the scale of cross-entropy of logits"
    )
    others = [claim.number for claim in CLAIMS if claim.number != "10b"]
    assert all(judge_alone(number, on_logits).examined.is_applicable for number in others)


@pytest.mark.parametrize(
    ("number", "remark"),
    [
        ("2a", "not tested: needs at least 10 epochs"),
        ("7a", "not tested: needs more than 6 epochs"),
    ],
)
def test_short_trainings_are_not_judged_on_what_they_do_not_have(number: str, remark: str) -> None:
    judged = judge_alone(number, results(num_epochs=6))
    assert (judged.verdict, judged.examined.remark) == (U, remark)
    assert judged.examined.found == ()


@pytest.mark.parametrize("number", ["1", "2a", "2b", "5a", "5b", "7a", "7b", "8a", "8b"])
def test_curves_are_not_judged_on_test_images(number: str) -> None:
    judged = judge_alone(number, results().on("test"))
    assert judged.examined.remark == (
        "not tested: the test images are scored only after the last epoch"
    )


def test_final_scores_are_judged_on_test_images() -> None:
    found = results({"n5_batch_norm": MadeUp(accuracy=near(0.88))})
    table = found.scores["n5_batch_norm"].copy()
    table.loc[table["split"] == "test", "accuracy"] -= 0.03
    changed = replace(found, scores={**found.scores, "n5_batch_norm": table})
    assert judge_alone("9b", changed).verdict == R
    assert judge_alone("9b", changed.on("test")).verdict == C


def test_networks_that_are_not_there_are_named() -> None:
    found = results()
    scores = {name: table for name, table in found.scores.items() if name != "n5_batch_norm"}
    judged = judge_alone("9a", replace(found, scores=scores))
    assert judged.examined.remark == "not tested: n5_batch_norm is not in params.yaml"
    assert judged.verdict == "not applicable"
