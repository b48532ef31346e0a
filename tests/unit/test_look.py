"""What the commands table, verdicts and page show of the project and of its studies."""

from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from repositories import PROJECT, Repository
from write_studies import studies

from fashionbench import cli
from fashionbench.claims.verdicts import read_verdicts
from fashionbench.commands import look
from fashionbench.studies.records import RECORD_FILE, read_record

FOLDERS = [PROJECT, *(one for one in studies(PROJECT) if (one / RECORD_FILE).exists())]


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def folder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in the project or in the folder of a study, with the committed results."""
    here = Path(request.param)
    monkeypatch.chdir(here)
    return here


def numbers_of(folder: Path) -> list[str]:
    """Return the numbers of the report's claims, or of a study's own ones, if it has any."""
    if not (folder / RECORD_FILE).exists():
        return [claim.claim for claim in next(iter(read_verdicts().values())).claims]
    first = next(iter(read_record().arms.values()))
    own = [first.claims, *first.transferred.values()]
    numbers = [claim.claim for arm in own for claim in arm.claims]
    return numbers or [claim.claim for claim in first.report[0].claims]


def test_verdicts_are_those_of_the_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verdicts"]) == 0
    said = capsys.readouterr().out
    for number in numbers_of(folder):
        assert f"\n{number}. " in said
    shown = (folder / "metrics/report.html").relative_to(PROJECT)
    assert f"Effects, intervals and figures: {shown}\n" in said
    assert cli.main(["verdicts", "--markdown"]) == 0
    assert capsys.readouterr().out.startswith("|  | Claim | With ")


def test_the_table_says_where_to_look(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["table"]) == 0
    said = capsys.readouterr().out
    assert f"figures: {(folder / 'metrics/report.html').relative_to(PROJECT)}\n" in said
    assert cli.main(["page"]) == 0
    assert capsys.readouterr().out == f"{folder / 'metrics/report.html'}\n"


@pytest.mark.tries("fashionbench page --rev NAME")
def test_another_revision_is_read_and_one_without_results_is_named() -> None:
    # In a process of its own: DVC leaves files open.
    command = partial(Repository(FOLDERS[-1]).run, "fashionbench")
    said = command("table", "--rev", "HEAD", "HEAD").stdout
    assert said == "No network has other scores than in HEAD\n"
    said = command("table", "--rev", "HEAD").stdout
    assert "figures: fashionbench page --rev HEAD\n" in said
    for name in ("table", "verdicts", "page"):
        done = command(name, "--rev", "no/such", check=False)
        assert done.returncode == 1
        assert "error: 'no/such' has no metrics/" in done.stderr


@pytest.mark.tries("fashionbench table --rev HEAD NAME...")
def test_of_several_revisions_what_differs_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def scores(*test: float) -> pd.DataFrame:
        return pd.DataFrame({"val": [0.8] * len(test), "test": test})

    made = {
        "HEAD": {"same": scores(0.5, 0.5), "swept": scores(0.5, 0.6)},
        "wide": {"same": scores(0.5, 0.5), "swept": scores(0.6, 0.8), "new": scores(0.25)},
    }
    monkeypatch.setattr(look, "_scores", made.__getitem__)
    assert cli.main(["table", "--markdown", "--rev", "HEAD", "wide"]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "| swept | HEAD | 80.00 | 55.00 |",
        "| swept | wide | 80.00 (+0.00 [0.00, 0.00]) | 70.00 (+15.00 [-48.53, 78.53]) |",
        "| new | wide | 80.00 | 25.00 |",
    ]
    assert cli.main(["table", "--rev", "HEAD", "wide"]) == 0
    assert "the difference from HEAD" in capsys.readouterr().out
