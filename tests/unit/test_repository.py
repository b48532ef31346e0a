"""The repository is found from any folder in it, and elsewhere nothing is touched."""

from pathlib import Path

import pytest

from fashionbench import cli
from fashionbench.repository import find_repository


def test_it_is_the_nearest_folder_above(tmp_path: Path) -> None:
    below = tmp_path / "metrics/networks"
    below.mkdir(parents=True)
    # One of the two files is not enough.
    for path in (tmp_path / "dvc.yaml", tmp_path / "params.yaml", below / "params.yaml"):
        path.touch()
    assert find_repository(tmp_path) == find_repository(below) == tmp_path


@pytest.mark.parametrize(
    "command",
    [["predict", "boot.png"], ["table"], ["verdicts"], ["mirror"], ["train", "n1"], ["verify"]],
)
def test_a_command_in_the_wrong_folder_leaves_nothing_there(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(command) == 1
    (line,) = capsys.readouterr().err.splitlines()
    said = f"fashionbench: error: {tmp_path} is not inside a fashionbench repository: "
    assert line.startswith(said)
    assert "cd into one" in line
    assert list(tmp_path.iterdir()) == []
    assert Path.cwd() == tmp_path
