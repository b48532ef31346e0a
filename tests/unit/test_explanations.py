"""The explanations: that their numbers are those of the results."""

from dataclasses import replace

import pytest
import torch
from made_up import MadeUp, near, results

from fashionbench.analysis.explanations import FLOOR, explain
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
    floor, dropout, penalty = explain(own, logits, params)
    assert floor.numbers["n5_batch_norm: validation loss"] == "1.5700"
    assert floor.numbers["n5_batch_norm: the floor and the share of errors"] == (
        "1.4612 + 0.1100 = 1.5712"
    )
    assert floor.numbers["n5_batch_norm: validation loss when trained on logits"] == "0.3500"
    assert floor.numbers["the lowest loss on logits"] == "0.1985"
    assert dropout.numbers["train accuracy while training"] == "82.00 ± 0.28%"
    assert dropout.numbers["train accuracy without dropout"] == "86.00 ± 0.28%"
    assert dropout.numbers["validation above train while training"].startswith("3.00 ± ")
    assert dropout.numbers["validation above train without dropout"].startswith("-1.00 ± ")
    assert "hides 50% of the hidden units" in dropout.text
    assert penalty.numbers["what n6_l1 pays, first and last epoch"] == "0.120 and 0.120 nats"
    shares = [value for name, value in penalty.numbers.items() if "near zero" in name]
    assert [share.split(",")[0] for share in shares] == ["10.0%", "10.0%", "90.0%"]


def test_replicates_that_lost_a_class_are_counted(params: Params) -> None:
    found = results()
    scores = dict(found.scores)
    table = scores["n1_mlp"].copy()
    table["accuracy Bag"] = 0.9
    table["accuracy Coat"] = [0.0 if seed in (1, 4) else 0.7 for seed in table["seed"]]
    scores["n1_mlp"] = table
    numbers = explain(replace(found, scores=scores), found, params)[0].numbers
    assert numbers["replicates that never recognise one of the classes"] == "2 of n1_mlp"
    assert numbers["replicates on logits that never recognise one"] == "none"


def test_without_a_counterpart_there_are_no_numbers_of_it(params: Params) -> None:
    assert not any("logits" in name for name in explain(results(), None, params)[0].numbers)


def test_a_run_on_logits_has_nothing_to_explain(params: Params) -> None:
    assert explain(results(), None, params.model_copy(update={"loss_input": "logits"})) == []


def test_what_needs_a_network_that_is_not_there_is_left_out(params: Params) -> None:
    whole = results()
    scores = {name: table for name, table in whole.scores.items() if name != "n4_dropout"}
    titles = [found.title for found in explain(replace(whole, scores=scores), None, params)]
    assert len(titles) == 2
    assert not any("N4" in title for title in titles)
