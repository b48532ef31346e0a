"""What the project's page shows of each study: a copy in git, apart from the study's own outputs.

A stage of the project that depended on an output of a study would make ``dvc repro`` run the study
first. So a study's last stage copies what is shown to ``metrics/studies/<name>``, which is no
output of any stage.
"""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fashionbench.analysis.calibration_and_robustness import TrustTables
from fashionbench.analysis.result_files import COMPARISON_FILE, FIGURES_DIR, PAGE_FILE, PAIRS_FILE
from fashionbench.analysis.results import Results
from fashionbench.analysis.statistics import rounded
from fashionbench.claims.language import in_order
from fashionbench.claims.quantities import Claim, load_claims
from fashionbench.claims.verdicts import ArmRecord, VerdictRecord
from fashionbench.errors import DataError
from fashionbench.files import replace_file
from fashionbench.params import Params
from fashionbench.paths import (
    METRICS_DIR,
    in_workspace,
    network_table,
    project_folder,
    study,
    study_folder,
)
from fashionbench.pipeline.dependencies import Dependencies, digest, replicate_key
from fashionbench.studies.records import RECORD_FILE, StudyRecord, read_record, summarise
from fashionbench.tables import read_table, write_table

PUBLISHED_DIR = METRICS_DIR / "studies"
COUNTERPART = "logits"
"""The study that trains the project's networks with the textbook's loss."""

_IDENTITY = Path("identity.json")
_TABLES = ("curves", "scores", "calibration")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Published:
    """A study as the page shows it; ``figures`` are SVG by name."""

    name: str
    record: StudyRecord
    figures: Mapping[str, str]


@dataclass(frozen=True)
class Counterpart:
    """The project's networks with the textbook's loss, and what was made of their results."""

    results: Results
    trust: TrustTables
    comparison: pd.DataFrame
    pairs: pd.DataFrame
    record: ArmRecord


def publish(params: Params) -> None:
    """Copy what the page shows of the study in the current folder; its old copy goes.

    ``params`` are the study's. Raises DataError if a result is missing.
    """
    here, record = study(), read_record()
    if here is None:
        raise DataError("this is not the folder of a study; run make study NAME=...")
    folder = project_folder() / PUBLISHED_DIR / here
    for old in folder.glob("*"):
        old.unlink()
    for figure in record.figures:
        name = f"{figure.name}.svg"
        replace_file(folder / name, (FIGURES_DIR / name).read_bytes())
    if here == COUNTERPART:
        for table in _TABLES:
            rows = {name: read_table(network_table(name, table)) for name in params.networks}
            whole = pd.concat(rows, names=["network"]).reset_index(level=0)
            write_table(whole, folder / f"{table}.csv")
        for file in (COMPARISON_FILE, PAIRS_FILE):
            replace_file(folder / file.name, file.read_bytes())
        identity = json.dumps(identities(params, params.networks), indent=1)
        replace_file(folder / _IDENTITY, f"{identity}\n".encode())
    # Last: a folder without it counts as no study.
    replace_file(folder / RECORD_FILE.name, RECORD_FILE.read_bytes())
    _log.info(f"{record.title}: {summarise(record)}; see {study_folder() / PAGE_FILE}")


def read_published() -> list[Published]:
    """Read all studies that have been published: those with claims last, by their numbers."""
    found = []
    for path in sorted(PUBLISHED_DIR.glob(f"*/{RECORD_FILE.name}")):
        record = read_record(path)
        figures = {
            figure.name: (path.parent / f"{figure.name}.svg").read_text(encoding="utf-8")
            for figure in record.figures
        }
        found.append(Published(path.parent.name, record, figures))
    return sorted(found, key=lambda one: [*map(in_order, one.record.claims)])


def read_counterpart(params: Params) -> Counterpart | None:
    """Read the study of the textbook's loss, if it has the seeds, code and data of a run.

    ``params`` are those of the run, which may have networks that the study lacks. Logs what is
    different, and the remedy; not in an experiment, which no study was made for.
    """
    folder = PUBLISHED_DIR / COUNTERPART
    difference = _difference(folder, params)
    if difference:
        if in_workspace():
            _log.warning(
                f"the page shows no results with logits: the study {COUNTERPART} does not match "
                f"({difference}); make study NAME={COUNTERPART} renews it"
            )
        return None
    labels = {_name(network): network for network in params.networks}
    curves, scores, calibration = (_by_network(folder, table, labels) for table in _TABLES)
    comparison = read_table(folder / COMPARISON_FILE.name)
    return Counterpart(
        results=Results(curves=curves, scores=scores, weights={}, loss_input="logits"),
        trust=TrustTables(calibration=calibration),
        comparison=comparison.assign(network=comparison["network"].map(labels)),
        pairs=read_table(folder / PAIRS_FILE.name),
        record=read_record(folder / RECORD_FILE.name).arms["logits"].report[0],
    )


def _by_network(folder: Path, table: str, labels: Mapping[str, str]) -> dict[str, pd.DataFrame]:
    """Return a table of all networks by the names that they have in the project."""
    whole = read_table(folder / f"{table}.csv")
    return {
        labels[str(name)]: rows.drop(columns="network").reset_index(drop=True)
        for name, rows in whole.groupby("network", sort=False)
    }


def identities(params: Params, networks: Iterable[str]) -> dict[str, str]:
    """Return by network a digest of all that determines its replicates: code and data as well."""
    found: dict[str, str] = {}
    dependencies = Dependencies.of("train", next(iter(params.networks)))
    for name in networks:
        own = params.of(name)
        network, hyperparameters = own.network(name), own.hyperparameters
        found[name] = digest(
            [replicate_key(network, hyperparameters, seed, dependencies) for seed in own.seeds]
        )
    return found


def _difference(folder: Path, params: Params) -> str:
    """Describe the first difference between the published study and a run besides the loss."""
    if not (folder / RECORD_FILE.name).exists():
        return "it has not been run"
    on_logits = params.model_copy(update={"loss_input": "logits"})
    recorded = json.loads((folder / _IDENTITY).read_text(encoding="utf-8"))
    shared = [name for name in params.networks if _name(name) in recorded]
    if len(shared) < len(recorded):
        return "it has other networks"
    for name, identity in identities(on_logits, shared).items():
        if recorded[_name(name)] != identity:
            return f"{name} was trained there with other parameters, seeds, code or data"
    judged = read_record(folder / RECORD_FILE.name).arms["logits"].report[0]
    claims = load_claims()
    if len(judged.claims) != len(claims) or not all(map(_judges, judged.claims, claims)):
        return "it was judged by other claims"
    return ""


def _judges(verdict: VerdictRecord, claim: Claim) -> bool:
    """Tell whether a verdict is on a claim as it is declared now."""
    judged, declared = (
        [(condition.quantity, rounded(condition.margin)) for condition in of.conditions]
        for of in (verdict, claim)
    )
    # A verdict that is not applicable is without conditions.
    return verdict.words == claim.words and judged in ([], declared)


def _name(network: str) -> str:
    """Return the name that a network of the project has in the study."""
    return f"{network}_{COUNTERPART}"
