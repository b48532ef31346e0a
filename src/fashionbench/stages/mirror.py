"""Stage ``mirror``: bring MLflow up to date with DVC's results, whichever stages have run."""

from fashionbench.tracking import mirror_state

_PASSES = 2
"""The second finds nothing to add, unless another process changes the store at the same time."""


def run() -> None:
    """Add to MLflow what it lacks. Raises ConfigError, or DataError if a table is missing."""
    if mirror_state.is_saved(mirror_state.current_state()):
        return
    # Imported here, since importing MLflow takes seconds and there is usually nothing to do.
    from fashionbench.params import load_params
    from fashionbench.tracking.mirror import mirror_pipeline

    params = load_params()
    for _ in range(_PASSES):
        before = mirror_state.current_state()
        if not mirror_pipeline(params):
            return
        if before is not None and before == mirror_state.current_state():
            mirror_state.save(before)
            return
