"""Wrong parameters, as a user meets them: one line, and everything as it was."""

from typing import Any

import pytest
from repositories import NINTH_NETWORK, Repository

from fashionbench.pipeline.machine import available_cores

UNTOUCHED = ("dvc.lock", "metrics", "models", "mlflow.db", "data")
AT_ONCE = min(2, available_cores())
ABSURD = {**NINTH_NETWORK, "hidden_sizes": [900_000, 900_000]}


def rarely(*case: object) -> Any:
    """Return a case that is slow: each takes seconds, and all half a minute."""
    return pytest.param(*case, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"dropout_prob": 1.5}, "dropout_prob = 1.5: input should be less than 1"),
        ({"networks": {"$(touch hacked)": NINTH_NETWORK}}, "$(touch hacked)"),
        rarely({"train_size": 350}, "train_size = 350 and val_size = 100: together they must be"),
        rarely({"device": "cuda"}, "device = 'cuda': there is no CUDA device here; use cpu"),
        rarely({"networks": {"big": ABSURD}}, f"networks.big: training {AT_ONCE} of its 2 repl"),
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
    # What the refused stage writes itself, whenever it runs.
    kept = [path for path in before if not path.startswith(("data/checked", "data/networks"))]
    assert {path: after.get(path) for path in kept} == {path: before[path] for path in kept}
    assert not (finished_alone.path / "hacked").exists()


@pytest.fixture(scope="module")
def finished_alone(finished: Repository, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Copy the finished repository; the tests of this file leave the copy as it was."""
    return finished.copy(tmp_path_factory.mktemp("inputs") / "repository")
