"""What goes wrong on a cluster, in one line that says how to go on."""

from distributed.scheduler import KilledWorker

from fashionbench.errors import WorkerError
from fashionbench.messages import in_one_line
from fashionbench.workers.memory import describe_shortage, is_out_of_memory
from fashionbench.workers.pool import SCHEDULER_VARIABLE

_NOT_READ = "Error during deserialization of the task graph"
"""What Dask's client says if its scheduler cannot import what a task calls."""
_REPEAT = "then run dvc repro again, it goes on after the last finished epochs"


def unreachable(address: str, error: Exception) -> WorkerError:
    """Describe a scheduler that does not answer."""
    reason = in_one_line(str(error)) or type(error).__name__
    return WorkerError(
        f"{SCHEDULER_VARIABLE} = {address}: no Dask scheduler answers ({reason}); "
        "start one with dask scheduler, or unset the variable to train on this machine"
    )


def explain(error: BaseException | None, task: str, address: str) -> Exception:
    """Describe why a task has no result; ``error`` is None if Dask has dropped it.

    Errors of the code itself are returned as they are.
    """
    if error is None:
        return WorkerError(
            f"{task}: the Dask scheduler at {address} has gone; start it and its workers, {_REPEAT}"
        )
    if isinstance(error, KilledWorker):
        return WorkerError(
            f"{task}: {error.allowed_failures + 1} workers died of it, the last at "
            f"{error.last_worker.address}, as when memory runs out; let fewer run on a machine or "
            f"give each more (--memory-limit), {_REPEAT}"
        )
    if _NOT_READ in str(error):
        return WorkerError(
            f"{task}: the Dask scheduler at {address} cannot read it; start it with the packages "
            f"and the code of the workers, {_REPEAT}"
        )
    if is_out_of_memory(error):
        return WorkerError(
            f"{task}: on a worker {describe_shortage(error)}; let fewer run on a machine, {_REPEAT}"
        )
    if isinstance(error, Exception) and not type(error).__module__.startswith("distributed"):
        return error
    return WorkerError(f"{task}: {in_one_line(str(error))}; {_REPEAT}")
