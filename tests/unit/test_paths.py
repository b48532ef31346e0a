"""Paths: the project's own, and those of a study below it."""

from pathlib import Path

import pytest

from fashionbench import paths


def test_a_study_has_results_of_its_own_and_the_images_of_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    folder = tmp_path / "studies/dropout"
    folder.mkdir(parents=True)
    found = []
    for place in (tmp_path, folder):
        monkeypatch.chdir(place)
        found.append(
            [
                paths.study(),
                paths.in_workspace(),
                paths.split_file("val").absolute().resolve(),
                paths.checkpoints_folder(),
                paths.network_table("n1", "curves").absolute(),
            ]
        )
    shared = [True, tmp_path / "data/prepared/val.safetensors", tmp_path / "checkpoints"]
    assert found == [
        [None, *shared, tmp_path / "metrics/networks/n1/curves.csv"],
        ["dropout", *shared, folder / "metrics/networks/n1/curves.csv"],
    ]


def test_a_copy_that_dvc_makes_is_not_the_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy/studies/dropout"
    copy.mkdir(parents=True)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    for place in (tmp_path / "copy", copy):
        monkeypatch.chdir(place)
        assert not paths.in_workspace()
        assert paths.checkpoints_folder() == tmp_path / "checkpoints"
