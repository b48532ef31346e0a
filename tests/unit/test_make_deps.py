"""``make deps``: a mistake in a file ends it with one line that names the file."""

import sys
from pathlib import Path

import pytest
from repositories import Repository, copy_files

LOSSES = "src/fashionbench/training/losses.py"
STUDY = "studies/logits/study.yaml"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Copy what make deps reads, and let git know it."""
    copy_files(tmp_path, "claims.yaml", "datasets.yaml", "dvc.yaml", "params.yaml", STUDY)
    copy_files(tmp_path, "src", "tools")
    Repository(tmp_path).begin()
    return tmp_path


def make_deps(project: Path) -> tuple[str, str]:
    """Run both tools as make does, up to one that fails; return what they say."""
    said = errors = ""
    for tool in ("write_dependencies", "write_studies"):
        done = Repository(project).run(sys.executable, f"tools/{tool}.py", check=False)
        said, errors = said + done.stdout, errors + done.stderr
        if done.returncode:
            break
    return said, errors


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        (LOSSES, "import torch", "import torch as", "losses.py, line 5: invalid syntax"),
        (
            LOSSES,
            "import torch",
            "import fashionbench.training.my_los",
            "losses.py, line 5: there is no module fashionbench.training.my_los",
        ),
        ("dvc.yaml", "  check:", "  chekc:", "has no src/fashionbench/stages/chekc.py"),
        (
            STUDY,
            "seeds:",
            "seedz:",
            f"{STUDY}, line 7: seedz is not a parameter; did you mean seeds?",
        ),
        ("params.yaml", "batch_size: 64", "batch_size: 0", "params.yaml: batch_size = 0: "),
        (
            STUDY,
            "n1_mlp: {}",
            "n1_mlp: {own: {batch_size: 50001}}",
            f"{STUDY}: networks.n1_mlp_logits.own: batch_size = 50001: must be at most train_size",
        ),
    ],
)
def test_a_mistake_is_one_line(project: Path, file: str, old: str, new: str, says: str) -> None:
    path = project / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    (line,) = make_deps(project)[1].splitlines()
    assert line.startswith("make deps: ")
    assert says in line


def test_code_that_git_does_not_know_is_named(project: Path) -> None:
    make_deps(project)
    assert make_deps(project) == ("", "")
    mine = "src/fashionbench/training/my_loss.py"
    (project / mine).write_text("VALUE = 1\n")
    said, errors = make_deps(project)
    assert errors == ""
    assert said == f"git does not know {mine}, and experiments lack it: git add {mine}\n"
