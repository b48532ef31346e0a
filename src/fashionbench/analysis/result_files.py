"""Files of the results: their names, and how to read them from the workspace or a revision."""

from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from fashionbench.errors import DataError
from fashionbench.paths import METRICS_DIR, study, study_folder

COMPARISON_FILE = METRICS_DIR / "comparison.csv"
SUMMARY_FILE = METRICS_DIR / "summary.json"
MEAN_CURVES_DIR = METRICS_DIR / "curves"
FIGURES_DIR = METRICS_DIR / "figures"
CLAIMS_FILE = METRICS_DIR / "claims.json"
DUPLICATES_FILE = METRICS_DIR / "duplicates.json"
CALIBRATION_FILE = METRICS_DIR / "calibration.csv"
ROBUSTNESS_FILE = METRICS_DIR / "robustness.csv"
PAIRS_FILE = METRICS_DIR / "pairs.csv"
EXPLANATIONS_FILE = METRICS_DIR / "explanations.json"
PAGE_FILE = METRICS_DIR / "report.html"
LOCK_FILE = Path("dvc.lock")

KINDS = ("loss", "accuracy")
"""The two kinds of scores, as columns of tables and as folders of MEAN_CURVES_DIR."""


T = TypeVar("T")


def read_result(path: Path, rev: str | None = None) -> str:
    """Return the text of a file of results.

    Without ``rev`` it is that of the workspace, else what git or DVC has of that commit, branch or
    experiment. Raises DataError if there is none.
    """
    if rev is None:
        try:
            return path.read_text(encoding="utf-8")
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror}); run {_remedy()}") from error
    # Imported here: it takes a second, and only this form of the commands needs it.
    import dvc.api
    from dvc.exceptions import DvcException
    from scmrepo.exceptions import SCMError

    try:
        return str(dvc.api.read((study_folder() / path).as_posix(), rev=rev))
    except (DvcException, SCMError, OSError) as error:
        raise DataError(
            f"{rev!r} has no {path} ({error}); dvc exp list names the experiments"
        ) from error


def _remedy() -> str:
    here = study()
    return f"make study NAME={here}" if here else "dvc repro"


def parse_result(adapter: TypeAdapter[T], text: str, path: Path) -> T:
    """Parse the JSON text of a file of results; DataError if it does not fit the type."""
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(
            f"{path} is not as this version writes it ({place}: {first['msg']}); run {_remedy()}"
        ) from error
