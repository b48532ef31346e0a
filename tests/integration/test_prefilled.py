"""All networks trained ahead of ``dvc repro``: here, and on a cluster."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from clusters import Cluster, on_cluster
from interruptions import NUM_EPOCHS, RESULTS, SLOW_NETWORK, TRAIN
from repositories import Repository

PREFILL = (sys.executable, "-m", "fashionbench", "prefill")


@pytest.fixture
def with_own_code(untrained: Repository) -> Repository:
    """Return a repository in which also ``fashionbench`` runs its code, not only DVC's stages."""
    path = {"PYTHONPATH": str(untrained.path / "src")}
    return Repository(untrained.path, {**untrained.variables, **path})


def finished_replicates(repository: Repository) -> set[str]:
    return {path.name for path in (repository.path / "checkpoints").glob("*.finished")}


@pytest.mark.slow(minutes=2)
@pytest.mark.tries("dvc repro prepare", "fashionbench prefill")
def test_dvc_finds_finished_what_was_trained_ahead(
    with_own_code: Repository, undisturbed: dict[str, str]
) -> None:
    repository = with_own_code
    shutil.rmtree(repository.path / "data/prepared")
    missing = repository.run(*PREFILL, check=False)
    assert "is not a split" in missing.stderr
    assert "run dvc repro prepare" in missing.stderr
    repository.run("dvc", "repro", "prepare")
    said = repository.run(*PREFILL).stdout
    assert f"slow: epoch {NUM_EPOCHS}/{NUM_EPOCHS}" in said
    assert len(finished_replicates(repository)) == 2
    assert repository.run(*TRAIN).stderr.count("has been trained before") == 2
    assert repository.hashes(*RESULTS) == undisturbed


@pytest.mark.slow(minutes=2)
@pytest.mark.tries("fashionbench worker", "fashionbench worker tcp://HOST:8786 --nworkers 4")
def test_a_cluster_started_by_hand_trains_networks_of_all_kinds_at_once(
    with_own_code: Repository, tmp_path: Path
) -> None:
    """Another network beside the slow one, which diverges: the others are kept all the same."""
    quick = {**SLOW_NETWORK, "conv_filters": [], "own": {"num_epochs": 3}}
    wild = {**quick, "own": {"learning_rate": 1e30}}
    with_own_code.change_params(networks={"slow": SLOW_NETWORK, "quick": quick, "wild": wild})
    with Cluster(tmp_path / "cluster") as cluster:
        workers = start_two(with_own_code, cluster)
        try:
            repository = on_cluster(with_own_code, cluster)
            done = repository.run(*PREFILL, check=False)
            assert done.returncode == 1
            assert "fashionbench: error: wild diverged with seed 0 (" in done.stderr
            assert len(finished_replicates(repository)) == 4
            for network in ("slow", "quick"):
                said = repository.run("dvc", "repro", f"train@{network}").stderr
                assert said.count("has been trained before") == 2
        finally:
            workers.terminate()
            workers.wait()


def start_two(repository: Repository, cluster: Cluster) -> "subprocess.Popen[bytes]":
    """Start two workers by one command, each with Dask's nanny."""
    command = (sys.executable, "-m", "fashionbench", "worker", cluster.address, "--nworkers", "2")
    process = subprocess.Popen(
        command,
        cwd=repository.path,
        env=repository.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    cluster.wait_for_workers(2)
    return process
