"""MLflow has all of DVC's results, whether stages made them or DVC restored them."""

import shutil
from pathlib import Path
from time import monotonic

import pytest
from installed import commands_to_try
from mlflow import MlflowClient
from queues import run_queue
from repositories import CLASSES, NETWORKS, PROJECT, Repository, stages_of
from servers import SERVE, ask, serving
from stores import (
    assert_shows_what_dvc_holds,
    by_name,
    champions,
    client_of,
    contents,
    runs_of,
)

WORKSPACE = ("dvc.lock", "metrics", "models", "params.yaml")
JUDGE = ("check", "source", "download", "prepare", "compare", "report")
PICTURE = str(PROJECT / "docs/screenshots/page.png")
MOST_S = 240
"""Seconds on a loaded machine; a quiet one with two cores takes a third of that."""
TABLE = ("python", "-m", "fashionbench", "table", "--markdown")


def logged(client: MlflowClient) -> dict[str, tuple[dict[str, str], int]]:
    """Return tags and end of each run by its id, which change whenever it is logged again."""
    return {run.info.run_id: (run.data.tags, run.info.end_time) for run in runs_of(client)}


def restore_commit(repository: Repository) -> None:
    """Restore the results of the current commit, as the README says."""
    readme = (PROJECT / "README.md").read_text()
    (line,) = [line for line in readme.splitlines() if line.startswith("| go back |")]
    for command in line.split("`")[1::2]:
        repository.run(*command.split())


@pytest.mark.slow
def test_running_again_changes_nothing_and_missing_or_incomplete_runs_are_completed(
    copied: Repository,
) -> None:
    client, made = client_of(copied), copied.hashes(*WORKSPACE)
    before, runs, tags = contents(client), by_name(client), logged(client)
    assert stages_of(copied.run("dvc", "repro").stdout) == {"mirror"}
    assert copied.hashes(*WORKSPACE) == made
    assert logged(client) == tags

    client.delete_run(runs["n2_mlp seed 0"].info.run_id)
    half = runs["n9_ninth seed 1"].info.run_id
    client.delete_tag(half, "fashionbench.content")
    client.set_terminated(half, "FAILED")
    assert stages_of(copied.run("dvc", "repro").stdout) == {"mirror"}
    assert contents(client) == before
    assert by_name(client)["n9_ninth seed 1"].info.run_id == half


@pytest.mark.slow(minutes=1)
@pytest.mark.tries(
    "fashionbench mirror",
    "dvc repro -s check source download prepare compare report",
    "mlflow ui",
)
def test_a_clone_classifies_serves_answers_and_fills_mlflow_without_training_in_minutes(
    finished: Repository, tmp_path: Path
) -> None:
    """With what git has: in an empty home, without the cache of DVC and the store of MLflow."""
    (tmp_path / "home").mkdir()
    clone = Repository(tmp_path / "clone", {"HOME": str(tmp_path / "home")})
    began = monotonic()
    finished.run("git", "clone", "-q", ".", str(clone.path))
    assert "classified by " in clone.run("fashionbench", "predict", PICTURE).stdout
    said = clone.run("fashionbench", "ask", "n4_dropout - n2_mlp > 1 point").stdout
    assert "over seeds and images" in said
    assert not (clone.path / "mlflow.db").exists()
    assert "Curves: http" in clone.run("fashionbench", "mirror").stdout
    with serving(clone, "mlflow ui --workers 1", "health") as address:
        assert len(by_name(MlflowClient(address))) == 3 * len(NETWORKS) + 1
    with serving(clone, SERVE, "ping") as address:
        answer = ask(f"{address}/invocations", {"inputs": [[[0] * 28] * 28]})
        assert tuple(answer["predictions"][0]) == CLASSES
    assert monotonic() - began < MOST_S

    said = clone.run("fashionbench", "predict", "--network", NETWORKS[-1], PICTURE).stdout
    assert f"classified by {NETWORKS[-1]} seed " in said
    for path in ("metrics/comparison.csv", "metrics/report.html"):
        (clone.path / path).unlink()
    ran = stages_of(clone.run("dvc", "repro", "-s", *JUDGE).stdout)
    assert {"compare", "report"} <= ran <= {*JUDGE}
    assert clone.run("git", "status", "--porcelain").stdout == ""


