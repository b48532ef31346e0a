"""The command ``fashionbench judge``: judges the runs of any project by declared claims.

Claims are about metrics by their names, such as ``{value: f1, of: forest, minus: tree, above: 0}``.
"""

import os
import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pandas as pd

from fashionbench.analysis.results import Results
from fashionbench.analysis.statistics import estimate
from fashionbench.claims import words
from fashionbench.claims.judging import judge as judge_claims
from fashionbench.claims.language import Points, read_declared
from fashionbench.claims.quantities import Labels, make_claims, named
from fashionbench.errors import ConfigError, DataError
from fashionbench.files import replace_file
from fashionbench.messages import did_you_mean
from fashionbench.page.templating import template
from fashionbench.terminal import open_console, print_table

_PAGE = 1000
_EXPERIMENT = re.compile(r"/?experiments/(\d+)")


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
    read = _of_csv if runs.endswith(".csv") else _of_mlflow
    table = _checked(read(runs, model, seed), runs, model, seed)
    metrics = [str(name) for name in table.columns if pd.api.types.is_numeric_dtype(table[name])]
    metrics = [name for name in metrics if name not in ("seed", "model")]
    scores = {str(name): rows.assign(split="val") for name, rows in table.groupby("model")}

    def find(points: Points) -> Labels:
        for name in points.names:
            if name not in scores:
                raise ConfigError(f"there are no runs of {name}{did_you_mean(name, scores)}")
        return named(points)

    declared = read_declared(claims, metrics)
    results = Results(curves={}, scores=scores, weights={})
    arm = judge_claims(make_claims(declared, claims, find), results)
    used = [*dict.fromkeys(one.value for claim in declared for one in claim.conditions)]
    rows = [(name, *_cells(of_model, used)) for name, of_model in scores.items()]
    headings = ("Model", "Runs", *used)
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


def _of_csv(path: str, model: str, seed: str) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); name a CSV file of runs") from error
    for name, option in ((model, "model"), (seed, "seed")):
        if name not in table:
            raise DataError(
                f"{path} has no column {name}{did_you_mean(name, map(str, table.columns))}; "
                f"--{option} names it"
            )
    return table.rename(columns={model: "model", seed: "seed"})


def _of_mlflow(runs: str, model: str, seed: str) -> pd.DataFrame:
    """Return the finished runs of an experiment that have a model and a seed."""
    # Imported here: MLflow takes seconds.
    from fashionbench.tracking.store import store_to_read

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
    finished = partial(
        client.search_runs,
        [found.experiment_id],
        "attributes.status = 'FINISHED'",
        max_results=_PAGE,
    )
    page = finished()
    of_runs = [*page]
    while page.token:
        page = finished(page_token=page.token)
        of_runs += page
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
    """Return runs with whole numbers as seeds, if all are; DataError for none, or for doubles."""
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
    return table.assign(model=table["model"].astype(str), seed=seeds)
