"""The explanations: that their numbers are those of the results, and their words."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from made_up import MadeUp, near, results

from fashionbench.analysis.explanations import (
    Explanation,
    Number,
    explain_results,
    in_words,
    read_explanations,
    write_explanations,
)
from fashionbench.params import Params


def of(explanation: Explanation, name: str, network: str | None = None) -> Number:
    """Return the only number of that name, of that network if one is given."""
    (number,) = [
        number
        for number in explanation.numbers
        if number.name == name and network in (None, number.network)
    ]
    return number


@pytest.fixture
def explained(params: Params) -> Sequence[Explanation]:
    """Explain made-up results of both losses."""
    own = results(
        {
            "n5_batch_norm": MadeUp(loss=near(1.57), accuracy=near(0.89)),
            "n4_dropout": MadeUp(curve_lead=near(-0.03), train_lead=near(0.01)),
            "n6_l1": MadeUp(accuracy=near(0.1), near_zero=near(0.9)),
            "n1_mlp": MadeUp(lost=(1, 4)),
        }
    )
    logits = results({"n5_batch_norm": MadeUp(loss=near(0.35)), "n8_conv": MadeUp(loss=near(0.2))})
    return explain_results(own, logits, params)


def test_their_numbers_come_from_the_results(explained: Sequence[Explanation]) -> None:
    floor, dropout, penalty = explained
    loss = of(floor, "val_loss")
    assert (loss.value, loss.unit, loss.network) == (1.57, "nats", "n5_batch_norm")
    assert loss.low is not None
    assert 1.57 - loss.low == pytest.approx(0.00139, abs=1e-5)
    assert of(floor, "val_error_rate").value == pytest.approx(0.11)
    assert of(floor, "val_loss_on_logits").value == pytest.approx(0.35)
    assert of(floor, "lowest_loss_on_logits").value == pytest.approx(0.1985)
    assert of(dropout, "train_accuracy_while_training").value == pytest.approx(0.82)
    assert of(dropout, "train_accuracy_without_dropout").value == pytest.approx(0.86)
    assert of(dropout, "val_minus_train_while_training").value == pytest.approx(0.03)
    assert of(dropout, "val_minus_train_without_dropout").value == pytest.approx(-0.01)
    assert of(penalty, "penalty_in_first_epoch").value == pytest.approx(0.12)
    shares = [of(penalty, "weights_near_zero", name).value for name in ("n2_mlp", "n6_l1")]
    assert shares == pytest.approx([0.1, 0.9])


def test_values_of_a_networks_own_are_those_that_explain_it(params: Params) -> None:
    own = {
        "n4_dropout": {"dropout_prob": 0.2},
        "n6_l1": {"l1_strength": 0.01, "learning_rate": 0.1},
    }
    networks = {
        name: network.model_copy(update={"own": own.get(name, {})})
        for name, network in params.networks.items()
    }
    found = explain_results(results(), None, params.model_copy(update={"networks": networks}))
    _, dropout, penalty = found
    assert of(dropout, "dropout_prob").value == 0.2
    assert of(penalty, "l1_strength").value == 0.01
    assert of(penalty, "learning_rate").value == 0.1
    assert of(penalty, "l1_penalty_if_it_had_one").value == pytest.approx(0.01 * 1000 * 0.1)


def test_replicates_that_lost_a_class_are_counted(explained: Sequence[Explanation]) -> None:
    lost = of(explained[0], "replicates_with_a_lost_class")
    assert (lost.value, lost.unit, lost.network) == (2, "count", "n1_mlp")
    names = {number.name for number in explained[0].numbers}
    assert "replicates_with_a_lost_class_on_logits" not in names


def test_what_is_stored_has_names_numbers_and_units_but_no_sentence(
    explained: Sequence[Explanation], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "metrics").mkdir()
    write_explanations(list(explained))
    assert read_explanations() == explained
    for explanation in json.loads((tmp_path / "metrics/explanations.json").read_text()):
        assert explanation["name"].isidentifier()
        for number in explanation["numbers"]:
            assert number["name"].isidentifier()
            assert isinstance(number["value"], float)
            assert number["unit"] in ("nats", "share", "points", "count", "weight")


def test_words_belong_to_every_number(explained: Sequence[Explanation]) -> None:
    floor, dropout, penalty = (in_words(explanation) for explanation in explained)
    assert floor.title == "What a loss of 1.54 means"
    assert "cannot fall below 1.4612 nats" in floor.text
    assert "which for the report's 1.54 is 8%" in floor.text
    assert floor.numbers["n5_batch_norm: validation loss"] == "1.5700 ± 0.0014 nats"
    lost = "replicates with a class of which no validation image is recognised after the last epoch"
    assert floor.numbers[lost] == "2 of n1_mlp"
    assert "disables 50% of the hidden units" in dropout.text
    accuracy = dropout.numbers["n4_dropout: train accuracy while training"]
    assert accuracy == "82.00 ± 0.28%"
    assert penalty.numbers["weights"] == "1,000 of n2_mlp"


def test_only_a_run_on_probabilities_is_explained_and_with_logits_if_there_are_any(
    params: Params,
) -> None:
    numbers = explain_results(results(), None, params)[0].numbers
    assert not any("logits" in number.name for number in numbers)
    on_logits = params.model_copy(update={"loss_input": "logits"})
    assert explain_results(results(), None, on_logits) == []


def test_what_needs_a_network_that_is_not_there_is_left_out(params: Params) -> None:
    whole = results()
    scores = {name: table for name, table in whole.scores.items() if name != "n4_dropout"}
    found = explain_results(replace(whole, scores=scores), None, params)
    assert [explanation.name for explanation in found] == ["loss_floor", "l1_penalty"]
