"""``fashionbench verify``: passes for reproducible results, and fails for others."""

import shutil
from importlib.metadata import version
from pathlib import Path

import pytest
from installed import install
from made_up_receipts import write
from repositories import Repository
from rich.console import Console

from fashionbench.commands.verify import compare, compare_scores, read_hashes
from fashionbench.errors import VerificationError
from fashionbench.files import read_yaml
from fashionbench.pipeline.rebuilds import IDENTICAL, Comparison, Output, read_receipt
from fashionbench.portable import processor

RECEIPTS = ("fashionbench", "receipts")
VERIFY = ("python", "-m", "fashionbench", "verify")

LOCK = """
stages:
  prepare:
    outs: [{path: data, md5: aa.dir}]
  train@n1:
    deps: [{path: data, md5: aa.dir}]
    outs: [{path: models/n1, md5: bb}]
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


EMULATED = """
  emulate:
    # Fails unless the Python of a stage is emulated as well, where that is asked for.
    cmd: >-
      python -c 'import os; name = open("/proc/self/comm").read();
      assert name.startswith("qemu-") == ("QEMU_CPU" in os.environ), name;
      print(6 * 7)' > made/answer
    deps: [made/shout]
    outs: [made/answer]
"""


TRAINING = """
stages:
  train:
    foreach: ${networks}
    do:
      cmd: >-
        python -c 'import yaml, pathlib as p; v = yaml.safe_load(open("params.yaml"));
        n = "${key}"; seeds = v["networks"][n].get("own", v)["seeds"]; d = v["bits"];
        a, b = p.Path("models", n), p.Path("metrics/networks", n);
        a.mkdir(parents=True, exist_ok=True); b.mkdir(parents=True, exist_ok=True);
        [(a / f"seed_{s}.safetensors").write_text(str(d + s)) for s in seeds];
        (b / "curves.csv").write_text("seed,loss\\n" + "".join(f"{s},{d + s}\\n" for s in seeds))'
      params: [bits, seeds, "networks.${key}"]
      outs:
        - models/${key}
        - metrics/networks/${key}/curves.csv:
            cache: false
