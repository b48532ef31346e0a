"""Checkpoints: finished epochs on disk, from which a training resumes, and finished replicates.

DVC deletes a stage's outputs before it runs the stage, so checkpoints lie outside of them, one
safetensors file per replicate. Its metadata hold the key of the replicate, the curves so far and a
checksum. The file's name holds the key, a digest of all that determines the result, so that other
parameters, data, code or packages find none; and the process that trains, so that two experiments
with the same training do not share a file.

Finished replicates stay, for whoever needs the same ones again: another number of seeds, an
experiment that changes other networks, a study. Nothing but time is lost if the folder is deleted.
"""

import hashlib
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from fashionbench.errors import DataError
from fashionbench.files import SUFFIX, replace_file
from fashionbench.pipeline.dependencies import Dependencies, replicate_key
from fashionbench.pipeline.processes import Owner
from fashionbench.training.epoch import Epoch, Replicate

_FINISHED = "finished"
"""Ends the names of files of finished replicates, where those of others name their process."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The rows of the finished epochs, in order, and the state after them."""

    rows: tuple[Epoch, ...] = ()
    state: Mapping[str, Tensor] = field(default_factory=dict)


_ROWS = TypeAdapter(tuple[Epoch, ...])


class Checkpoints:
    """The checkpoints in ``folder`` of a training with ``dependencies`` by the current process.

    Its workers get a copy, and read and write under the name of that process.
    """

    def __init__(self, folder: Path, dependencies: Dependencies) -> None:
        self._folder = folder
        self._dependencies = dependencies
        self._owner = Owner.current()
        self._versions = {package: version(package) for package in ("torch", "numpy")}
        self._capability = torch.backends.cpu.get_cpu_capability()

    def restore(self, replicate: Replicate) -> tuple[Epoch, ...]:
        """Resume from the longest earlier training of a replicate; return its rows, if any.

        Skips, with a warning, files that are damaged or belong to another training.
        """
        found = [Checkpoint()]
        for path in self._files(replicate):
            if path.suffix == SUFFIX:
                continue
            if checkpoint := self._read(path, replicate):
                found.append(checkpoint)
            # Gone since it was listed: a training of the same replicate has just ended.
            elif path.exists():
                _log.warning(f"{path} is damaged or of another training; it is ignored")
        longest = max(found, key=lambda checkpoint: len(checkpoint.rows))
        if longest.rows:
            self.save(replicate, longest)
            _log.info(_describe(replicate, len(longest.rows)))
        return longest.rows

    def load(self, replicate: Replicate, epochs: int) -> Checkpoint:
        """Return the replicate after that many epochs of this training.

        Raises DataError if the file is missing or damaged.
        """
        if not epochs:
            return Checkpoint()
        path = self._path(replicate)
        checkpoint = self._read(path, replicate)
        if checkpoint is None or len(checkpoint.rows) != epochs:
            raise DataError(f"{path} was damaged while it was in use; run dvc repro again")
        return checkpoint

    def save(self, replicate: Replicate, checkpoint: Checkpoint) -> None:
        """Replace the replicate's last checkpoint, whole or not at all.

        Raises ChangedError if code, data or parameters were edited since the training began: it
        would be unknown which of them the epoch was trained with. Raises OSError with the path.
        """
        self._dependencies.check_unchanged()
        key, rows = self._key(replicate), _ROWS.dump_json(checkpoint.rows).decode()
        state = dict(checkpoint.state)
        metadata = {"key": key, "rows": rows, "sha256": _checksum(key, rows, state)}
        replace_file(self._path(replicate), save(state, metadata))

    def finish(self, replicates: Iterable[Replicate]) -> None:
        """Keep replicates that this process has trained to their end, for every later training.

        Deletes what dead processes have left of them.
        """
        for replicate in replicates:
            own = self._path(replicate)
            if own.exists():
                os.replace(own, self._named(replicate, _FINISHED))
            for path in self._files(replicate):
                owner = Owner.parse(path.name.removesuffix(SUFFIX).partition(".")[2])
                if owner and (owner == self._owner or owner.is_known_dead()):
                    path.unlink(missing_ok=True)

    def _files(self, replicate: Replicate) -> list[Path]:
        return sorted(self._folder.glob(f"{self._name(replicate)}.*"))

    def _path(self, replicate: Replicate) -> Path:
        return self._named(replicate, str(self._owner))

    def _named(self, replicate: Replicate, end: str) -> Path:
        return self._folder / f"{self._name(replicate)}.{end}"

    def _name(self, replicate: Replicate) -> str:
        return f"seed_{replicate.seed}-{self._key(replicate)[:32]}"

    def _key(self, replicate: Replicate) -> str:
        return replicate_key(
            replicate.network,
            replicate.hyperparameters,
            replicate.seed,
            self._dependencies,
            self._versions,
            self._capability,
        )

    def _read(self, path: Path, replicate: Replicate) -> Checkpoint | None:
        """Read a file; None if it is missing, damaged or of another training."""
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                # Copied: the tensors of an open file share its memory.
                state = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
            key, rows = metadata["key"], metadata["rows"]
            if key != self._key(replicate) or metadata["sha256"] != _checksum(key, rows, state):
                return None
            checkpoint = Checkpoint(rows=_ROWS.validate_json(rows), state=state)
        except (FileNotFoundError, SafetensorError, KeyError, ValidationError):
            return None
        epochs = [(row.seed, row.epoch) for row in checkpoint.rows]
        expected = [(replicate.seed, epoch) for epoch in range(1, len(epochs) + 1)]
        return checkpoint if epochs and epochs == expected else None


def _describe(replicate: Replicate, epochs: int) -> str:
    name, last = f"{replicate.network.name} seed {replicate.seed}", replicate.hyperparameters
    if epochs == last.num_epochs:
        return f"{name} has been trained before"
    return f"{name} goes on after epoch {epochs} of {last.num_epochs}"


def _checksum(key: str, rows: str, state: dict[str, Tensor]) -> str:
    content = hashlib.sha256(save(state))
    content.update(f"{key}\n{rows}".encode())
    return content.hexdigest()
