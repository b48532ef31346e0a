"""The machine: a container's limits count as the machine's own."""

from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from fashionbench.pipeline import machine
from fashionbench.pipeline.machine import available_cores, available_memory

Files = Callable[[dict[str, str]], None]


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    """Replace the control groups of this machine by files of a test."""

    def write(files: dict[str, str]) -> None:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")

    monkeypatch.setattr(machine, "_CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(machine, "_OWN_GROUPS", tmp_path / "own")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    return write


def test_without_limits_or_with_higher_ones_all_of_the_machine_may_be_used(groups: Files) -> None:
    installed = psutil.virtual_memory().total
    assert (available_cores(), available_memory()) == (8, installed)
    for cpu, memory in (("max 100000", "max"), ("9900000 100", str(2 * installed))):
        groups({"own": "0::/", "groups/cpu.max": cpu, "groups/memory.max": memory})
        assert (available_cores(), available_memory()) == (8, installed)


@pytest.mark.parametrize(("quota", "cores"), [(400000, 4), (150000, 2), (100000, 1), (5000, 1)])
def test_a_quota_of_time_limits_the_cores(groups: Files, quota: int, cores: int) -> None:
    groups({"own": "0::/", "groups/cpu.max": f"{quota} 100000"})
    assert available_cores() == cores
    groups({"own": "4:cpu,cpuacct:/", "groups/cpu/cpu.cfs_quota_us": str(quota)})
    assert available_cores() == 8
    groups({"groups/cpu/cpu.cfs_period_us": "100000"})
    assert available_cores() == cores
    groups({"groups/cpu/cpu.cfs_quota_us": "-1"})
    assert available_cores() == 8


def test_the_tightest_limit_of_the_groups_above_counts(groups: Files) -> None:
    groups(
        {
            "own": "5:memory:/other\n0::/outer/inner",
            "groups/outer/inner/memory.max": str(3 * 2**20),
            "groups/outer/memory.max": str(2**20),
            "groups/memory/memory.limit_in_bytes": str(2 * 2**20),
            "groups/outer/inner/cpu.max": "300000 100000",
        }
    )
    assert (available_cores(), available_memory()) == (3, 2**20)
