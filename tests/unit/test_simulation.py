"""The simulated cluster of make bench: no faster than can be, and with a scheduler that works."""

import pytest
from simulation import Chain, simulate


@pytest.mark.slow
def test_tasks_of_a_chain_follow_one_another_and_chains_share_the_workers() -> None:
    long, short = Chain("long", (4.0, 4.0, 4.0), 100), Chain("short", (2.0, 1.0), 10)
    found = simulate([short] * 4 + [long], workers=2, second=0.1)
    assert found.tasks == 11
    assert found.floor == 12
    assert found.makespan >= found.floor
    assert found.scheduler_load > 0
