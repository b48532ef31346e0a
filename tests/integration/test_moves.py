"""A project that was moved, cleaned up, or shown around in MLflow keeps or regains everything."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image
from repositories import AS_MORTALS, MLFLOW_RUN, Repository, stages_of
from stores import by_name, champions, client_of, contents, runs_of

LOAD = "import mlflow; mlflow.pyfunc.load_model('models:/fashionbench@champion')"
PREDICT = ("python", "-m", "fashionbench", "predict", "--network", "n9_ninth")


def picture(folder: Path) -> Path:
    """Draw an article on white."""
    image = Image.new("L", (200, 300), 250)
    image.paste(30, (60, 50, 140, 250))
    image.save(folder / "article.png")
    return folder / "article.png"


def mortal() -> tuple[str, ...]:
    """Return how to begin a command that permissions hold for, also if root begins it."""
    done = subprocess.run([*AS_MORTALS, "true"], capture_output=True, check=False)
    return () if done.returncode else AS_MORTALS


def listing(folder: Path) -> dict[str, int]:
    """Return all files of a repository but git's, with the times of their last changes."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and ".git" not in path.parts and "__pycache__" not in path.parts
    }


@pytest.mark.slow(minutes=2)
def test_a_project_that_was_moved_finds_its_models_and_its_runs(
    finished: Repository, tmp_path: Path
) -> None:
    shutil.copytree(finished.path, tmp_path / "old", symlinks=True)
    before = contents(client_of(finished))
    (tmp_path / "old").rename(tmp_path / "nëw place")
    moved = Repository(tmp_path / "nëw place")
    image = picture(tmp_path)
    # Before anything has told the store, without the right to write, from a folder further down.
    files = listing(moved.path)
    below = Repository(moved.path / "src", {"PYTHONPATH": "."})
    subprocess.run(["chmod", "-R", "a-w", str(moved.path)], check=True)
    said = below.run(*mortal(), *PREDICT, os.path.relpath(image, below.path))
    subprocess.run(["chmod", "-R", "u+w", str(moved.path)], check=True)
    assert f"{os.path.relpath(image, below.path)}: " in said.stdout
    assert "cropped to 80 x 200" in said.stdout
    assert listing(moved.path) == files

    assert stages_of(moved.run("dvc", "repro").stdout) == {"mirror"}
    client = client_of(moved)
    assert contents(client) == before
    assert {run.info.artifact_uri.partition("/mlartifacts")[0] for run in runs_of(client)} == {
        moved.path.as_uri()
    }
    moved.run("python", "-c", LOAD)


@pytest.mark.slow
def test_files_that_were_cleaned_away_come_back(copied: Repository) -> None:
    client, before = client_of(copied), contents(client_of(copied))
    shutil.rmtree(copied.path / "mlartifacts")
    copied.run("dvc", "repro")
    damaged = next((copied.path / "mlartifacts/models").rglob("*.safetensors"))
    damaged.write_bytes(damaged.read_bytes()[:1000])
    copied.run("dvc", "repro")
    assert {name: run["files"] for name, run in contents(client).items() if "files" in run} == {
        name: run["files"] for name, run in before.items() if "files" in run
    }
    assert champions(client) == before["champions"]
    copied.run("python", "-c", LOAD)


@pytest.mark.slow
@pytest.mark.tries("fashionbench mirror")
def test_missing_files_of_the_project_are_no_failure_of_mlflow(copied: Repository) -> None:
    for name in ("models/n2_mlp/seed_0.safetensors", "metrics/figures/accuracy.svg"):
        path = copied.path / name
        content = path.read_bytes()
        path.unlink()
        done = copied.run("fashionbench", "mirror", check=False)
        path.write_bytes(content)
        assert done.returncode == 1
        assert f"error: {name}: No such file or directory" in done.stderr
        assert "cannot log" not in done.stderr


@pytest.mark.slow
def test_what_was_deleted_or_renamed_in_mlflow_is_restored_or_kept(copied: Repository) -> None:
    client, before = client_of(copied), contents(client_of(copied))
    experiment = client.get_experiment_by_name("fashionbench")
    assert experiment
    client.delete_registered_model("fashionbench-n2_mlp")
    version = client.get_model_version_by_alias("fashionbench-n9_ninth", "champion")
    client.delete_model_version(version.name, version.version)
    runs = by_name(client)
    mine = runs["n2_mlp seed 0"].info.run_id
    client.update_run(mine, name="my favourite")
    client.set_tag(mine, "mine", "yes")
    client.set_tag(mine, "mlflow.note.content", "what I think")
    client.delete_tag(mine, "fashionbench.content")
    client.delete_experiment(experiment.experiment_id)
    said = copied.run("dvc", "repro")
    assert "the experiment fashionbench had been deleted in MLflow: it is restored" in said.stderr
    assert "cannot log" not in said.stderr
    assert champions(client) == before["champions"]
    kept = client.get_run(mine)
    assert kept.info.run_name == "my favourite"
    assert kept.data.tags["mine"] == "yes"
    assert kept.data.tags["mlflow.note.content"] == "what I think"
    assert "fashionbench.content" in kept.data.tags
    assert len(runs_of(client)) == len(runs)


@pytest.mark.slow(minutes=2)
def test_any_name_of_a_folder_will_do_for_mlflow_run(finished: Repository, tmp_path: Path) -> None:
    odd = finished.copy(tmp_path / "ä b%20c#d")
    odd.run(*MLFLOW_RUN, "-P", "stages=mirror")
    # MLflow itself makes an empty folder of the quoted name.
    assert {path.parent for path in tmp_path.glob("*/*")} == {odd.path}
    client = client_of(odd)
    assert len(runs_of(client)) == len(runs_of(client_of(finished))) + 1
