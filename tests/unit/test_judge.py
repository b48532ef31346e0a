"""Runs of any project are judged: a dozen of scikit-learn in MLflow, and a CSV of them."""

from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from fashionbench import cli

CLAIMS = """\
claims:
  - number: 1
    words: Naive Bayes beats a single split by ten points
    conditions: [{value: score, of: bayes, minus: stump, above: 0.1}]
    why: Ten points.
  - number: 2
    words: A single split is right on half of the digits
    conditions: [{value: score, of: stump, above: 0.5}]
    why: Half.
"""
SEEDS = range(6)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Train a dozen models of scikit-learn."""
    images, labels = load_digits(return_X_y=True)
    rows = []
    for seed in SEEDS:
        train, test, known, wanted = train_test_split(images, labels, random_state=seed)
        for name, model in (
            ("bayes", GaussianNB()),
            ("stump", DecisionTreeClassifier(max_depth=1)),
        ):
            score = model.fit(train, known).score(test, wanted)
            rows.append({"estimator": name, "random_state": seed, "score": score})
    return pd.DataFrame(rows)


@pytest.fixture
def claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write claims in a folder that is no repository, and work there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    (tmp_path / "own.yaml").write_text(CLAIMS)
    return "own.yaml"


NAMES = ("--model", "estimator", "--seed", "random_state")


def assert_judged(said: str) -> None:
    first, second = (line for line in said.splitlines() if line[:2] in ("1.", "2."))
    assert "✓ reproduced" in first
    assert "✗ contradicted" in second


@pytest.mark.slow
@pytest.mark.tries("fashionbench judge claims.yaml sqlite:////path/mlflow.db#EXPERIMENT")
def test_an_experiment_of_another_project_is_judged(
    table: pd.DataFrame, claims: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = f"sqlite:///{tmp_path}/theirs.db"
    mlflow.set_tracking_uri(uri)
    client = MlflowClient(uri)
    experiment = client.create_experiment("digits")
    for row in table.to_dict("records"):
        run = client.create_run(experiment, tags={"estimator": row["estimator"]}).info.run_id
        client.log_param(run, "random_state", row["random_state"])
        client.log_metric(run, "score", row["score"])
        client.set_terminated(run)
    client.set_terminated(client.create_run(experiment).info.run_id)
    for name in ("digits", f"/experiments/{experiment}/runs"):
        assert cli.main(["judge", claims, f"{uri}#{name}", *NAMES]) == 0
        said = capsys.readouterr()
        assert_judged(said.out)
        assert said.err.endswith("1 of 13 runs lack estimator or random_state\n")
    assert cli.main(["judge", claims, f"{uri}#digit", *NAMES]) == 1
    assert "no experiment digit; did you mean digits?" in capsys.readouterr().err


def test_a_csv_of_runs_is_judged_and_shown_on_a_page(
    table: pd.DataFrame, claims: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table.to_csv("runs.csv", index=False)
    assert cli.main(["judge", claims, "runs.csv", *NAMES, "--page", "page.html"]) == 0
    said = capsys.readouterr().out
    assert_judged(said)
    means = table.groupby("estimator")["score"].mean()
    for name, mean in means.items():
        assert f"{name}" in said
        assert f"{mean:.4f} [" in said
    page = (tmp_path / "page.html").read_text()
    difference = means["bayes"] - means["stump"]
    assert f"<strong>{difference:.3f} [" in page
    assert "http" not in page.replace("http-equiv", "")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("score, of: bayes", "scores, of: bayes", "did you mean score?"),
        ("minus: stump", "minus: stamp", "there are no runs of stamp; did you mean stump?"),
    ],
)
def test_wrong_claims_are_named_with_their_line(
    table: pd.DataFrame,
    claims: str,
    old: str,
    new: str,
    complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    table.to_csv("runs.csv", index=False)
    Path(claims).write_text(CLAIMS.replace(old, new))
    assert cli.main(["judge", claims, "runs.csv", *NAMES]) == 1
    said = capsys.readouterr().err
    assert complaint in said
    assert f"{claims}:4" in said or f"{claims}, line 4" in said


def test_wrong_runs_are_named(
    table: pd.DataFrame, claims: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pd.concat([table, table]).to_csv("twice.csv", index=False)
    for name, changed in (("infinite", "inf"), ("text", "12,5")):
        table.astype({"score": object}).replace({"score": table["score"][3]}, changed).to_csv(
            f"{name}.csv", index=False
        )
    table.astype(str).replace({"random_state": "1"}, "").to_csv("blank.csv", index=False)
    table.assign(score=table["score"] * 1e-9).to_csv("small.csv", index=False)
    for words, complaint in (
        (("twice.csv", *NAMES), "has several runs of bayes with random_state 0; --seed names"),
        (("twice.csv",), "twice.csv has no column model; --model names it"),
        (("no.csv",), "no.csv cannot be read"),
        (("infinite.csv", *NAMES), "of stump with seed 1 is inf and no finite number"),
        (("text.csv", *NAMES), "of stump with seed 1 is 12,5 and no finite number"),
        (("blank.csv", *NAMES), "blank.csv, line 4: random_state is empty; give the run one"),
        (("small.csv", *NAMES), "multiply it by a power of ten, in the claims as well"),
        (("twice.csv", "--model=score", "--seed=score"), "--model and --seed are both score"),
        (("twice.csv", *NAMES, "--page=."), "--page = .: is a folder; name a file"),
        (("https://me:secret@127.0.0.1:9#x",), "***@127.0.0.1"),
    ):
        assert cli.main(["judge", claims, *words]) == 1
        said = capsys.readouterr().err
        assert complaint in said
        assert "secret" not in said


@pytest.mark.parametrize(
    "metric", ["train_accuracy", "accuracy", "gap", "split", "accuracy top5", "[/x]"]
)
def test_no_metric_of_theirs_is_taken_for_one_of_ours(
    table: pd.DataFrame, claims: str, metric: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # Nor is a seed or a model, whatever their columns are called.
    theirs = table.rename(columns={"score": metric}).assign(seed=0, model="x")
    theirs.assign(**{"accuracy rare": 0.0}).to_csv("runs.csv", index=False)
    Path(claims).write_text(CLAIMS.replace("value: score", f"value: '{metric}'"))
    assert cli.main(["judge", claims, "runs.csv", *NAMES]) == 0
    said = capsys.readouterr().out
    assert metric in said
    assert_judged(said)


def test_runs_are_judged_in_pairs_though_one_is_missing_and_in_any_order(
    claims: str, capsys: pytest.CaptureFixture[str]
) -> None:
    seeds = np.arange(10)
    rows = [
        {"estimator": name, "random_state": seed, "score": 0.05 * seed + by}
        for name, by in (("bayes", 0.2 + 0.001 * seeds[::-1]), ("stump", 0 * seeds))
        for seed, by in zip(seeds, by, strict=True)
    ]
    runs = pd.DataFrame(rows).drop(index=[19])
    said = []
    for order in (runs, runs.sample(frac=1, random_state=0)):
        order.to_csv("runs.csv", index=False)
        assert cli.main(["judge", claims, "runs.csv", *NAMES, "--markdown"]) == 0
        captured = capsys.readouterr()
        assert captured.err.startswith("1 of 19 runs are left out")
        said.append(captured.out)
    assert "holds in 9 of 9 seeds" in said[0]
    assert said[0] == said[1]
