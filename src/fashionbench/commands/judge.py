"""The command ``fashionbench judge``: judges the runs of any project by declared claims.

Claims are about metrics by their names, such as ``{value: f1, of: forest, minus: tree, above: 0}``.
"""

import os
import re
import sys
from collections.abc import Iterator, Sequence, Set
from pathlib import Path

import numpy as np
import pandas as pd

from fashionbench.analysis.results import Results
from fashionbench.analysis.statistics import estimate
from fashionbench.claims import words
from fashionbench.claims.judging import judge as judge_claims
from fashionbench.claims.language import (
    DeclaredClaim,
    DeclaredCondition,
    Points,
    read_declared,
)
from fashionbench.claims.quantities import Labels, make_claims, named
from fashionbench.errors import ConfigError, DataError
from fashionbench.files import replace_file
from fashionbench.messages import did_you_mean
from fashionbench.page.templating import template
from fashionbench.terminal import open_console, print_table
from fashionbench.tracking.address import without_password

_EXPERIMENT = re.compile(r"/?experiments/(\d+)")
_LARGEST = 1e308
"""What MLflow's databases hold in place of an infinite number."""
_MISSING = ("", "NA", "N/A", "nan", "NaN", "null", "None")
"""What stands in a CSV file in place of a number that is not there."""
_SMALLEST = 1e-4
"""Largest value of a metric below which nine decimal places are too few to compare it."""
_COMMON, _FEWEST = 0.8, 3
"""Share and number of the seeds that all models need to have for the others to be left out."""


def judge(
    claims: Path,
    runs: str,
    model: str = "model",
    seed: str = "seed",
    *,
    page: Path | None = None,
    markdown: bool = False,
) -> None:
    """Print a table of runs and the verdicts on claims about them, and write an offline page.

    ``runs`` is a CSV file, or an MLflow experiment: ``ADDRESS#NAME``, the address of its page, or a
    name in MLFLOW_TRACKING_URI. ``model`` and ``seed`` name the columns, parameters or tags by
    which runs are grouped and paired. Raises ConfigError, DataError or StoreError.
    """
    if not claims.is_file():
        raise DataError(f"{claims} is not a file; name claims in YAML")
    if page and page.is_dir():
        raise ConfigError(f"--page = {page}: is a folder; name a file")
    if model == seed:
        raise ConfigError(f"--model and --seed are both {model}; a run needs one of each")
    read = _of_csv if _is_file(runs) else _of_mlflow
    found, runs = read(runs, model, seed), without_password(runs)
    table = _checked(found, runs, model, seed)
    metrics = [str(name) for name in table.columns if name not in ("seed", "model")]
    declared = [_as_own(claim, claims) for claim in read_declared(claims, metrics)]
    used = [*dict.fromkeys(one.value for claim in declared for one in claim.conditions)]
    judged = {name for claim in declared for one in claim.conditions for name in _models(one)}
    table = table.rename(columns={name: _own(name) for name in metrics})
    table = _comparable(table, used, judged, runs)
    scores = {str(name): rows.assign(split="val") for name, rows in table.groupby("model")}

    def find(points: Points) -> Labels:
        for name in points.names:
            if name not in scores:
                raise ConfigError(f"there are no runs of {name}{did_you_mean(name, scores)}")
        return named(points)

    for claim in declared:
        find(Points(names=claim.about))
    results = Results(curves={}, scores=scores, weights={})
    arm = judge_claims(make_claims(declared, claims, find), results)
    rows = [(name, *_cells(of_model, used)) for name, of_model in scores.items()]
    names = {_own(name): name for name in metrics}
    headings = ("Model", "Runs", *(names[name] for name in used))
    if not markdown:
        print_table(open_console(), headings, rows, title="Mean and 95% interval over seeds")
        sys.stdout.write("\n")
    words.print_verdicts({"these runs": arm}, markdown=markdown)
    if page:
        made = template("judged.html.jinja").render(
            arm=arm, runs=runs, headings=headings, rows=rows
        )
        replace_file(page, made.encode())
        sys.stdout.write(f"Effects and intervals: {page.resolve()}\n")


def _cells(runs: pd.DataFrame, metrics: list[str]) -> Iterator[str]:
    yield str(len(runs))
    for metric in metrics:
        values = runs[metric].dropna().tolist()
        if not values:
            yield ""
            continue
        found = estimate(values)
        interval = f" [{found.low:.4f}, {found.high:.4f}]" if found.n > 1 else ""
        yield f"{found.mean:.4f}{interval}"


def _is_file(runs: str) -> bool:
    return runs.lower().endswith(".csv") or ("#" not in runs and Path(runs).exists())


def _own(metric: str) -> str:
    """Return a name for another project's metric that cannot be confused with ours.

    Ours have units and images, and names that begin like ``accuracy Shirt`` are about classes.
    """
    return f"metric {metric}".replace("accuracy ", "accuracy\N{NO-BREAK SPACE}")


def _as_own(claim: DeclaredClaim, claims: Path) -> DeclaredClaim:
    """Return a claim about the metrics of another project. Raises ConfigError."""
    conditions = []
    for one in claim.conditions:
        if one.loss or one.split or one.quantity.needs:
            raise ConfigError(
                f"{claims}: claim {claim.number}: loss, split and epochs are those of this "
                "project's networks; leave them out"
            )
        conditions.append(one.model_copy(update={"value": _own(one.value)}))
    return claim.model_copy(update={"conditions": tuple(conditions)})


