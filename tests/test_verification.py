"""The check that committed results can be made again: it passes, and it can fail."""

from pathlib import Path

import pytest
from repositories import Repository

from fashionbench.verification import Output, compare, read_hashes
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


@pytest.mark.slow
def test_a_clone_is_compared_hash_by_hash(untrained: Repository) -> None:
    untrained.run(*VERIFY, "--write")
    untrained.run("git", "commit", "-qam", "the lock of what a clone makes")
    verified = untrained.run(*VERIFY).stdout
    assert "19 of 19 outputs" in verified
    assert "Running stage 'compare'" in verified
    assert "DIFFERS" not in verified
    assert untrained.run("git", "status", "--porcelain").stdout == ""

    # A lock that claims other weights, as it would if the results came from other code.
    lock = untrained.path / "dvc.lock"
    text = lock.read_text()
    weights = text[text.index("path: models/slow") :].split("md5: ")[1][:8]
    lock.write_text(text.replace(weights, "0" * 8))
    refused = untrained.run(*VERIFY, check=False)
    assert refused.returncode == 1
    assert "commit or stash them first" in refused.stderr
    untrained.run("git", "commit", "-qam", "false results")
    differing = untrained.run(*VERIFY, check=False)
    assert differing.returncode == 1
    assert "are not those of dvc.lock (models/slow)" in differing.stderr
    assert "DIFFERS" in differing.stdout


@pytest.mark.slow
def test_another_size_has_a_lock_of_its_own(untrained: Repository) -> None:
    other = ("--lock", "other.lock", "-S", "num_epochs=1", "-S", "seeds=[7]")
    untrained.run(*VERIFY, "--write", *other)
    lock = read_hashes(untrained.path / "other.lock")
    assert len(lock) == 19
    trained = read_yaml(untrained.path / "other.lock")["stages"]["train@slow"]
    assert trained["params"]["params.yaml"]["seeds"] == [7]
    assert not (untrained.path / "models/slow").exists()


def test_a_pipeline_that_fails_is_not_verified(untrained: Repository) -> None:
    settings = ("-S", "dropout_prob=1.5", "-S", "networks.slow.dropout=dropout_prob")
    failed = untrained.run(*VERIFY, *settings, check=False)
    assert failed.returncode == 1
    assert "dropout_prob = 1.5: input should be less than 1" in failed.stderr
    assert "failed in the clone; see above" in failed.stderr


def test_a_missing_lock_is_named_at_once(untrained: Repository) -> None:
    failed = untrained.run(*VERIFY, "--lock", "missing.lock", check=False)
    assert failed.returncode == 1
    assert "missing.lock cannot be read" in failed.stderr
    assert "Running stage" not in failed.stdout
