"""The repository is found from any folder in it, and elsewhere nothing is touched."""

from pathlib import Path

import pytest

from fashionbench import cli
from fashionbench.errors import ConfigError
from fashionbench.repository import find_repository


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """Make a folder that looks like a repository."""
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / "top" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "top" / name).touch()
    return tmp_path / "top"


def test_it_is_the_nearest_folder_above(top: Path) -> None:
    below = top / "metrics/networks"
    below.mkdir(parents=True)
    # One of the two files is not enough.
    (below / "params.yaml").touch()
    assert find_repository(top) == find_repository(below) == top


def test_elsewhere_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"is not inside a fashionbench repository: .*cd into one"
    ):
        find_repository(tmp_path)


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
    assert line.startswith(
        f"fashionbench: error: {tmp_path} is not inside a fashionbench repository"
    )
    assert list(tmp_path.iterdir()) == []
    assert Path.cwd() == tmp_path
