"""Show the progress of training: bars on a terminal, plain lines elsewhere."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from time import monotonic
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from fashionbench.terminal import open_console
from fashionbench.training.costs import forward_products
from fashionbench.training.epoch import Epoch, Replicate
from fashionbench.training.replicates import FinishedEpoch


class TrainingProgress:
    """Shows the finished epochs of replicates, given by the names of their networks.

    On a terminal each network has a bar with the latest scores and the remaining time; in a file or
    a pipe, a line per epoch with the means over the replicates and the time that all have left, if
    time is in proportion to the multiplications of products and convolutions.
    """

    def __init__(
        self, replicates: Mapping[str, Sequence[Replicate]], console: Console | None = None
    ) -> None:
        self._replicates = replicates
        self._console = console or open_console()
        self._rows: dict[tuple[str, int], list[Epoch]] = defaultdict(list)
        self._started = monotonic()
        self._restored = self._done = 0
        # One more: the multiplications of a module that cannot be derived are not known.
        self._work = {name: 1 + forward_products(of[0].network) for name, of in replicates.items()}
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
        epochs = {
            name: sum(replicate.hyperparameters.num_epochs for replicate in of_network)
            for name, of_network in replicates.items()
        }
        self._total = sum(number * self._work[name] for name, number in epochs.items())
        self._tasks = {
            name: self._bar.add_task(name, total=total, scores="starting")
            for name, total in epochs.items()
        }

    def __enter__(self) -> Self:
        try:
            self._bar.start()
        except BaseException:  # Ctrl-C; leave the terminal as it was.
            self._bar.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, event: FinishedEpoch) -> None:
        """Show a finished epoch of one replicate."""
        row, name = event.row, event.replicate.network.name
        self._done += self._work[name]
        self._restored += self._work[name] * event.is_restored
        rows = self._rows[name, row.epoch]
        rows.append(row)
        self._bar.update(
            self._tasks[name], advance=1, scores=f"epoch {row.epoch} {_describe([row])}"
        )
        if len(rows) == len(self._replicates[name]) and not self._console.is_terminal:
            self._console.print(
                f"{name}: epoch {row.epoch}/{event.replicate.hyperparameters.num_epochs}, "
                f"{_describe(rows)}, {self._remaining()} left",
                soft_wrap=True,
                highlight=False,
            )

    def _remaining(self) -> timedelta:
        trained = self._done - self._restored or self._done
        left = (monotonic() - self._started) / trained * (self._total - self._done)
        return timedelta(seconds=round(left))


def _describe(rows: list[Epoch]) -> str:
    def mean(values: list[float]) -> float:
        return sum(values) / len(values)

    return (
        f"train loss {mean([row.train_loss for row in rows]):.4f} "
        f"accuracy {mean([row.train_accuracy for row in rows]):.4f}, "
        f"val loss {mean([row.val_loss for row in rows]):.4f} "
        f"accuracy {mean([row.val_accuracy for row in rows]):.4f}"
    )