def _models(condition: DeclaredCondition) -> Iterator[str]:
    for points in (condition.of, condition.minus):
        if isinstance(points, Points):
            yield from points.names


def _comparable(
    table: pd.DataFrame, used: Sequence[str], judged: Set[str], runs: str
) -> pd.DataFrame:
    """Return the runs that have all metrics that are ``used``, in pairs of seeds if nearly all are.

    The pairs are those of the models that are ``judged``. What is left out is told. Raises
    DataError for values that cannot be compared.
    """
    for metric in used:
        numbers = pd.to_numeric(table[metric], errors="coerce")
        is_wrong = (numbers.isna() & table[metric].notna()) | (numbers.abs() >= _LARGEST)
        if is_wrong.any():
            first = table[is_wrong].iloc[0]
            raise DataError(
                f"{runs}: {metric} of {first['model']} with seed {first['seed']} is "
                f"{first[metric]} and no finite number; correct it, or leave the run out"
            )
        table = table.assign(**{metric: numbers})
        if 0 < numbers.abs().max() < _SMALLEST:
            raise DataError(
                f"{runs}: {metric} is below {_SMALLEST} in all runs, and nine decimal places are "
                "compared; multiply it by a power of ten, in the claims as well"
            )
    whole = table.dropna(subset=used)
    seeds = [set(rows["seed"]) for name, rows in whole.groupby("model") if name in judged]
    everything, common = set().union(*seeds), set(whole["seed"]).intersection(*seeds)
    if len(common) >= max(_FEWEST, _COMMON * len(everything)):
        whole = whole[whole["seed"].isin(common)]
    if left_out := len(table) - len(whole):
        sys.stderr.write(
            f"{left_out} of {len(table)} runs are left out: they, or others with their seed, lack "
            "what is judged\n"
        )
    return whole


def _of_csv(path: str, model: str, seed: str) -> pd.DataFrame:
    try:
        # As text: "None" may be the name of a model.
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); name a CSV file of runs") from error
    for name, option in ((model, "model"), (seed, "seed")):
        if name not in table:
            raise DataError(
                f"{path} has no column {name}{did_you_mean(name, map(str, table.columns))}; "
                f"--{option} names it"
            )
    for name in (model, seed):
        if (blank := table[name].str.strip() == "").any():
            line = int(np.flatnonzero(blank)[0]) + 2
            raise DataError(f"{path}, line {line}: {name} is empty; give the run one")
    metrics = table.columns.difference([model, seed])
    table[metrics] = table[metrics].replace(dict.fromkeys(_MISSING, None))
    others = {"model", "seed"} - {model, seed}
    return table.drop(columns=[*(others & {*table})]).rename(columns={model: "model", seed: "seed"})


def _of_mlflow(runs: str, model: str, seed: str) -> pd.DataFrame:
    """Return the finished runs of an experiment that have a model and a seed."""
    # Imported here: MLflow takes seconds.
    import mlflow

    from fashionbench.tracking.store import store_calls, store_to_read

    address, _, name = runs.rpartition("#")
    if address:
        os.environ["MLFLOW_TRACKING_URI"] = address.removesuffix("/")
    client = store_to_read()
    by_id = _EXPERIMENT.match(name)
    found = client.get_experiment(by_id[1]) if by_id else client.get_experiment_by_name(name)
    if found is None:
        known = [one.name for one in client.search_experiments()]
        raise DataError(
            f"MLflow has no experiment {name}{did_you_mean(name, known)}; name it as ADDRESS#NAME"
        )
    with store_calls():
        of_runs = mlflow.search_runs(
            [found.experiment_id], "attributes.status = 'FINISHED'", output_format="list"
        )
    names = [{**run.data.tags, **run.data.params} for run in of_runs]
    rows = [
        {**run.data.metrics, "model": known[model], "seed": known[seed]}
        for run, known in zip(of_runs, names, strict=True)
        if model in known and seed in known
    ]
    if len(rows) < len(of_runs):
        left_out = len(of_runs) - len(rows)
        sys.stderr.write(f"{left_out} of {len(of_runs)} runs lack {model} or {seed}\n")
    return pd.DataFrame(rows)


def _checked(table: pd.DataFrame, runs: str, model: str, seed: str) -> pd.DataFrame:
    """Return runs in order, with numbers as seeds, if all are; DataError for none, or for doubles.

    What takes samples of runs takes them by their places.
    """
    if table.empty:
        raise DataError(
            f"{runs} has no runs with {model} and {seed}; --model and --seed name a column, a "
            "parameter or a tag"
        )
    doubles = table[table.duplicated(["model", "seed"])]
    if len(doubles):
        first = doubles.iloc[0]
        raise DataError(
            f"{runs} has several runs of {first['model']} with {seed} {first['seed']}; --seed "
            "names what tells them apart"
        )
    numbers = pd.to_numeric(table["seed"], errors="coerce")
    seeds = table["seed"].astype(str) if numbers.isna().any() else numbers
    ordered = table.assign(model=table["model"].astype(str), seed=seeds)
    return ordered.sort_values(["model", "seed"], ignore_index=True)
