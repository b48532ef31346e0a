"""``fashionbench verify``: passes for reproducible results, and fails for others."""

from pathlib import Path

import pytest
from installed import install
from repositories import Repository
from rich.console import Console

from fashionbench.commands.verify import (
    Output,
    compare,
    compare_scores,
    outputs_as_table,
    read_hashes,
)
from fashionbench.yaml_files import read_yaml

VERIFY = ("python", "-m", "fashionbench", "verify")

LOCK = """
schema: '2.0'
stages:
  prepare:
    cmd: prepare
    outs:
    - {path: data, hash: md5, md5: aa.dir, size: 3, nfiles: 2}
  train@n1:
    cmd: train n1
    deps:
    - {path: data, hash: md5, md5: aa.dir}
    outs:
    - {path: models/n1, hash: md5, md5: OTHER, size: 3}
"""


PIPELINE = """
stages:
  greet:
    # The caller's MLflow has nothing to do with the clone.
    cmd: >-
      if [ "${name}" = nobody ] || [ "$MLFLOW_RUN_ID" ];
      then echo there is nobody to greet >&2; exit 1; fi;
      mkdir -p made && echo "${greeting}, ${name}" > made/greeting
    params: [greeting, name]
    outs: [made/greeting]
  shout:
    cmd: tr a-z A-Z < made/greeting > made/shout
    deps: [made/greeting]
    outs: [made/shout]
"""


SCORES = """
stages:
  score:
    cmd: >-
      mkdir -p metrics/networks/n1 && python -c 'import yaml;
      losses = yaml.safe_load(open("params.yaml"))["losses"];
      rows = ["seed,split,loss,accuracy", *(f"{s},val,{l},0.5" for s, l in enumerate(losses))];
      print(chr(10).join(rows))' > metrics/networks/n1/scores.csv
    params: [losses]
    outs:
      - metrics/networks/n1/scores.csv:
          cache: false
"""


