"""Checkpoints: what is restored is what was saved, or nothing at all."""

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save
from trainings import made_up_epoch, network, nothing_watched

from fashionbench.errors import ChangedError, DataError
from fashionbench.params import Hyperparameters
from fashionbench.pipeline.processes import Owner
from fashionbench.training.checkpoints import Checkpoint, Checkpoints
from fashionbench.training.epoch import Replicate

ROWS = tuple(
    made_up_epoch(3, epoch, train_loss=1 / 3, train_accuracy=0.1 + 0.2, val_loss=5e-324)
    for epoch in (1, 2)
)
STATE = {
    "weight": torch.tensor([[1.0, -0.0], [1e-45, float("inf")]]),
    "step": torch.tensor(7),
    "halves": torch.tensor([1.5, 2.5]).bfloat16(),
}
KEPT = Checkpoint(rows=ROWS, state=STATE)


@pytest.fixture
def replicate(hyperparameters: Hyperparameters) -> Replicate:
    return Replicate(network=network(), hyperparameters=hyperparameters, seed=3)


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints", nothing_watched())


def assert_equal(found: Checkpoint, expected: Checkpoint) -> None:
    assert found.rows == expected.rows
    assert save(dict(found.state)) == save(dict(expected.state))


@pytest.fixture
def saved(checkpoints: Checkpoints, replicate: Replicate, tmp_path: Path) -> Path:
    """Save a checkpoint, and return its file."""
    checkpoints.save(replicate, KEPT)
    (path,) = (tmp_path / "checkpoints").iterdir()
    return path


def test_what_is_saved_comes_back_to_the_last_bit(
    checkpoints: Checkpoints, replicate: Replicate
) -> None:
    assert checkpoints.restore(replicate) == ()
    assert_equal(checkpoints.load(replicate, 0), Checkpoint())
    checkpoints.save(replicate, replace(KEPT, rows=ROWS[:1]))
    checkpoints.save(replicate, KEPT)
    assert checkpoints.restore(replicate) == ROWS
    assert_equal(checkpoints.load(replicate, 2), KEPT)


def test_finished_replicates_stay_for_other_processes_networks_and_folders(
    checkpoints: Checkpoints, replicate: Replicate, tmp_path: Path
) -> None:
    checkpoints.save(replicate, KEPT)
    checkpoints.finish([replicate])
    (kept,) = (tmp_path / "checkpoints").iterdir()
    renamed = replace(replicate, network=replace(replicate.network, name="another"))
    code = {Path("src/training.py"): "digest"}
    for files in (code, {Path("../../src/training.py"): "digest"}):
        dependencies = replace(nothing_watched(), files=files)
        elsewhere = Checkpoints(tmp_path / "elsewhere", dependencies)
        assert bool(elsewhere.restore(replicate)) == (files is not code)
        elsewhere.save(replicate, KEPT)
        elsewhere.finish([replicate])
    assert checkpoints.restore(renamed) == ROWS
    assert_equal(checkpoints.load(renamed, 2), KEPT)
    checkpoints.finish([renamed])
    assert list((tmp_path / "checkpoints").iterdir()) == [kept]


def test_another_training_finds_nothing(
    checkpoints: Checkpoints, replicate: Replicate, tmp_path: Path
) -> None:
    checkpoints.save(replicate, KEPT)
    others = [
        replace(replicate, seed=4),
        replace(replicate, hyperparameters=replace(replicate.hyperparameters, learning_rate=0.1)),
        replace(replicate, network=network(hidden_sizes=(17,))),
    ]
    assert [checkpoints.restore(other) for other in others] == [()] * 3
    edited = replace(nothing_watched(), files={Path("src/training.py"): "another digest"})
    assert Checkpoints(tmp_path / "checkpoints", edited).restore(replicate) == ()


Metadata = dict[str, str]


def with_metadata(change: Callable[[Metadata], Metadata]) -> Callable[[bytes], bytes]:
    """Change the metadata of a file, and make the checksum right again."""

    def changed(content: bytes) -> bytes:
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        metadata = change(header["__metadata__"])
        state = load(content)
        checksum = hashlib.sha256(save(state) + f"{metadata['key']}\n{metadata['rows']}".encode())
        return save(state, metadata | {"sha256": checksum.hexdigest()})

    return changed


def test_a_change_of_metadata_that_changes_nothing_is_accepted(
    checkpoints: Checkpoints, replicate: Replicate, saved: Path
) -> None:
    saved.write_bytes(with_metadata(dict)(saved.read_bytes()))
    assert checkpoints.restore(replicate) == ROWS


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: content[:-2],
        lambda content: b"",
        lambda content: save(STATE),
        lambda content: content.replace(b'seed\\":3', b'seed\\":4'),
        with_metadata(lambda metadata: metadata | {"rows": "no rows"}),
        with_metadata(lambda metadata: metadata | {"rows": "[]"}),
        with_metadata(lambda metadata: metadata | {"key": "another"}),
        with_metadata(
            lambda metadata: metadata | {"rows": metadata["rows"].replace('epoch":2', 'epoch":3')}
        ),
    ],
)
def test_a_damaged_or_foreign_file_is_ignored_with_a_warning(
    checkpoints: Checkpoints,
    replicate: Replicate,
    saved: Path,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[bytes], bytes],
) -> None:
    saved.write_bytes(damage(saved.read_bytes()))
    with caplog.at_level(logging.WARNING, "fashionbench"):
        assert checkpoints.restore(replicate) == ()
    assert f"{saved} is damaged or of another training; it is ignored" in caplog.text
    with pytest.raises(DataError, match="was damaged while it was in use"):
        checkpoints.load(replicate, 2)


def test_the_longest_of_earlier_trainings_goes_on_and_living_ones_keep_theirs(
    checkpoints: Checkpoints, replicate: Replicate, saved: Path
) -> None:
    me, own = Owner.current(), saved
    of_dead, of_living, of_another_machine = (
        own.with_name(own.name.replace(str(me), str(owner)))
        for owner in (replace(me, start="1"), Owner._of(1), replace(me, host="elsewhere.org"))
    )
    own.rename(of_dead)
    checkpoints.save(replicate, replace(KEPT, rows=ROWS[:1]))
    own.rename(of_living)
    of_another_machine.write_bytes(of_living.read_bytes())
    half = Path(f"{of_dead}.incoming")
    half.write_bytes(b"half of a checkp")
    assert checkpoints.restore(replicate) == ROWS
    assert_equal(checkpoints.load(replicate, 2), KEPT)
    checkpoints.finish([replicate])
    finished = own.with_name(own.name.replace(str(me), "finished"))
    left = set(own.parent.iterdir())
    assert left == {of_living, of_another_machine, finished}


def test_nothing_is_kept_of_an_epoch_in_which_the_code_was_edited(
    replicate: Replicate, tmp_path: Path
) -> None:
    code = tmp_path / "training.py"
    code.write_text("old")
    files = {code: hashlib.sha256(b"old").hexdigest()}
    watched = replace(nothing_watched(), files=files, _declared=(code,))
    checkpoints = Checkpoints(tmp_path / "checkpoints", watched)
    checkpoints.save(replicate, KEPT)
    code.write_text("new")
    with pytest.raises(ChangedError, match=f"{code} changed while train@tiny ran"):
        checkpoints.save(replicate, replace(KEPT, rows=ROWS[:1]))
    code.write_text("old")
    assert checkpoints.restore(replicate) == ROWS
