"""MLflow shows what DVC holds, however DVC came to hold it."""

import shutil
from pathlib import Path

import pytest
from queues import run_queue
from repositories import SMALL_NETWORKS, Repository
from stores import (
    assert_shows_what_dvc_holds,
    by_name,
    champions,
    client_of,
    contents,
    runs_of,
)

NETWORKS = (*SMALL_NETWORKS, "n9_ninth")


def stages_of(said: str) -> set[str]:
    """The stages that a command of DVC's says it ran."""
    return {line.split("'")[1] for line in said.splitlines() if line.startswith("Running stage")}


def forget_runs(repository: Repository) -> None:
    (repository.path / "mlflow.db").unlink()


def test_a_store_that_is_lost_is_filled_again_and_once_only(
    finished: Repository, copied: Repository
) -> None:
    before = contents(client_of(finished))
    forget_runs(copied)
    assert stages_of(copied.run("dvc", "repro").stdout) == {"mirror"}
    client = client_of(copied)
    assert contents(client) == before
    assert_shows_what_dvc_holds(client, copied)
    told = {run.info.run_id: (run.data.tags, run.info.end_time) for run in runs_of(client)}
    copied.run("dvc", "repro")
    copied.run("dvc", "repro", "-f", "-s", "evaluate@n2_mlp")
    assert contents(client) == before
    assert {run.info.run_id: (run.data.tags, run.info.end_time) for run in runs_of(client)} == told


def test_a_run_that_is_deleted_or_half_told_is_made_up_for(copied: Repository) -> None:
    forget_runs(copied)
    copied.run("dvc", "repro")
    client = client_of(copied)
    before, runs = contents(client), by_name(client)
    client.delete_run(runs["n2_mlp seed 0"].info.run_id)
    half = runs["n7_l2 seed 1"].info.run_id
    client.delete_tag(half, "fashionbench.content")
    client.set_terminated(half, "FAILED")
    copied.run("dvc", "repro")
    assert contents(client) == before
    assert by_name(client)["n7_l2 seed 1"].info.run_id == half


def test_a_clone_that_pulls_trains_nothing_and_shows_everything(
    finished: Repository, copied: Repository, tmp_path: Path
) -> None:
    copied.run("dvc", "remote", "add", "-d", "shelf", str(tmp_path / "shelf"))
    copied.run("git", "commit", "-qam", "a remote")
    copied.run("dvc", "push")
    shutil.rmtree(copied.path / ".dvc/cache")
    clone = Repository(tmp_path / "clone")
    copied.run("git", "clone", "-q", ".", str(clone.path))
    clone.run("dvc", "pull")
    assert stages_of(clone.run("dvc", "repro").stdout) == {"mirror"}
    assert clone.run("git", "status", "--porcelain").stdout == ""
    assert contents(client_of(clone)) == contents(client_of(finished))


@pytest.mark.slow
def test_an_experiment_stands_beside_and_the_mirror_follows_the_workspace(
    copied: Repository, tmp_path: Path
) -> None:
    client = client_of(copied)
    known, first = {run.info.run_id for run in runs_of(client)}, champions(client)
    said = copied.run("dvc", "exp", "run", "-n", "less-dropout", "-S", "dropout_prob=0.3").stdout
    # It trains nothing but what it changes.
    changed = {"check", "train@n4_dropout", "evaluate@n4_dropout", "compare", "report", "mirror"}
    assert stages_of(said) == changed
    added = [run for run in runs_of(client) if run.info.run_id not in known]
    assert sorted(str(run.info.run_name) for run in added) == [
        "comparison",
        "n4_dropout",
        "n4_dropout seed 0",
        "n4_dropout seed 1",
    ]
    assert {run.data.tags["dvc.experiment"] for run in added} == {"less-dropout"}
    assert {run.data.params.get("dropout_prob") for run in added} == {None, "0.3"}
    assert_shows_what_dvc_holds(client, copied)
    other = champions(client)
    assert {name for name in first if first[name] != other[name]} >= {"fashionbench-n4_dropout"}

    copied.run("git", "checkout", "-q", ".")
    copied.run("dvc", "checkout")
    copied.run("dvc", "repro")
    assert champions(client) == first
    assert_shows_what_dvc_holds(client, copied)
    copied.run("dvc", "exp", "apply", "less-dropout")
    copied.run("dvc", "repro")
    assert champions(client) == other
    copied.run("git", "checkout", "-q", ".")
    copied.run("dvc", "checkout")
    copied.run("dvc", "exp", "branch", "less-dropout", "less")
    copied.run("git", "checkout", "-q", "less")
    copied.run("dvc", "checkout")
    new = copied.copy(tmp_path / "new")
    forget_runs(new)
    assert stages_of(new.run("dvc", "repro").stdout) == {"mirror"}
    assert champions(client_of(new)) == other
    assert len(runs_of(client_of(new))) == 3 * len(NETWORKS) + 1
    copied.run("git", "checkout", "-q", "-")
    copied.run("dvc", "checkout")
    copied.run("dvc", "repro")
    assert champions(client) == first
    assert_shows_what_dvc_holds(client, copied)
    assert len(runs_of(client)) == 3 * len(NETWORKS) + 1 + 4