"""
"""Trains as the project does: all seeds of a network in one stage, which may have its own."""


def test_outputs_are_matched_by_path(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text(LOCK)
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


def commit_results(repository: Repository, pipeline: str, params: str) -> None:
    """Commit another pipeline, and what it makes in the repository itself."""
    (repository.path / "dvc.yaml").write_text(pipeline)
    (repository.path / "params.yaml").write_text(params)
    repository.run("git", "rm", "-q", "dvc.lock")
    repository.run("dvc", "repro")
    repository.commit("results")


def test_what_a_clone_makes_again_is_verified(repository: Repository) -> None:
    verified = repository.run(*VERIFY).stdout
    assert "2 of 2 outputs" in verified
    assert "Identical." in verified
    assert "Running stage 'shout'" in verified
    assert "DIFFERS" not in verified
    assert not (repository.path / "made").exists()
    (path,) = (repository.path / "rebuilds").glob("*.json")
    assert repository.run("git", "status", "--porcelain").stdout == "?? rebuilds/\n"
    assert f"Receipt: rebuilds/{path.name}" in verified
    receipt = read_receipt(path)
    assert receipt.comparison == Comparison(outcome="identical", outputs=2, differences=[])
    assert receipt.machine.processor == processor.name()
    assert receipt.machine.torch == version("torch")
    checked = repository.run(*RECEIPTS, "--check").stdout
    assert "1 receipt: none disagrees with the locks of its commit." in checked
    assert processor.name() in checked


@pytest.mark.slow
def test_a_receipt_does_not_spoil_the_next_rebuild(repository: Repository) -> None:
    """The page lists receipts, so that one changes its hash: those after the lock do not count."""
    (repository.path / "dvc.yaml").write_text(
        f"{PIPELINE}  list:\n    cmd: ls rebuilds > made/list\n    deps: [rebuilds]\n"
        "    outs: [made/list]\n"
    )
    (repository.path / "rebuilds").mkdir()
    (repository.path / "rebuilds/older.json").write_text("{}")
    repository.commit("a stage that lists receipts, and one of them")
    repository.run(*VERIFY, "--write")
    repository.run("git", "commit", "-qam", "its lock")
    for _ in range(2):
        assert "Identical." in repository.run(*VERIFY).stdout
        repository.run("git", "add", "-A")
        repository.run("git", "commit", "-qm", "a receipt", "--allow-empty")


@pytest.mark.slow
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
    (path,) = (repository.path / "rebuilds").glob("*.json")
    found = read_receipt(path).comparison
    assert found.outcome == "different"
    assert [output.path for output in found.differences] == ["made/shout"]
    repository.run(*RECEIPTS, "--check")


def test_bits_of_another_architecture_are_not_compared(repository: Repository) -> None:
    """Compare scores instead: a stage here writes the losses that its parameters name."""
    commit_results(repository, SCORES, "losses: [0.1, 0.2]\n")
    (repository.path / "params.yaml").write_text("losses: [0.11, 0.2]\n")
    repository.run("git", "commit", "-qam", "another processor's rounding")
    code = "from fashionbench.commands import verify as v; v.is_x86 = lambda: False; v.verify()"
    said = repository.run("python", "-c", code).stdout
    assert "Not comparable: dvc.lock was made on an x86-64 processor" in said
    assert "0.1500" in said
    assert "0.1550" in said
    assert said.count("inside") == 2
    assert "OUTSIDE" not in said


def test_scores_are_compared_with_the_interval_of_the_committed_ones() -> None:
    committed = {"n1 val loss": [1.0, 1.1, 1.2], "n2 val loss": [0.5, 0.5], "gone": [1.0]}
    now = {"n1 val loss": [1.2, 1.25], "n2 val loss": [0.6], "new": [1.0]}
    console = Console(width=100)
    reason = r"^1 of 2 scores lie outside .* \(first: n2 val loss\)"
    with console.capture() as capture, pytest.raises(VerificationError, match=reason):
        compare_scores(console, committed, now)
    first, second = (line.split() for line in capture.get().splitlines() if line[:1] == "n")
    high = 1.1 + 4.303 * 0.1 / 3**0.5
    assert first[3:] == ["1.1000", "0.8516", "to", f"{high:.4f}", "1.2250", "inside"]
    assert second[3:] == ["0.5000", "0.5000", "to", "0.5000", "0.6000", "OUTSIDE"]


@pytest.mark.parametrize("path", ["src/mine.py", "networks/mine.py"])
def test_code_that_git_does_not_know_is_named_before_anything_runs(
    repository: Repository, path: str
) -> None:
    mine = repository.path / path
    mine.parent.mkdir()
    mine.write_text("VALUE = 1")
    refused = repository.run(*VERIFY, check=False)
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert f"a clone would lack {path}, which git does not know; git add and commit" in line


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


@pytest.mark.slow
@pytest.mark.tries("make verify", "make quick.lock", "make verify SIZE=quick")
def test_make_verifies_both_locks(repository: Repository) -> None:
    install(repository)
    assert "2 of 2 outputs" in repository.run("make", "verify").stdout
    other = "QUICK=-S name=moon"
    repository.run("make", "quick.lock", other)
    repository.run("git", "add", "quick.lock")
    repository.run("git", "commit", "-qm", "the lock of what quick makes")
    assert "2 of 2 outputs" in repository.run("make", "verify", "SIZE=quick", other).stdout


@pytest.mark.emulated
@pytest.mark.tries("make verify SIZE=quick EMULATED=EPYC-Milan")
@pytest.mark.skipif(not shutil.which("qemu-x86_64"), reason="there is no qemu-x86_64")
def test_a_rebuild_can_be_emulated_and_its_receipt_says_so(repository: Repository) -> None:
    (repository.path / "dvc.yaml").write_text(PIPELINE + EMULATED)
    repository.run("git", "commit", "-qam", "a stage of Python")
    repository.run(*VERIFY, "--write")
    repository.run("git", "commit", "-qam", "its lock")
    install(repository)
    repository.run("make", "verify", "EMULATED=EPYC-Milan", "BY=https://example.org/jane")
    (path,) = (repository.path / "rebuilds").glob("*-epyc-milan-emulated-*.json")
    receipt = read_receipt(path)
    assert (receipt.machine.processor, receipt.machine.emulator) == ("EPYC-Milan", "qemu-x86_64")
    assert "avx2" in receipt.machine.features
    assert "avx512_f" not in receipt.machine.features
    assert receipt.comparison.outcome == IDENTICAL
    assert receipt.by == "https://example.org/jane"


def test_a_pipeline_that_fails_is_not_verified(repository: Repository) -> None:
    failed = repository.run(*VERIFY, "-S", "name=nobody", check=False)
    assert failed.returncode == 1
    assert "there is nobody to greet" in failed.stderr
    assert "failed in the clone; see above" in failed.stderr


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--study", "none"), "there is no study 'none'; choose from: none"),
        (("--lock", "missing.lock"), "has no missing.lock; name a lock in git"),
        (("--lock", "params.yaml"), "params.yaml is not a lock of DVC; name one"),
        (("--by", "Jane"), "'Jane' is not a URI; name yourself by one"),
    ],
)
def test_what_is_missing_is_named_at_once(
    repository: Repository, words: tuple[str, str], complaint: str
) -> None:
    failed = repository.run(*VERIFY, *words, check=False)
    assert failed.returncode == 1
    assert complaint in failed.stderr
    assert "Running stage" not in failed.stdout


@pytest.mark.slow
@pytest.mark.tries("fashionbench receipts --rerun 2")
def test_replicates_chosen_at_random_are_remade(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compare weights where a network has one seed, and learning curves where it has several."""
    (repository.path / ".gitignore").write_text("/models\n")
    params = "bits: 1\nseeds: [0, 1]\nnetworks: {n1: {}, n2: {own: {seeds: [2]}}}\n"
    commit_results(repository, TRAINING, params)
    repository.run(*VERIFY)
    said = repository.run(*RECEIPTS, "--rerun", "3").stdout
    for replicate in ("n1, seed 0", "n1, seed 1", "n2, seed 2"):
        assert f"{replicate}: the same bits again" in said

    # Results that no code of the commit makes, and a receipt that agrees with them.
    lock = repository.path / "dvc.lock"
    lock.write_text(lock.read_text().replace(read_hashes(lock)["models/n2"], f"{'f' * 32}.dir"))
    curves = repository.path / "metrics/networks/n1/curves.csv"
    curves.write_text(curves.read_text().replace(",1", ",7").replace(",2", ",8"))
    repository.run("git", "commit", "-qam", "false results")
    monkeypatch.chdir(repository.path)
    forged = str(write())
    assert "1 receipt: none disagrees" in repository.run(*RECEIPTS, "--check", forged).stdout
    refused = repository.run(*RECEIPTS, "--rerun", "1", forged, check=False)
    assert refused.returncode == 1
    assert "has other bits at commit" in refused.stderr
