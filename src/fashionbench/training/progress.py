"""Show the progress of a network's training: a bar on a terminal, plain lines elsewhere."""

from collections import defaultdict
from datetime import timedelta
from time import monotonic
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from fashionbench.training.epoch import Epoch


class TrainingProgress:
    """Shows the finished epochs of ``replicates`` replicates of one network.

    On a terminal it is a bar with the latest scores and the remaining time; in a file or a pipe,
    one line per epoch with the means over the replicates.
    """

    def __init__(
        self, network: str, num_epochs: int, replicates: int, console: Console | None = None
    ) -> None:
        self._network = network
        self._num_epochs = num_epochs
        self._replicates = replicates
        self._console = console or Console()
        self._rows: dict[int, list[Epoch]] = defaultdict(list)
        self._started = monotonic()
        self._restored = 0
        self._bar = Progress(
            TextColumn("[bold]{task.description}[/bold]"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[scores]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task(network, total=num_epochs * replicates, scores="starting")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def advance(self, row: Epoch, is_restored: bool = False) -> None:
        """Show a finished epoch of one replicate; ``is_restored`` if a checkpoint had it."""
        self._restored += is_restored
        rows = self._rows[row.epoch]
        rows.append(row)
        self._bar.update(self._task, advance=1, scores=f"epoch {row.epoch} {_describe([row])}")
        if len(rows) == self._replicates and not self._console.is_terminal:
            self._console.print(
                f"{self._network}: epoch {row.epoch}/{self._num_epochs}, {_describe(rows)}, "
                f"{self._remaining()} left",
                soft_wrap=True,
                highlight=False,
            )

    def _remaining(self) -> timedelta:
        done = sum(map(len, self._rows.values()))
        to_do = self._num_epochs * self._replicates - done
        trained = max(done - self._restored, 1)
        return timedelta(seconds=round((monotonic() - self._started) / trained * to_do))


def _describe(rows: list[Epoch]) -> str:
    def mean(values: list[float]) -> float:
        return sum(values) / len(values)

    return (
        f"train loss {mean([row.train_loss for row in rows]):.4f} "
        f"accuracy {mean([row.train_accuracy for row in rows]):.4f}, "
        f"val loss {mean([row.val_loss for row in rows]):.4f} "
        f"accuracy {mean([row.val_accuracy for row in rows]):.4f}"
    )