@pytest.mark.slow
def test_an_experiment_in_a_copy_takes_no_replicate_from_the_workspace(
    untrained: Repository,
) -> None:
    untrained.change_params(num_epochs=2)
    untrained.run("dvc", "repro")
    untrained.run("git", "add", "-A")
    untrained.run("git", "commit", "-qm", "results")
    client = client_of(untrained)
    before = champions(client)
    untrained.run("dvc", "exp", "run", "--temp", "-n", "one-seed", "-S", "seeds=[0]")
    networks = [run for run in runs_of(client) if run.info.run_name == "slow"]
    assert {run.data.params["seeds"] for run in networks} == {"[0, 1]", "[0]"}
    replicates = [run for run in runs_of(client) if run.info.run_name == "slow seed 0"]
    (of_both,) = [run for run in networks if run.data.params["seeds"] == "[0, 1]"]
    assert [run.data.tags["mlflow.parentRunId"] for run in replicates] == [of_both.info.run_id]
    assert champions(client) == before


@pytest.mark.slow
def test_queued_experiments_share_the_store_and_one_that_fails_is_seen(
    untrained: Repository,
) -> None:
    untrained.change_params(num_epochs=2)
    untrained.run("git", "commit", "-qam", "a short training")
    untrained.run("dvc", "exp", "run", "--queue", "-S", "dropout_prob=0.1,0.3,0.7")
    untrained.run("dvc", "exp", "run", "--queue", "-n", "wrong", "-S", "dropout_prob=1.5")
    untrained.run("dvc", "exp", "run", "--queue", "-n", "diverging", "-S", "learning_rate=1e30")
    status = run_queue(untrained, jobs=2)
    assert status.count("Success") == 3
    failed_ones = {line.split()[1] for line in status.splitlines() if "Failed" in line}
    assert failed_ones == {"diverging", "wrong"}
    logs = "\n".join(path.read_text() for path in untrained.path.glob(".dvc/tmp/exps/**/*.out"))
    assert "database is locked" not in logs
    assert "MLflow cannot be told" not in logs
    client = client_of(untrained)
    runs = runs_of(client)
    for prob in ("0.1", "0.3", "0.7"):
        found = [run for run in runs if run.data.params.get("dropout_prob") == prob]
        finished = [run for run in found if run.info.status == "FINISHED"]
        names = sorted(str(run.info.run_name) for run in finished)
        assert names == ["slow", "slow seed 0", "slow seed 1"]
        assert len({run.data.tags["dvc.experiment"] for run in finished}) == 1
    assert len({run.data.tags["fashionbench.key"] for run in runs}) == len(runs)
    failed = {run.data.tags["dvc.experiment"]: run for run in runs if run.info.status == "FAILED"}
    assert "dropout_prob" in failed["wrong"].data.tags["fashionbench.failure"]
    assert "not a finite number" in failed["diverging"].data.tags["fashionbench.failure"]