@pytest.mark.slow
@pytest.mark.tries("dvc pull", "fashionbench mirror")
def test_a_clone_shows_all_scores_at_once_and_everything_once_when_it_has_pulled(
    finished: Repository, copied: Repository, tmp_path: Path
) -> None:
    copied.run("dvc", "remote", "add", "-d", "shelf", str(tmp_path / "shelf"))
    copied.run("git", "commit", "-qam", "a remote")
    copied.run("dvc", "push")
    shutil.rmtree(copied.path / ".dvc/cache")
    clone = Repository(tmp_path / "clone")
    copied.run("git", "clone", "-q", ".", str(clone.path))
    clone.run("fashionbench", "mirror")
    client, before = client_of(clone), contents(client_of(finished))
    assert contents(client) == before | {
        name: run | {"files": {}} for name, run in before.items() if " seed " in name
    }
    ids = {run.info.run_id for run in runs_of(client)}

    clone.run("dvc", "pull")
    assert stages_of(clone.run("dvc", "repro").stdout) == {"mirror"}
    assert clone.run("git", "status", "--porcelain").stdout == ""
    assert contents(client) == before
    assert {run.info.run_id for run in runs_of(client)} == ids
    assert_shows_what_dvc_holds(client, clone)

    # Running again, or running a stage, adds nothing.
    tags = logged(client)
    clone.run("dvc", "repro")
    clone.run("dvc", "repro", "-f", "-s", "evaluate@n2_mlp")
    assert contents(client) == before
    assert logged(client) == tags


