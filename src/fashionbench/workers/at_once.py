"""Train many networks at once, until their replicates are finished in ``checkpoints/``.

A stage that trains one network has no more replicates than seeds. Here all networks and seeds share
the workers, so that many of them have something to do.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from fashionbench import paths
from fashionbench.errors import TrainingError
from fashionbench.pipeline.dependencies import Dependencies
from fashionbench.pipeline.machine import available_cores
from fashionbench.training.checkpoints import Checkpoints
from fashionbench.training.epoch import Replicate
from fashionbench.training.replicates import Divergence, train_replicates
from fashionbench.workers.longest_first import LongestFirst
from fashionbench.workers.pool import Workers, open_workers, scheduler_address

Replicates = Mapping[str, Sequence[Replicate]]
"""Replicates by the name of their network."""


def train_at_once(replicates: Replicates, dependencies_of: Callable[[str], Dependencies]) -> None:
    """Train replicates that are not finished yet; begin with the first networks.

    ``dependencies_of`` returns those of the stage that trains a network. Raises DataError,
    ChangedError, WorkerError, or TrainingError if a seed diverged: at the end, for the others go
    on.
    """
    total = sum(map(len, replicates.values()))
    # The threads only wait. They end after the workers, which end at once if anything fails.
    with (
        Bars() as bars,
        ThreadPoolExecutor(len(replicates)) as threads,
        open_workers(total, "fashionbench.training.replicates") as workers,
        longest_first(workers) as executor,
    ):
        trainings = [
            _Training(name, of_network, dependencies_of(name), executor, bars)
            for name, of_network in replicates.items()
        ]
        raise_failures([threads.submit(training.wait) for training in trainings])


def raise_failures(trainings: list[Future[None]]) -> None:
    """Wait for trainings. Raises the first error at once, but what has diverged at the end."""
    waiting, diverged = set(trainings), []
    while waiting:
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        for training in done:
            error = training.exception()
            if isinstance(error, TrainingError):
                diverged.append(str(error))
            elif error:
                raise error
    if diverged:
        raise TrainingError("; ".join(sorted(diverged)))


@contextmanager
def longest_first(workers: Workers) -> Iterator[Executor]:
    """Return an executor that begins with the longest training: a cluster does so by itself."""
    if scheduler_address():
        yield workers
        return
    with LongestFirst(workers, available_cores()) as executor:
        yield executor


class _Training:
    """The training of one network, which begins at once."""

    def __init__(
        self,
        name: str,
        replicates: Sequence[Replicate],
        dependencies: Dependencies,
        executor: Executor,
        bars: "Bars",
    ) -> None:
        self._name, self._replicates, self._bars = name, replicates, bars
        self._dependencies = dependencies
        self._checkpoints = Checkpoints(paths.checkpoints_folder(), dependencies)
        train, val = (paths.split_file(split) for split in ("train", "val"))
        self._events = train_replicates(executor, replicates, train, val, self._checkpoints)
        bars.add(name, sum(replicate.hyperparameters.num_epochs for replicate in replicates))

    def wait(self) -> None:
        """Wait for the end, and keep the replicates that have reached it."""
        finished = set()
        try:
            for event in self._events:
                if isinstance(event, Divergence):
                    continue
                self._bars.advance(self._name)
                if event.weights is not None:
                    finished.add(event.row.seed)
        finally:
            self._dependencies.check_unchanged()
            self._checkpoints.finish(
                replicate for replicate in self._replicates if replicate.seed in finished
            )
            self._bars.finish(self._name, len(finished))


class Bars:
    """A bar per network on a terminal; elsewhere a line for each tenth of a network's epochs."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._tasks: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("[bold]{task.description}[/bold]"),
            BarColumn(bar_width=None),
            TextColumn("{task.completed} of {task.total} epochs"),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def add(self, network: str, epochs: int) -> None:
        """Show a network that has epochs to train."""
        self._tasks[network] = self._progress.add_task(network, total=epochs)

    def advance(self, network: str) -> None:
        """Show that one epoch more is there."""
        number = self._tasks[network]
        self._progress.advance(number)
        task = self._progress.tasks[number]
        done, total = int(task.completed), int(task.total or 0)
        if not self._console.is_terminal and done * 10 // total > (done - 1) * 10 // total:
            self._console.print(f"{network}: {done} of {total} epochs", soft_wrap=True)

    def finish(self, network: str, replicates: int) -> None:
        """Say that replicates of a network are finished."""
        if not self._console.is_terminal:
            self._console.print(f"{network}: {replicates} replicates are finished", soft_wrap=True)
