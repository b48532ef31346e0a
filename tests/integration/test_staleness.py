"""Which stages DVC would run again after an edit: real DVC, asked about the project's own files.

Data and models are not there, and nothing runs: DVC says of each dependency by itself whether it is
what the committed dvc.lock says, so one question answers for all edits at once.
"""

import hashlib
import json
import shutil
from collections import defaultdict
from collections.abc import Mapping
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo
from repositories import PROJECT, Repository
from ruamel.yaml import YAML
from shared import make_once

TRACKED = (
    ".dvc/config",
    ".gitignore",
    "claims.yaml",
    "datasets.yaml",
    "dvc.lock",
    "dvc.yaml",
    "metrics",
    "networks",
    "params.yaml",
    "src",
)
DECLARED = YAML(typ="safe").load((PROJECT / "params.yaml").read_text())
TRAIN = {f"train@{name}" for name in DECLARED["networks"]}
EVALUATE = {f"evaluate@{name}" for name in DECLARED["networks"]}
NEW_VALUES: dict[str, Any] = {
    "batch_size": 32,
    "learning_rate": 0.01,
    "loss_input": "logits",
    "num_epochs": 3,
    "seeds": [7],
    "split_seed": 1,
    "train_size": 300,
}


@pytest.fixture(scope="session")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Return a copy of what git tracks of the pipeline, and of its committed results."""
    return Repository(make_once(tmp_path_factory, "tracked", copy_tracked))


def copy_tracked(path: Path) -> None:
    """Copy the pipeline and the committed results, with a lock that is true of both."""
    repository = Repository(path)
    for name in TRACKED:
        source, target = PROJECT / name, repository.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    repository.run("git", "init", "-q")
    repository.run("git", "add", "-A")
    identity = ("-c", "user.name=Test", "-c", "user.email=test@localhost")
    repository.run("git", *identity, "commit", "-qm", "the project")
    renew_lock(repository)


def renew_lock(repository: Repository) -> None:
    """Have the lock say that every stage was run with the present files and parameters."""
    with chdir(repository.path), Repo() as repo, repo.lock:
        for stage in repo.index.stages:
            stage.save_deps(allow_missing=True)
            stage.dump(update_pipeline=False)


@pytest.fixture(scope="session")
def edited(tracked: Repository, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Return the stages by what they depend on, once each file and parameter is edited."""

    def edit(path: Path) -> None:
        repository = tracked.copy(path)
        for file in (path / "src").rglob("*.py"):
            file.write_text(f"{file.read_text()}\n# edited\n")
        networks = DECLARED["networks"]
        other = {"n3_mlp": networks["n3_mlp"] | {"hidden_sizes": [16]}}
        repository.change_params(**NEW_VALUES, networks=networks | other)
        found = {name: sorted(stages) for name, stages in stale(repository).items()}
        (path / "stale.json").write_text(json.dumps(found))

    path = make_once(tmp_path_factory, "edited", edit)
    found: dict[str, list[str]] = json.loads((path / "stale.json").read_text())
    return {name: set(stages) for name, stages in found.items()}


def stale(repository: Repository) -> dict[str, set[str]]:
    """Return the stages by the file, parameter or command that is not what dvc.lock says."""
    found = defaultdict(set)
    # DVC names stages and files as they are called from the current folder.
    with chdir(repository.path), Repo() as repo:
        status: Mapping[str, list[Any]] = repo.status()
    for stage, reasons in status.items():
        if "changed command" in reasons:
            found["command"].add(stage)
        for reason in reasons:
            if isinstance(reason, dict):
                for name in modified(reason.get("changed deps", {})):
                    found[name].add(stage)
    return dict(found)


def modified(dependencies: Mapping[str, Any]) -> set[str]:
    """Return those of a stage's changed dependencies that are there, with each parameter's name."""
    names = set()
    for name, state in dependencies.items():
        parameters = state if isinstance(state, dict) else {name: state}
        names |= {parameter for parameter, change in parameters.items() if change != "deleted"}
    return names


def test_committed_results_are_what_the_lock_says() -> None:
    """They may be those of earlier code, which the lock then names, but of no other run."""
    lock = YAML(typ="safe").load((PROJECT / "dvc.lock").read_text())["stages"]
    outs = [out for stage in lock.values() for out in stage.get("outs", [])]
    files = {out["path"]: out["md5"] for out in outs if (PROJECT / out["path"]).is_file()}
    assert "metrics/comparison.csv" in files
    assert {path: hashlib.md5((PROJECT / path).read_bytes()).hexdigest() for path in files} == files


def test_nothing_is_stale_that_was_not_edited(tracked: Repository) -> None:
    assert stale(tracked) == {}


@pytest.mark.parametrize(
    ("parameter", "stages"),
    [
        ("batch_size", TRAIN),
        # The comparison counts the operations of all epochs.
        ("num_epochs", TRAIN | {"compare"}),
        ("learning_rate", TRAIN | EVALUATE),
        ("loss_input", TRAIN | EVALUATE),
        ("seeds", TRAIN | EVALUATE),
        ("split_seed", {"prepare"}),
        ("train_size", {"prepare", "compare"}),
        ("networks.n3_mlp", {"train@n3_mlp", "evaluate@n3_mlp"}),
        ("networks", {"compare"}),
        # Any of them: to check it, and to show it on the page.
        ("params.yaml", {"check", "report"}),
    ],
)
def test_a_parameter_reruns_the_stages_that_use_it(
    edited: dict[str, set[str]], parameter: str, stages: set[str]
) -> None:
    assert edited[parameter] == stages


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("page/figures.py", {"compare", "report"}),
        ("claims/judging.py", {"report"}),
        ("evaluation/trained.py", EVALUATE),
        ("page/captions.py", {"report"}),
        ("data/sources.py", {"download", "duplicates", "prepare"}),
        ("training/epoch.py", TRAIN),
        ("pipeline/stage_lock.py", set()),
        ("tracking/sync.py", set()),
        ("messages.py", set()),
    ],
)
def test_an_edit_reruns_the_stages_that_use_the_code(
    edited: dict[str, set[str]], file: str, stages: set[str]
) -> None:
    path = Path("src/fashionbench") / file
    assert (PROJECT / path).exists()
    # A stage may depend on the whole package.
    assert edited.get(str(path), set()) | edited.get(str(path.parent), set()) == stages


def test_nothing_else_makes_a_stage_run(edited: dict[str, set[str]]) -> None:
    of_code = {name for name in edited if name.startswith("src/")}
    assert edited.keys() - of_code == {*NEW_VALUES, "networks", "networks.n3_mlp", "params.yaml"}