@pytest.mark.slow(minutes=2)
@pytest.mark.tries(
    "dvc exp run -S dropout_prob=0.3",
    "dvc exp show --only-changed",
    "dvc exp diff",
    "dvc metrics diff",
    "dvc params diff",
    "fashionbench table --rev NAME",
    "fashionbench verdicts --rev NAME --markdown",
)
def test_an_experiment_stands_beside_and_the_mirror_follows_the_workspace(
    copied: Repository, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    first_typed, *then_typed = commands_to_try(request)
    client = client_of(copied)
    known, first = {run.info.run_id for run in runs_of(client)}, champions(client)
    said = copied.run(*first_typed.split(), "-n", "less-dropout").stdout
    # It trains nothing but what it changes.
    of_network = {f"{stage}@n4_dropout" for stage in ("train", "evaluate")}
    changed = of_network | {"check", "compare", "report", "mirror"}
    assert stages_of(said) == changed
    added = [run for run in runs_of(client) if run.info.run_id not in known]
    networks = [f"n4_dropout{seed} · dropout_prob=0.3" for seed in ("", " seed 0", " seed 1")]
    names = ["comparison · less-dropout", *sorted(networks)]
    assert sorted(str(run.info.run_name) for run in added) == names
    assert {run.data.tags["dvc.experiment"] for run in added} == {"less-dropout"}
    assert {run.data.params.get("dropout_prob") for run in added} == {None, "0.3"}
    assert_shows_what_dvc_holds(client, copied)
    other = champions(client)
    assert {name for name in first if first[name] != other[name]} >= {"fashionbench-n4_dropout"}

    assert_it_can_be_looked_at(copied, then_typed)
    restore_commit(copied)
    copied.run("dvc", "repro")
    assert champions(client) == first
    assert_shows_what_dvc_holds(client, copied)
    copied.run("dvc", "exp", "apply", "less-dropout")
    copied.run("dvc", "repro")
    assert champions(client) == other
    assert len(runs_of(client)) == len(known) + len(added)

    # A branch of it, where the store is lost though its files are still there.
    restore_commit(copied)
    copied.run("dvc", "exp", "branch", "less-dropout", "less")
    copied.run("git", "checkout", "-q", "less")
    copied.run("dvc", "checkout")
    new = copied.copy(tmp_path / "new")
    (new.path / "mlflow.db").unlink()
    assert stages_of(new.run("dvc", "repro").stdout) == {"mirror"}
    client = client_of(new)
    # There its parameters are the committed ones, after which no run is named.
    assert [run[1:] for run in champions(client).values()] == [run[1:] for run in other.values()]
    assert_shows_what_dvc_holds(client, new)
    assert len(runs_of(client)) == 3 * len(NETWORKS) + 1


def assert_it_can_be_looked_at(repository: Repository, commands: list[str]) -> None:
    """Type what the README names, with the experiment's name."""
    said = {
        command: repository.run(*command.replace("NAME", "less-dropout").split()).stdout
        for command in commands
    }
    assert "0.3" in said["dvc params diff"]
    assert "dropout_prob" in said["dvc exp diff"]
    assert "n4" in said["dvc metrics diff"]
    assert "less-dropout" in said["dvc exp show --only-changed"]
    assert "n4_dropout" in said["fashionbench table --rev NAME"]
    assert said["fashionbench verdicts --rev NAME --markdown"].startswith("|")


@pytest.mark.slow(minutes=1)
def test_an_experiment_in_a_copy_changes_nothing_of_the_workspace_and_shares_the_store(
    copied: Repository,
) -> None:
    client = client_of(copied)
    before, first = copied.hashes(*WORKSPACE), champions(client)
    known = {run.info.run_id for run in runs_of(client)}
    alone = ("seeds=[0]", "~networks.n2_mlp", "~networks.n9_ninth")
    settings = [word for setting in alone for word in ("-S", setting)]
    copied.run("dvc", "exp", "run", "--temp", "-n", "one-seed", *settings)
    assert copied.hashes(*WORKSPACE) == before
    assert champions(client) == first
    runs = runs_of(client)
    added = [run for run in runs if run.info.run_id not in known]
    names = ["comparison · one-seed", "n4_dropout · seeds=[0]"]
    assert sorted(str(run.info.run_name) for run in added) == names
    networks = {
        run.data.params["seeds"]: run
        for run in runs
        if "seeds" in run.data.params and run.data.tags["fashionbench.network"] == "n4_dropout"
    }
    assert networks.keys() == {"[0, 1]", "[0]"}
    # It takes no replicate from the workspace.
    (replicate,) = [run for run in runs if run.info.run_name == "n4_dropout seed 0"]
    assert replicate.data.tags["mlflow.parentRunId"] == networks["[0, 1]"].info.run_id

    assert "one-seed" in copied.run("dvc", "exp", "show", "--csv").stdout
    committed, other = (copied.run(*TABLE, *rev).stdout for rev in ((), ("--rev", "one-seed")))
    assert [name for name in NETWORKS if name in committed] == list(NETWORKS)
    assert [name for name in NETWORKS if name in other] == ["n4_dropout"]
    unknown = copied.run(*TABLE, "--rev", "cold", check=False)
    assert unknown.returncode == 1
    assert "'cold' has no metrics/comparison.csv" in unknown.stderr


@pytest.mark.slow(minutes=3)
@pytest.mark.tries(
    "dvc exp run --queue -S 'dropout_prob=0.1,0.3,0.5'", "dvc queue start", "dvc queue logs NAME"
)
def test_queued_experiments_share_the_store_and_one_that_fails_is_seen(
    untrained: Repository,
) -> None:
    # Trainings log as they go.
    untrained.run("dvc", "exp", "run", "--queue", "-S", "dropout_prob=0.1,0.3", "train@slow")
    untrained.run("dvc", "exp", "run", "--queue", "-n", "wrong", "-S", "dropout_prob=1.5")
    untrained.run("dvc", "exp", "run", "--queue", "-n", "diverging", "-S", "learning_rate=1e30")
    status = run_queue(untrained, jobs=2)
    assert status.count("Success") == 2
    failed_ones = {line.split()[1] for line in status.splitlines() if "Failed" in line}
    assert failed_ones == {"diverging", "wrong"}
    logged = untrained.run("dvc", "queue", "logs", "wrong").stdout
    assert "dropout_prob = 1.5: input should be less than 1" in logged
    logs = "\n".join(path.read_text() for path in untrained.path.glob(".dvc/tmp/exps/**/*.out"))
    assert "database is locked" not in logs
    assert "cannot log this stage" not in logs
    client = client_of(untrained)
    runs = runs_of(client)
    for prob in ("0.1", "0.3"):
        found = [run for run in runs if run.data.params.get("dropout_prob") == prob]
        finished = [run for run in found if run.info.status == "FINISHED"]
        names = sorted(str(run.info.run_name) for run in finished)
        slow = [f"slow{seed} · dropout_prob={prob}" for seed in ("", " seed 0", " seed 1")]
        assert names == sorted(slow)
        assert len({run.data.tags["dvc.experiment"] for run in finished}) == 1
    assert len({run.data.tags["fashionbench.key"] for run in runs}) == len(runs)
    failed = {run.data.tags["dvc.experiment"]: run for run in runs if run.info.status == "FAILED"}
    assert "dropout_prob" in failed["wrong"].data.tags["fashionbench.failure"]
    assert "not a finite number" in failed["diverging"].data.tags["fashionbench.failure"]
