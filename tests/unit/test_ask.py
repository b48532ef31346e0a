"""Questions in one line are read, mistakes pointed at, and answers taken from committed scores."""

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from repositories import PROJECT, Repository, copy_files

from fashionbench import cli
from fashionbench.analysis.results import Results, class_names
from fashionbench.analysis.statistics import estimate
from fashionbench.commands.ask import AFTERWARDS, QuestionError, parse
from fashionbench.params import Params
from fashionbench.paths import network_table

CLASSES = ("T-shirt/top", "Shirt", "Ankle boot")


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in the project, with the committed results."""
    monkeypatch.chdir(PROJECT)


def asked(text: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the answer to a question as JSON has it."""
    assert cli.main(["ask", text, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize(
    ("text", "quantity", "bounds"),
    [
        ("a-b>1 point", "validation accuracy of a minus b", (0.01, None)),
        ("accuracy of a above 90 % on test", "test accuracy of a", (0.9, None)),
        ("GAP a < -0.5 points", "train minus validation accuracy of a", (None, -0.005)),
        ("loss a in [0, 1e-1 nats] on validation", "validation loss of a", (0, 0.1)),
        ("s/a - b > 0 with logits on ankle boot",
         "validation accuracy on Ankle boot of s/a minus b", (0, None)),
        ("a > 0 on t-shirt/top on test", "test accuracy on T-shirt/top of a", (0, None)),
    ],
)  # fmt: skip
def test_questions_are_read(
    text: str, quantity: str, bounds: tuple[float | None, float | None]
) -> None:
    found = parse(text, CLASSES)
    assert found.quantity == quantity
    assert (found.low, found.high) == pytest.approx(bounds)
    assert found.declared().conditions[0].name == quantity


def test_letters_of_either_case_are_classes_of_their_own() -> None:
    letters = ("A", "a", "Bc")
    asked = ("A", "a", "bc")
    assert [parse(f"n > 1% on {one}", letters).label for one in asked] == list(letters)


@pytest.mark.parametrize(
    ("text", "place", "why"),
    [
        ("", 1, "expected a network"),
        ("a", 2, "expected >, <, or in"),
        ("a >= 1%", 3, "'>=': expected >, <, or in"),
        ("a > one", 5, "'one': expected a number"),
        ("a > 0.9", 8, "an accuracy is in %, as in 90%"),
        ("a - b > 1%", 10, "a difference is in points, as in 1 point"),
        ("loss a > 1 point", 12, "a loss is in nats"),
        ("a in [92%, 90%]", 12, "the second bound must be the higher one"),
        ("a in 90%", 6, "expected ["),
        ("a > 1% on Skirt", 11, "did you mean Shirt?"),
        ("loss a > 1 on Shirt", 15, "losses are not kept by class"),
        ("a > 1% with luck", 13, "with probabilities or logits"),
        ("a > 1% on test on test", 23, "the images was given before: test"),
        ("a - a > 0", 5, "'a': is the same network; name another"),
        ("accuracy loss a < 2 nats", 15, "'a': expected >, <, or in"),
        ("loss a > 1e999", 10, "no such number can be compared"),
        ("a > 1% or so", 8, "'or': expected on IMAGES, with LOSS, or the end"),
    ],
)
def test_mistakes_are_pointed_at(text: str, place: int, why: str) -> None:
    with pytest.raises(QuestionError) as caught:
        parse(text, CLASSES)
    assert f"character {place} of the question: " in str(caught.value)
    assert why in str(caught.value)
    assert caught.value.place == place - 1


@pytest.mark.tries('fashionbench ask "n5_batch_norm - n2_mlp > 1 point"')
@pytest.mark.parametrize("split", ["validation", "test"])
@pytest.mark.parametrize("of_class", [False, True])
def test_effects_are_those_of_the_tables(
    params: Params, split: str, of_class: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = list(params.networks)[:2]
    tables = [pd.read_csv(network_table(name, "scores")) for name in (one, other)]
    name = class_names(tables[0])[-1]
    column = f"accuracy {name}" if of_class else "accuracy"
    first, second = (
        table[table["split"] == split[:3].replace("tes", "test")].set_index("seed")[column]
        for table in tables
    )
    aside = {seed for table in tables for seed in Results({}, {one: table}, {}).set_aside(one)}
    values = (first - second).dropna()
    expected = estimate(values[~values.index.isin(aside)].tolist())
    text = f"{one} - {other} > 0 on {split}{f' on {name}' if of_class else ''}"
    (condition,) = asked(text, capsys)["conditions"]
    assert condition["mean"] == pytest.approx(expected.mean, rel=1e-5)
    assert condition["interval"] == pytest.approx([expected.low, expected.high], rel=1e-4)
    assert (condition["on_test"] is None) == (split == "test")


def test_an_answer_is_complete_in_words_and_in_markdown(
    params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"{next(iter(params.networks))} > 1%"
    for form, start in (((), f"✓ reproduced: {text}\n"), (("--markdown",), "Validation accuracy")):
        assert cli.main(["ask", text, *form]) == 0
        said = capsys.readouterr().out
        assert said.startswith(start)
        assert said.endswith(f"{AFTERWARDS}\n")
        for part in ("on the test images", "holds in", "of all combinations", "other verdict"):
            assert part in said


def test_configurations_of_studies_and_both_losses_are_found(
    params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    name = next(iter(params.networks))
    means = [
        asked(text, capsys)["conditions"][0]["mean"]
        for text in (f"{name} > 0", f"{name} > 0 with logits", f"logits/{name} > 0")
    ]
    assert means[0] != means[1] == means[2]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("n2_mpl > 1%", "no such network; did you mean n2_mlp?"),
        ("n2_mlp - logit/n2_mlp > 0", "no such study; did you mean logits?"),
        ("logits/other > 1%", "no such network; there are n1_mlp, n2_mlp"),
        ("logits/n1_mlp > 1% with probabilities", "study logits has no runs with probabilities"),
        ("transfer/n2_mlp_digits > 80% on Shirt", "is of other classes than Shirt: 0, 1, 2"),
    ],
)
def test_names_without_an_answer_are_pointed_at(
    text: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["ask", text]) == 1
    question, caret, error, *_ = capsys.readouterr().err.splitlines()
    assert question == text
    place = caret.index("^")
    assert error.startswith(f"fashionbench: error: character {place + 1} of the question: ")
    assert why in error


def test_to_ask_loads_neither_torch_nor_mlflow() -> None:
    code = (
        "import sys; from fashionbench.cli import main\n"
        "status = main(['ask', 'n2_mlp > 1%'])\n"
        "sys.exit(status or bool({'torch', 'mlflow', 'matplotlib'} & sys.modules.keys()))"
    )
    Repository(PROJECT).run(sys.executable, "-c", code)


def test_a_study_that_has_not_run_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy_files(tmp_path, "params.yaml", "datasets.yaml", "dvc.yaml", "studies/conv/study.yaml")
    copy_files(tmp_path, "metrics/networks/n1_mlp")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["ask", "conv/n8_conv > 80%"]) == 1
    assert "'conv/n8_conv': not run yet: make study NAME=conv" in capsys.readouterr().err


def test_networks_without_a_common_seed_are_not_compared(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for form in ((), ("--json",), ("--markdown",)):
        assert cli.main(["ask", "seeds/n2_mlp - n2_mlp > 0", *form]) == 0
        assert "seeds" in capsys.readouterr().out
