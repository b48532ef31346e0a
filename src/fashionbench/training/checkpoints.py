"""Finished epochs on disk: what the next epoch starts from, also after the training was cut off.

DVC deletes a stage's outputs before it runs it, so checkpoints lie outside of them. A checkpoint is
one file a replicate: a checksum of the rest, then the curves so far, then the state. Its name holds
a digest of all that determines the result, so other parameters, data, code or packages find none;
and the process that trains, so that two experiments that train the same do not meet.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError

from fashionbench.errors import DataError
from fashionbench.pipeline.dependencies import Dependencies
from fashionbench.training.epoch import Epoch, Replicate

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The rows of the finished epochs, in order, and the state after them as safetensors."""

    rows: tuple[Epoch, ...] = ()
    state: bytes = b""


@dataclass(frozen=True)
class _Header:
    key: str
    rows: tuple[Epoch, ...]


_HEADER = TypeAdapter(_Header)


class Checkpoints:
    """The checkpoints in ``folder`` of a training with ``dependencies`` by the current process.

    Its workers get a copy, and read and write under the name of that process.
    """

    def __init__(self, folder: Path, dependencies: Dependencies) -> None:
        self._folder = folder
        self._dependencies = dependencies
        self._owner = os.getpid()
        self._facts = [
            {str(path): digest for path, digest in dependencies.files.items()},
            {package: version(package) for package in ("torch", "numpy")},
            torch.backends.cpu.get_cpu_capability(),
        ]

    def restore(self, replicate: Replicate) -> tuple[Epoch, ...]:
        """Make the longest of earlier trainings of a replicate this one's: its rows, if any.

        A file that is damaged or not of this replicate is left aside with a warning.
        """
        found = [Checkpoint()]
        for path in self._candidates(replicate):
            if checkpoint := self._read(path, replicate):
                found.append(checkpoint)
            # Gone since it was listed: a training of the same replicate has just ended.
            elif path.exists():
                _log.warning(f"{path} is damaged or of another training, and left aside")
        longest = max(found, key=lambda checkpoint: len(checkpoint.rows))
        if longest.rows:
            self.save(replicate, longest)
            _log.info(
                f"{replicate.network.name} seed {replicate.seed} goes on after epoch "
                f"{len(longest.rows)} of {replicate.hyperparameters.num_epochs}"
            )
        return longest.rows

    def load(self, replicate: Replicate, epochs: int) -> Checkpoint:
        """The replicate after that many epochs of this training; DataError if it is not there."""
        if not epochs:
            return Checkpoint()
        path = self._path(replicate)
        checkpoint = self._read(path, replicate)
        if checkpoint is None or len(checkpoint.rows) != epochs:
            raise DataError(f"{path} was damaged while it was in use; run dvc repro again")
        return checkpoint

    def save(self, replicate: Replicate, checkpoint: Checkpoint) -> None:
        """Put a checkpoint in the place of the replicate's last one, whole or not at all.

        Raises ChangedError if the code, the data or the parameters were edited since the training
        began: nobody could tell then which of them the epoch was trained with.
        """
        self._dependencies.check_unchanged()
        header = _HEADER.dump_json(_Header(self._key(replicate), checkpoint.rows))
        body = header + b"\n" + checkpoint.state
        path = self._path(replicate)
        path.parent.mkdir(parents=True, exist_ok=True)
        incoming = path.with_name(f"{path.name}.incoming")
        try:
            incoming.write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
            os.replace(incoming, path)
        except OSError as error:
            incoming.unlink(missing_ok=True)
            # A write to a full disk does not say which file it was for.
            raise OSError(error.errno, error.strerror, str(path)) from error

    def remove(self, replicates: Iterable[Replicate]) -> None:
        """Forget replicates whose training has ended, in this process and in ones long dead."""
        for replicate in replicates:
            for path in self._folder.glob(f"{self._name(replicate)}.*"):
                owner = path.name.removesuffix(".incoming").rpartition(".")[2]
                if not owner.isdecimal() or int(owner) == self._owner or not _is_alive(int(owner)):
                    path.unlink(missing_ok=True)
        with suppress(OSError):  # Not empty, or gone already.
            self._folder.rmdir()

    def _candidates(self, replicate: Replicate) -> list[Path]:
        found = self._folder.glob(f"{self._name(replicate)}.*")
        return sorted(path for path in found if path.suffix != ".incoming")

    def _path(self, replicate: Replicate) -> Path:
        return self._folder / f"{self._name(replicate)}.{self._owner}"

    def _name(self, replicate: Replicate) -> str:
        return f"{replicate.network.name}-seed_{replicate.seed}-{self._key(replicate)[:16]}"

    def _key(self, replicate: Replicate) -> str:
        facts = json.dumps([asdict(replicate), *self._facts], sort_keys=True)
        return hashlib.sha256(facts.encode()).hexdigest()

    def _read(self, path: Path, replicate: Replicate) -> Checkpoint | None:
        try:
            checksum, _, body = path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        if hashlib.sha256(body).hexdigest().encode() != checksum:
            return None
        header_line, _, state = body.partition(b"\n")
        try:
            header = _HEADER.validate_json(header_line)
        except ValidationError:
            return None
        epochs = [(row.seed, row.epoch) for row in header.rows]
        expected = [(replicate.seed, epoch) for epoch in range(1, len(epochs) + 1)]
        if header.key != self._key(replicate) or not epochs or epochs != expected:
            return None
        return Checkpoint(rows=header.rows, state=state)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # It is another user's.
        pass
    return True
