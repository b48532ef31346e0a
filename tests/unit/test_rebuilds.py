"""Receipts of rebuilds: true ones are believed, and edited ones are not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
    first, second = write(), read_receipt(write(OTHERS))
    assert first.name == f"{git('rev-parse', 'HEAD')[:7]}-full-amd-epyc-milan-20261129.json"
    assert second.file == first, "a repetition on the same day replaces the receipt"
    write()
    assert main(["receipts", "--check"]) == 0
    said = capsys.readouterr().out
    assert "AMD EPYC-Milan" in said
    assert "mailto:jane@example.org" in said
    assert "3600" in said
    assert "1 receipt: none disagrees" in said


def test_bytes_depend_on_the_facts_alone(place: Path) -> None:
    first = write().read_bytes()
    assert write().read_bytes() == first
    assert b"\n" in first
    assert str(place) not in first.decode()


def in_predicate(*keys: str, value: object) -> Callable[[dict[str, Any]], None]:
    """Return an edit of one value of a receipt's predicate."""

    def edit(receipt: dict[str, Any]) -> None:
        found = receipt["predicate"]
        for key in keys[:-1]:
            found = found[key]
        found[keys[-1]] = value

    return edit


def claim_another_commit(receipt: dict[str, Any]) -> None:
    sources = receipt["predicate"]["buildDefinition"]["resolvedDependencies"]
    sources[0]["digest"]["gitCommit"] = git("rev-parse", "HEAD~")


def hide_a_difference(receipt: dict[str, Any]) -> None:
    comparison = receipt["predicate"]["runDetails"]["fashionbench_comparison"]
    comparison |= {"differences": [], "outcome": "identical"}


def edit_a_hash(receipt: dict[str, Any]) -> None:
    comparison = receipt["predicate"]["runDetails"]["fashionbench_comparison"]
    comparison["differences"][0]["now"] = "a" * 32


def edit_the_digest(receipt: dict[str, Any]) -> None:
    receipt["subject"][0]["digest"]["sha256"] = "0" * 64


def edit_a_lock(receipt: dict[str, Any]) -> None:
    sources = receipt["predicate"]["buildDefinition"]["resolvedDependencies"]
    sources[-1]["digest"]["sha256"] = "0" * 64


def leave_the_lock_out(receipt: dict[str, Any]) -> None:
    sources = receipt["predicate"]["buildDefinition"]["resolvedDependencies"]
    sources[:] = [source for source in sources if source["name"] != "dvc.lock"]


OUTCOME = ("runDetails", "fashionbench_comparison", "outcome")
EDITS: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "another commit": (claim_another_commit, "its contents are those of a file named"),
    "a difference that is left out": (hide_a_difference, "its digest is not that of the outputs"),
    "another hash": (edit_a_hash, "its digest is not that of the outputs"),
    "another digest": (edit_the_digest, "its digest is not that of the outputs"),
    "other packages": (edit_a_lock, "requirements.txt of commit"),
    "no lock": (leave_the_lock_out, "it does not give the digest of dvc.lock"),
    "another outcome": (
        in_predicate(*OUTCOME, value="identical"),
        "identical, with 1 differences",
    ),
    "another processor": (
        in_predicate("buildDefinition", "internalParameters", "processor", value="Intel Xeon"),
        "its contents are those of a file named",
    ),
    "an end before the beginning": (
        in_predicate("runDetails", "metadata", "finishedOn", value="2026-11-29T10:00:00Z"),
        "it ended before it began",
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_receipt_is_refused(
    name: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(OTHERS)
    assert main(["receipts", "--check"]) == 0
    edit, reason = EDITS[name]
    receipt = json.loads(path.read_text())
    edit(receipt)
    path.write_text(json.dumps(receipt))
    assert main(["receipts", "--check"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{path} is false: {reason}" in line


def test_a_receipt_renamed_to_another_commit_is_refused_as_well(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write()
    receipt = json.loads(path.read_text())
    claim_another_commit(receipt)
    path.write_text(json.dumps(receipt))
    path.rename(read_receipt(path).file)
    assert main(["receipts", "--check"]) == 1
    assert "dvc.lock of commit" in capsys.readouterr().err


def test_a_commit_that_git_does_not_know_is_named(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write()
    text = path.read_text().replace(git("rev-parse", "HEAD"), "1" * 40)
    path.write_text(text)
    path.rename(read_receipt(path).file)
    assert main(["receipts", "--check"]) == 1
    assert "git has no dvc.lock of commit 1111111" in capsys.readouterr().err


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
