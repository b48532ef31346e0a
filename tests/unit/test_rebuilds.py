"""Receipts of rebuilds: true ones are believed, and edited ones are not."""

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
    for name in ("dvc.yaml", "params.yaml", "requirements.txt"):
        Path(name).write_text(name)
    git("init", "-q")
    for lock in (LOCK.replace("cc", "dd"), LOCK):
        Path("dvc.lock").write_text(lock)
        git("add", "dvc.lock", "requirements.txt")
        git("-c", "user.name=T", "-c", "user.email=t@localhost", "commit", "-qm", "results")
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
PROCESSOR = ("predicate", "buildDefinition", "internalParameters", "processor")
COMPARISON = ("predicate", "runDetails", "fashionbench_comparison")
NO_DIFFERENCE = {"outcome": "identical", "outputs": 3, "differences": []}
ANOTHER_NAME = "its contents are those of a file named"
ANOTHER_DIGEST = "its digest is not that of the outputs"


@pytest.mark.parametrize(
    ("way", "value", "reason"),
    [
        ((*MADE_OF, 0, "digest", "gitCommit"), "1" * 40, ANOTHER_NAME),
        (PROCESSOR, "Intel Xeon", ANOTHER_NAME),
        (COMPARISON, NO_DIFFERENCE, ANOTHER_DIGEST),
        ((*COMPARISON, "differences", 0, "now"), "a" * 32, ANOTHER_DIGEST),
        (("subject", 0, "digest", "sha256"), "0" * 64, ANOTHER_DIGEST),
        ((*MADE_OF, -1, "digest", "sha256"), "0" * 64, "requirements.txt of commit"),
        ((*MADE_OF, 1), None, "it does not give the digest of dvc.lock"),
        ((*COMPARISON, "outcome"), "identical", "identical, with 1 differences"),
        (
            ("predicate", "runDetails", "metadata", "finishedOn"),
            "2026-11-29T10:00:00Z",
            "it ended before it began",
        ),
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
    ("commit", "reason"),
    [("HEAD~", "dvc.lock of commit"), ("", "git has no dvc.lock of commit 1111111")],
    ids=["another", "none"],
)
def test_a_receipt_renamed_to_another_commit_is_refused_as_well(
    place: Path, capsys: pytest.CaptureFixture[str], commit: str, reason: str
) -> None:
    path = write()
    other = git("rev-parse", commit) if commit else "1" * 40
    edit(path, (*MADE_OF, 0, "digest", "gitCommit"), other)
    path.rename(read_receipt(path).file)
    assert main(["receipts", "--check"]) == 1
    assert reason in capsys.readouterr().err


def test_what_has_another_form_is_no_receipt(place: Path) -> None:
    path = write()
    for old, new in (
        ('"outcome": "identical"', '"outcome": "fine"'),
        ('"torch"', '"pytorch"'),
        ("mailto:jane@example.org", "Jane"),
        ("{", "["),
    ):
        path.write_text(path.read_text().replace(old, new, 1))
        with pytest.raises(DataError, match=r"is no receipt: .*; make verify writes them"):
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
