"""Receipts of rebuilds: true ones are believed, and edited ones are not."""

import hashlib
import json
from functools import reduce
from operator import getitem
from pathlib import Path

import pytest
from made_up_receipts import MACHINE, git, write

from fashionbench.cli import main
from fashionbench.errors import DataError
from fashionbench.pipeline import rebuilds
from fashionbench.pipeline.rebuilds import read_receipt, read_receipts, summarise

LOCK = """
stages:
  prepare:
    outs: [{path: data, md5: aa.dir}]
  train@n1:
    outs: [{path: models/n1, md5: bb}, {path: metrics/n1.csv, md5: cc}]
"""
OTHERS = {"models/n1": "f" * 32}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository with two commits, each with another lock, on a known machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rebuilds, "this_machine", lambda: MACHINE)
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-11-29T11:00:00Z")
    for name in ("dvc.yaml", "params.yaml", "requirements.txt"):
        Path(name).write_text(name)
    git("init", "-q")
    for lock in (LOCK.replace("cc", "dd"), LOCK):
        Path("dvc.lock").write_text(lock)
        git("add", "dvc.lock", "requirements.txt")
        git("commit", "-qm", "results")
    return tmp_path


@pytest.mark.tries("fashionbench receipts", "fashionbench receipts --check")
def test_true_receipts_are_listed_and_believed(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, content = write(), write().read_bytes()
    assert str(place) not in content.decode()
    second = read_receipt(write(OTHERS))
    assert first.name == f"{git('rev-parse', 'HEAD')[:7]}-full-amd-epyc-milan-20261129.json"
    assert second.file == first, "a repetition on the same day replaces the receipt"
    assert write().read_bytes() == content
    assert main(["receipts", "--check"]) == 0
    said = capsys.readouterr().out
    assert "AMD EPYC-Milan" in said
    assert "mailto:jane@example.org" in said
    assert "3600" in said
    assert "1 receipt: none disagrees" in said


def edit(path: Path, way: tuple[str | int, ...], value: object) -> None:
    """Change one value of a receipt, to which the keys lead; None leaves it out."""
    receipt = json.loads(path.read_text())
    *keys, last = way
    place = reduce(getitem, keys, receipt)
    if value is None:
        del place[last]
    else:
        place[last] = value
    path.write_text(json.dumps(receipt))


MADE_OF = ("predicate", "buildDefinition", "resolvedDependencies")
COMMIT = (*MADE_OF, 0, "digest", "gitCommit")
PROCESSOR = ("predicate", "buildDefinition", "internalParameters", "processor")
COMPARISON = ("predicate", "runDetails", "fashionbench_comparison")
RUN = ("predicate", "buildDefinition", "externalParameters")
TIMES = ("predicate", "runDetails", "metadata")
SAME = {"path": "data", "committed": "aa.dir", "now": "aa.dir"}
NO_DIFFERENCE = {"outcome": "identical", "outputs": 3, "differences": []}
ANOTHER_NAME = "its contents are those of a file named"
ANOTHER_DIGEST = "its digest is not that of the outputs"


@pytest.mark.parametrize(
    ("way", "value", "reason"),
    [
        (COMMIT, "1" * 40, ANOTHER_NAME),
        (PROCESSOR, "Intel Xeon", ANOTHER_NAME),
        (COMPARISON, NO_DIFFERENCE, ANOTHER_DIGEST),
        ((*COMPARISON, "differences", 0, "now"), "a" * 32, ANOTHER_DIGEST),
        (("subject", 0, "digest", "sha256"), "0" * 64, ANOTHER_DIGEST),
        ((*MADE_OF, -1, "digest", "sha256"), "0" * 64, "requirements.txt of commit"),
        ((*MADE_OF, -1, "digest", "gitCommit"), "1" * 40, "it is not of one commit and of files"),
        ((*MADE_OF, 0, "name"), "sources", "it is not of one commit and of files"),
        ((*MADE_OF, 1), None, "it does not give the digest of dvc.lock"),
        ((*MADE_OF, 2), None, "it does not give the digest of requirements.txt"),
        (("subject", 0, "name"), "outputs", "its subject is named outputs"),
        ((*RUN, "study"), "logits", ANOTHER_NAME),
        ((*COMPARISON, "differences"), [SAME], "dvc.lock has another hash of data"),
        ((*COMPARISON, "outcome"), "not comparable", "not comparable, on Linux x86_64"),
        ((*TIMES, "finishedOn"), "2099-11-29T12:00:00Z", "it ends in the future"),
        ((*COMPARISON, "outcome"), "identical", "identical, with 1 differences"),
        ((*TIMES, "finishedOn"), "2026-11-29T10:00:00Z", "it ended before it began"),
    ],
)
def test_an_edited_receipt_is_refused(
    way: tuple[str | int, ...],
    value: object,
    reason: str,
    place: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write(OTHERS)
    assert main(["receipts", "--check"]) == 0
    edit(path, way, value)
    assert main(["receipts", "--check"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{path} is false: {reason}" in line


@pytest.mark.parametrize(
    ("way", "value", "reason"),
    [
        (COMMIT, "HEAD~", "dvc.lock of commit"),
        (COMMIT, "HEAD^{tree}", "git has no commit"),
        (COMMIT, "1" * 40, "git has no commit 1111111"),
        (
            (*TIMES, "startedOn"),
            "2001-11-29T11:00:00Z",
            "before its commit was made, on 2026-11-29",
        ),
    ],
)
def test_an_edited_receipt_that_was_renamed_is_refused_as_well(
    way: tuple[str | int, ...],
    value: str,
    reason: str,
    place: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write()
    edit(path, way, git("rev-parse", value) if value.startswith("HEAD") else value)
    path.rename(read_receipt(path).file)
    assert main(["receipts", "--check"]) == 1
    assert reason in capsys.readouterr().err


def test_what_has_another_form_is_no_receipt(place: Path) -> None:
    path = write()
    for old, new in (
        ('"outcome": "identical"', '"outcome": "fine"'),
        ('"torch"', '"pytorch"'),
        ("mailto:jane@example.org", "Jane"),
        ('"study": null', '"study": null, "study": null'),
        ('"outputs": 3', '"outputs": "3"'),
        ("Linux x86_64", "Linux\\n"),
        ("{", "["),
    ):
        path.write_text(path.read_text().replace(old, new, 1))
        with pytest.raises(DataError, match=r"is not a receipt: .*; make verify writes them"):
            read_receipt(path)
    with pytest.raises(DataError, match=r"none\.json cannot be read"):
        read_receipt(Path("none.json"))


def test_the_page_names_the_processors_of_the_latest_commit(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert summarise(read_receipts()) == {"none": "make verify leaves a receipt"}
    write(minute=1)
    emulated = MACHINE.model_copy(update={"processor": "Haswell", "emulator": "qemu-x86_64"})
    monkeypatch.setattr(rebuilds, "this_machine", lambda: emulated)
    write()
    different = MACHINE.model_copy(update={"processor": "Odd"})
    monkeypatch.setattr(rebuilds, "this_machine", lambda: different)
    write(OTHERS, minute=2)
    commit = git("rev-parse", "HEAD")[:7]
    assert summarise(read_receipts()) == {
        f"full, commit {commit}": "AMD EPYC-Milan, Haswell (emulated)"
    }


def test_a_receipt_of_other_settings_or_of_no_lock_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = "\n    params: {params.yaml: {num_epochs: 1}}"
    Path("dvc.lock").write_text(LOCK.replace("  prepare:", f"  prepare:{params}"))
    Path("params.yaml").write_text("num_epochs: 2")
    git("add", "-A")
    git("commit", "-qm", "parameters")
    path = write()
    assert main(["receipts", "--check"]) == 1
    assert "num_epochs has another value than in dvc.lock" in capsys.readouterr().err
    edit(path, (*RUN, "settings"), ["num_epochs=1"])
    assert main(["receipts", "--check"]) == 0
    text = path.read_text().replace("dvc.lock", "params.yaml")
    locks = (Path(name).read_bytes() for name in ("dvc.lock", "params.yaml"))
    old, new = (hashlib.sha256(content).hexdigest() for content in locks)
    path.write_text(text.replace(old, new))
    path.rename(read_receipt(path).file)
    assert main(["receipts", "--check"]) == 1
    assert "params.yaml is not a lock of DVC" in capsys.readouterr().err
