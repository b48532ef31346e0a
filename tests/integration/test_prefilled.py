"""All networks trained ahead of ``dvc repro``: here, on a cluster, and for a study."""

import subprocess
import sys
from pathlib import Path

import pytest
from clusters import Cluster, on_cluster
from interruptions import RESULTS, SLOW_NETWORK, TRAIN
from repositories import Repository
from ruamel.yaml import YAML

PREFILL = (sys.executable, "-m", "fashionbench", "prefill")


@pytest.fixture
def with_own_code(untrained: Repository) -> Repository:
    """Return a repository in which also ``fashionbench`` runs its code, not only DVC's stages."""
    path = {"PYTHONPATH": str(untrained.path / "src")}
    return Repository(untrained.path, {**untrained.variables, **path})


def finished_replicates(repository: Repository) -> set[str]:
    return {path.name for path in (repository.path / "checkpoints").glob("*.finished")}


@pytest.mark.slow(minutes=2)
@pytest.mark.tries("fashionbench prefill", "fashionbench prefill --study NAME")
def test_dvc_finds_finished_what_was_trained_ahead_and_so_does_a_study(
    with_own_code: Repository, undisturbed: dict[str, str]
) -> None:
    repository = with_own_code
    said = repository.run(*PREFILL).stdout
    assert "slow: 2 replicates are finished" in said
    before = finished_replicates(repository)
    assert len(before) == 2
    assert repository.run(*TRAIN).stderr.count("has been trained before") == 2
    assert repository.hashes(*RESULTS) == undisturbed

    make_study(repository, "same")
    assert "has been trained before" in repository.run(*PREFILL, "--study", "same").stderr
    assert finished_replicates(repository) == before
    make_study(repository, "longer", num_epochs=25)
    repository.run(*PREFILL, "--study", "longer")
    assert len(finished_replicates(repository)) == 4


def make_study(repository: Repository, name: str, **changes: int) -> None:
    """Make a study: the pipeline two folders down, at other values of some parameters."""
    folder = repository.path / "studies" / name
    folder.mkdir(parents=True)
    text = (repository.path / "dvc.yaml").read_text()
    for here in ("src/fashionbench/", "data/prepared/"):
        text = text.replace(f"- {here}", f"- ../../{here}")
    (folder / "dvc.yaml").write_text(text)
    yaml = YAML()
    params = yaml.load((repository.path / "params.yaml").read_text())
    params.update(changes)
    with (folder / "params.yaml").open("w") as file:
        yaml.dump(params, file)


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


@pytest.mark.slow(minutes=1)
def test_a_network_too_large_for_a_worker_is_named(
    with_own_code: Repository, tmp_path: Path
) -> None:
    huge = {**SLOW_NETWORK, "conv_filters": [], "hidden_sizes": [1_000_000, 1_000_000]}
    with_own_code.change_params(networks={"huge": huge})
    with Cluster(tmp_path / "cluster") as cluster:
        cluster.start_worker(with_own_code.path)
        done = on_cluster(with_own_code, cluster).run(*PREFILL, check=False)
    (line,) = [line for line in done.stderr.splitlines() if "error:" in line]
    assert "huge seed " in line
    assert "on a worker no memory is left" in line