def test_outputs_are_matched_by_path(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text(LOCK.replace("OTHER", "bb"))
    committed = read_hashes(lock)
    assert committed == {"data": "aa.dir", "models/n1": "bb"}
    now = {"data": "aa.dir", "models/n1": "cc", "models/n2": "dd"}
    found = compare(committed, now)
    assert found == [
        Output(path="data", committed="aa.dir", now="aa.dir"),
        Output(path="models/n1", committed="bb", now="cc"),
        Output(path="models/n2", committed=None, now="dd"),
    ]
    assert [output.is_identical for output in found] == [True, False, False]
    assert not compare(committed, {})[0].is_identical


def test_long_paths_leave_room_for_hashes_and_verdicts() -> None:
    path = "metrics/networks/n4_dropout_dropout_prob_0_3_logits/calibration.csv" * 2
    output = Output(path, committed="0123456789abcdef", now="fedcba9876543210")
    console = Console(width=80)
    with console.capture() as capture:
        console.print(outputs_as_table([output], Path("dvc.lock"), "1234567"))
    table = capture.get()
    assert [word for word in ("01234567", "fedcba98", "DIFFERS") if word not in table] == []
    folded = "".join(
        line.split()[0] for line in table.splitlines() if "/" in line or ".csv" in line
    )
    assert path in folded


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Return a repository of DVC's whose two stages take no time, with the lock of a clone."""
    repository = Repository(tmp_path_factory.mktemp("verified"), {"MLFLOW_RUN_ID": "the caller's"})
    for name, text in {
        ".dvc/config": "[core]\n    analytics = false\n",
        ".gitignore": "/made\n",
        "dvc.yaml": PIPELINE,
        "params.yaml": "greeting: hello\nname: world\n",
    }.items():
        path = repository.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    repository.begin()
    repository.run(*VERIFY, "--write")
    repository.run("git", "add", "dvc.lock")
    repository.run("git", "commit", "-qm", "the lock of what a clone makes")
    return repository


@pytest.fixture
def repository(committed: Repository, tmp_path: Path) -> Repository:
    """Copy that repository, to change at will."""
    return committed.copy(tmp_path / "repository")


def test_what_a_clone_makes_again_is_verified(repository: Repository) -> None:
    verified = repository.run(*VERIFY).stdout
    assert "2 of 2 outputs" in verified
    assert "Identical." in verified
    assert "Running stage 'shout'" in verified
    assert "DIFFERS" not in verified
    assert not (repository.path / "made").exists()
    assert repository.run("git", "status", "--porcelain").stdout == ""


def test_a_lock_that_claims_another_output_is_refused(repository: Repository) -> None:
    # As it would if the results came from other code.
    lock = repository.path / "dvc.lock"
    text = lock.read_text()
    claimed = read_hashes(lock)["made/shout"]
    lock.write_text(text.replace(claimed, "f" * 32))
    refused = repository.run(*VERIFY, check=False)
    assert refused.returncode == 1
    assert "commit or stash them first" in refused.stderr
    assert "Running stage" not in refused.stdout
    repository.run("git", "commit", "-qam", "false results")
    differing = repository.run(*VERIFY, check=False)
    assert differing.returncode == 1
    assert "1 of 2 outputs" in differing.stderr
    assert "differ from dvc.lock (made/shout)" in differing.stderr
    assert "this machine makes the known bits" in differing.stderr
    assert "DIFFERS" in differing.stdout


def on_another_architecture(repository: Repository, settings: str) -> str:
    """Verify as a processor would on which no bits are promised; return what was printed."""
    code = (
        "from fashionbench.commands import verify; verify.is_x86 = lambda: False; "
        f"verify.verify(settings={settings})"
    )
    return repository.run("python", "-c", code).stdout


def test_bits_of_another_architecture_are_not_compared(repository: Repository) -> None:
    """Compare scores instead: a stage here writes the losses that its parameters name."""
    (repository.path / "dvc.yaml").write_text(SCORES)
    (repository.path / "params.yaml").write_text("losses: [0.1, 0.2]\n")
    repository.run("git", "rm", "-q", "--cached", "dvc.lock")
    (repository.path / "dvc.lock").unlink()
    repository.run("dvc", "repro")
    repository.run("git", "add", "-A")
    repository.run("git", "commit", "-qm", "scores")
    (repository.path / "params.yaml").write_text("losses: [0.11, 0.2]\n")
    repository.run("git", "commit", "-qam", "another processor's rounding")
    said = on_another_architecture(repository, "()")
    assert "Not comparable: dvc.lock holds bits of x86-64 processors" in said
    assert "0.1500" in said
    assert "0.1550" in said
    assert said.count("inside") == 2
    assert "OUTSIDE" not in said


def test_scores_are_compared_with_the_interval_of_the_committed_ones() -> None:
    committed = {"n1 val loss": [1.0, 1.1, 1.2], "n2 val loss": [0.5, 0.5], "gone": [1.0]}
    now = {"n1 val loss": [1.2, 1.25], "n2 val loss": [0.6], "new": [1.0]}
    first, second = compare_scores(committed, now)
    assert first.name == "n1 val loss"
    assert first.now == pytest.approx(1.225)
    assert first.committed.high == pytest.approx(1.1 + 4.303 * 0.1 / 3**0.5, abs=1e-3)
    assert first.is_inside
    assert not second.is_inside


def test_other_parameters_have_a_lock_of_their_own(repository: Repository) -> None:
    other = ("--lock", "other.lock", "-S", "greeting=good morning", "-S", "name=moon")
    repository.run(*VERIFY, "--write", *other)
    made = read_yaml(repository.path / "other.lock")["stages"]["greet"]
    assert made["params"]["params.yaml"] == {"greeting": "good morning", "name": "moon"}
    ours, others = (read_hashes(repository.path / name) for name in ("dvc.lock", "other.lock"))
    assert ours.keys() == others.keys()
    assert ours["made/shout"] != others["made/shout"]
    assert not (repository.path / "made").exists()
    repository.run("git", "add", "other.lock")
    repository.run("git", "commit", "-qm", "another lock")
    assert "2 of 2 outputs" in repository.run(*VERIFY, *other).stdout


@pytest.mark.tries("make verify", "make quick.lock", "make verify SIZE=quick")
def test_make_verifies_both_locks(repository: Repository) -> None:
    install(repository)
    assert "2 of 2 outputs" in repository.run("make", "verify").stdout
    other = "QUICK=-S name=moon"
    repository.run("make", "quick.lock", other)
    repository.run("git", "add", "quick.lock")
    repository.run("git", "commit", "-qm", "the lock of what quick makes")
    assert "2 of 2 outputs" in repository.run("make", "verify", "SIZE=quick", other).stdout


def test_a_pipeline_that_fails_is_not_verified(repository: Repository) -> None:
    failed = repository.run(*VERIFY, "-S", "name=nobody", check=False)
    assert failed.returncode == 1
    assert "there is nobody to greet" in failed.stderr
    assert "failed in the clone; see above" in failed.stderr


def test_a_missing_study_is_named_at_once(repository: Repository) -> None:
    failed = repository.run(*VERIFY, "--study", "none", check=False)
    assert failed.returncode == 1
    assert "there is no study 'none'; there are none" in failed.stderr
    assert "Running stage" not in failed.stdout


def test_a_missing_lock_is_named_at_once(repository: Repository) -> None:
    failed = repository.run(*VERIFY, "--lock", "missing.lock", check=False)
    assert failed.returncode == 1
    assert "missing.lock cannot be read" in failed.stderr
    assert "Running stage" not in failed.stdout
