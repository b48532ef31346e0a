"""Wrong parameters, as a user meets them: one line, and everything as it was."""

from typing import Any

import pytest
from repositories import NINTH_NETWORK, Repository

UNTOUCHED = ("dvc.lock", "metrics", "models", "mlflow.db", "data")
ABSURD = {**NINTH_NETWORK, "hidden_sizes": [900_000, 900_000]}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"dropout_prob": 1.5}, "dropout_prob = 1.5: input should be less than 1"),
        ({"drop_prob": 0.5}, "drop_prob is not a parameter; did you mean dropout_prob?"),
        ({"train_size": 350}, "train_size = 350 and val_size = 100: together they must be at most"),
        ({"device": "cuda"}, "device = 'cuda': there is no CUDA device here; use cpu"),
        ({"networks": {"big": ABSURD}}, "networks.big: training 2 of its 2 replicates at once"),
        ({"networks": {"n1; touch hacked": NINTH_NETWORK}}, "n1; touch hacked"),
        ({"networks": {"../n1": NINTH_NETWORK}}, "../n1"),
        ({"networks": {"$(touch hacked)": NINTH_NETWORK}}, "$(touch hacked)"),
        ({"networks": {"n1": {**NINTH_NETWORK, "dropout": "rest"}}}, "networks.n1.dropout"),
        ({"networks": 5}, "stages.train.foreach"),
    ],
)
def test_nothing_is_touched(finished_alone: Repository, changes: dict[str, Any], says: str) -> None:
    before = finished_alone.hashes(*UNTOUCHED)
    params = finished_alone.path / "params.yaml"
    text = params.read_text()
    finished_alone.change_params(**changes)
    done = finished_alone.run("dvc", "repro", check=False)
    params.write_text(text)
    assert done.returncode != 0
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    after = finished_alone.hashes(*UNTOUCHED)
    assert {path: after.get(path) for path in before if path != "data/checked"} == {
        path: digest for path, digest in before.items() if path != "data/checked"
    }
    assert not (finished_alone.path / "hacked").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Could not find 'networks'"),
        ("a: [", "params.yaml"),
        ("seeds: [0]\nseeds: [1]\n", "params.yaml"),
        ("- 1\n", "params.yaml"),
    ],
)
def test_a_file_that_is_no_mapping_touches_nothing(
    finished_alone: Repository, text: str, says: str
) -> None:
    before = finished_alone.hashes(*UNTOUCHED)
    params = finished_alone.path / "params.yaml"
    whole = params.read_text()
    params.write_text(text)
    done = finished_alone.run("dvc", "repro", check=False)
    params.write_text(whole)
    assert done.returncode != 0
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert finished_alone.hashes(*UNTOUCHED) == before


@pytest.fixture(scope="module")
def finished_alone(finished: Repository, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A copy of the finished repository that the tests of this file leave as it was."""
    return finished.copy(tmp_path_factory.mktemp("inputs") / "repository")
