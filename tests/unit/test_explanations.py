"""The explanations, and that their numbers are those of the results."""

from dataclasses import replace

import pytest
import torch
from made_up import MadeUp, near, results

from fashionbench.analysis.explanations import FLOOR, explain_results
from fashionbench.params import Params
from fashionbench.training.losses import score


def test_the_floor_is_the_loss_of_a_certain_and_right_answer() -> None:
    certain = torch.full((1, 10), -100.0)
    certain[0, 3] = 100
    right, wrong = (score(certain, torch.tensor([label]), "probabilities").loss for label in (3, 4))
    assert right == pytest.approx(FLOOR, abs=1e-6)
    assert wrong == pytest.approx(FLOOR + 1, abs=1e-6)


def test_their_numbers_come_from_the_results(params: Params) -> None:
    own = results(
        {
            "n5_batch_norm": MadeUp(loss=near(1.57), accuracy=near(0.89)),
            "n4_dropout": MadeUp(curve_lead=near(-0.03), train_lead=near(0.01)),
            "n6_l1": MadeUp(accuracy=near(0.1), near_zero=near(0.9)),
        }
    )
    logits = results({"n5_batch_norm": MadeUp(loss=near(0.35)), "n8_conv": MadeUp(loss=near(0.2))})
    floor, dropout, penalty = explain_results(own, logits, params)
    assert floor.numbers["n5_batch_norm: validation loss"] == "1.5700"
    assert floor.numbers["n5_batch_norm: floor plus error rate"] == ("1.4612 + 0.1100 = 1.5712")
    assert floor.numbers["n5_batch_norm: validation loss when trained on logits"] == "0.3500"
    assert floor.numbers["lowest loss on logits"] == "0.1985"
    assert dropout.numbers["train accuracy while training"] == "82.00 ± 0.28%"
    assert dropout.numbers["train accuracy without dropout"] == "86.00 ± 0.28%"
    assert dropout.numbers["validation minus train accuracy while training"].startswith("3.00 ± ")
    assert dropout.numbers["validation minus train accuracy without dropout"].startswith("-1.00 ± ")
    assert "disables 50% of the hidden units" in dropout.text
    assert penalty.numbers["penalty of n6_l1, first and last epoch"] == "0.120 and 0.120 nats"
    shares = [value for name, value in penalty.numbers.items() if "near zero" in name]
    assert [share.split(",")[0] for share in shares] == ["10.0%", "10.0%", "90.0%"]


def test_replicates_that_lost_a_class_are_counted(params: Params) -> None:
    found = results()
    scores = dict(found.scores)
    table = scores["n1_mlp"].copy()
    table["accuracy Bag"] = 0.9
    table["accuracy Coat"] = [0.0 if seed in (1, 4) else 0.7 for seed in table["seed"]]
    scores["n1_mlp"] = table
    numbers = explain_results(replace(found, scores=scores), found, params)[0].numbers
    lost = "replicates with a class of which no validation image is recognised"
    assert numbers[lost] == "2 of n1_mlp"
    assert numbers["replicates on logits with such a class"] == "none"


def test_without_a_counterpart_there_are_no_numbers_of_it(params: Params) -> None:
    assert not any("logits" in name for name in explain_results(results(), None, params)[0].numbers)


def test_a_run_on_logits_has_nothing_to_explain(params: Params) -> None:
    on_logits = params.model_copy(update={"loss_input": "logits"})
    assert explain_results(results(), None, on_logits) == []


def test_what_needs_a_network_that_is_not_there_is_left_out(params: Params) -> None:
    whole = results()
    scores = {name: table for name, table in whole.scores.items() if name != "n4_dropout"}
    found = explain_results(replace(whole, scores=scores), None, params)
    titles = [explanation.title for explanation in found]
    assert len(titles) == 2
    assert not any("N4" in title for title in titles)
