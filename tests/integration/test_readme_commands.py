"""The commands that people are told to type, typed in small repositories."""

import json
import re
import shutil
from pathlib import Path

import pytest
from cores import on_other_cores
from installed import commands_to_try, install, registry_answers
from PIL import Image
from repositories import PROJECT, Repository, stages_of
from stores import by_name, client_of

SMALL = "QUICK_VALUES=num_epochs=1 seeds=[0]"


@pytest.mark.slow
@pytest.mark.tries(
    "dvc checkout dvc.yaml",
    "dvc status",
    "dvc repro",
    "dvc dag",
    "dvc metrics show",
    "dvc plots show",
    "dvc queue status",
    "fashionbench table",
    "fashionbench verdicts",
)
def test_what_a_user_looks_at(copied: Repository, request: pytest.FixtureRequest) -> None:
    (copied.path / "models/n2_mlp/seed_0.safetensors").unlink()
    said = {command: copied.run("sh", "-c", command).stdout for command in commands_to_try(request)}
    assert "n9_ninth" in said["fashionbench table"]
    assert "inconclusive" in said["fashionbench verdicts"]
    assert "train@n4_dropout" in said["dvc dag"]
    assert "metrics/summary.json" in said["dvc metrics show"]
    page = copied.path / "dvc_plots/index.html"
    assert "n9_ninth" in page.read_text()
    assert "No experiment tasks" in said["dvc queue status"]
    always = {"source:", "mirror:"}
    assert {line for line in said["dvc status"].splitlines() if line.endswith(":")} == always


@pytest.fixture
def short(untrained: Repository) -> Repository:
    """Return a repository with one network, two epochs and everything that make needs."""
    untrained.change_params(num_epochs=2)
    return install(untrained)


@pytest.mark.slow(minutes=2)
@pytest.mark.tries("make")
def test_make_runs_all_and_a_clone_makes_the_same(short: Repository, tmp_path: Path) -> None:
    short.run("make")
    assert "slow" in short.run("make").stdout
    short.commit("results")

    clone = Repository(tmp_path / "clone")
    short.run("git", "clone", "-q", ".", str(clone.path))
    clone.run(*on_other_cores("dvc", "repro"))
    assert clone.run("git", "status", "--porcelain").stdout == ""
    hashes = clone.hashes("dvc.lock", "metrics", "models", "data")
    assert len(hashes) > 20
    assert hashes == short.hashes("dvc.lock", "metrics", "models", "data")
    runs, others = (by_name(client_of(repository)) for repository in (short, clone))
    assert {name: run.data.metrics for name, run in others.items()} == {
        name: run.data.metrics for name, run in runs.items()
    }
    assert "interval/test_accuracy_low" in others["slow"].data.metrics


@pytest.mark.slow(minutes=1)
@pytest.mark.tries("make quick")
def test_make_quick_leaves_the_workspace_alone(short: Repository) -> None:
    # One of a like name is another's.
    short.run("dvc", "exp", "run", "--temp", "-n", "quick-2", "-S", "dropout_prob=0.2", "check")
    experiments = ("dvc", "exp", "list", "--sha-only")
    before = short.run(*experiments).stdout.split()
    said = short.run("make", "quick", SMALL)
    page = short.path / "previews/quick/report.html"
    assert "slow" in said.stdout
    assert said.stdout.endswith(f"The page of this preview: {page}\n")
    assert "slow" in page.read_text()
    assert "make study" not in said.stderr
    assert short.run("git", "status", "--porcelain").stdout == ""
    assert not (short.path / "models/slow").exists()
    said_again, _, table = short.run("make", "quick", SMALL).stdout.partition("\n")
    assert said_again.startswith("Nothing has changed since this preview.")
    assert said.stdout.endswith(table)
    # What it trained and scored is in DVC's run cache by then. The first preview is replaced.
    (short.path / "changed").touch()
    again = stages_of(short.run("make", "quick", SMALL).stdout)
    assert again == {"duplicates", "compare", "report", "mirror"}
    assert short.run("dvc", "exp", "list", "--name-only").stdout.split() == ["quick", "quick-2"]
    assert set(before) < set(short.run(*experiments).stdout.split())


@pytest.mark.slow(minutes=1)
@pytest.mark.tries("make bench", "make bench BENCH=--small=FOLDER")
def test_speed_is_measured_at_a_small_size(copied: Repository) -> None:
    install(copied)
    copied.run("make", "bench", "BENCH=--small=measured")
    assert copied.run("git", "status", "--porcelain", "benchmarks").stdout == ""
    results = (copied.path / "measured/results.md").read_text()
    for row in ("n2_mlp", "n9_ninth", "n2_mlp, two on two cores / one", "n2_mlp, 2 workers, more"):
        assert f"\n| {row}" in results
    assert "n9_ninth" in (copied.path / "measured/accuracy.svg").read_text()


@pytest.mark.slow(minutes=1)
@pytest.mark.tries("make bench-pipeline")
def test_the_time_of_each_stage_is_measured(short: Repository) -> None:
    short.run("make", "bench-pipeline")
    assert "| train@slow |" in (short.path / "benchmarks/pipeline.md").read_text()


@pytest.mark.slow
@pytest.mark.tries("make screenshots")
def test_screenshots_are_taken_of_the_page_and_of_mlflow(copied: Repository) -> None:
    if not shutil.which("chromium"):
        pytest.skip("there is no chromium: apt-get install chromium")
    install(copied)
    (copied.path / "docs").mkdir()
    copied.run("make", "screenshots")
    for name in ("first-1440", "first-390", "page", "mlflow"):
        with Image.open(copied.path / f"docs/screenshots/{name}.png") as picture:
            # A page that shows nothing has hardly a colour; None says that there are more.
            assert picture.convert("RGB").getcolors(maxcolors=100) is None


@pytest.mark.packages
@pytest.mark.tries("make lock")
def test_the_lock_is_what_the_declared_dependencies_resolve_to(short: Repository) -> None:
    if not registry_answers():
        pytest.skip("no package index answers")
    short.run("make", "lock")
    for name in ("requirements.txt", "requirements-bench.txt", "requirements-cluster.txt"):
        assert (short.path / name).read_text() == (PROJECT / name).read_text()


@pytest.mark.packages
@pytest.mark.tries("make audit")
def test_the_lock_has_no_known_vulnerability(short: Repository) -> None:
    done = short.run("make", "audit", check=False)
    unanswered = ("could not be audited", "ConnectionError", "ServiceError")
    if any(reason in done.stderr for reason in unanswered):
        pytest.skip("the database of vulnerabilities does not answer")
    assert done.returncode == 0, done.stderr


@pytest.mark.packages
@pytest.mark.tries("make sbom.cdx.json")
def test_the_bill_of_materials_names_every_locked_package(short: Repository) -> None:
    if not registry_answers():
        pytest.skip("no package index answers")
    short.run("make", "sbom.cdx.json")
    written = json.loads((short.path / "sbom.cdx.json").read_text())
    named = {(part["name"], part["version"]) for part in written["components"]}
    lock = (short.path / "requirements.txt").read_text()
    assert written["bomFormat"] == "CycloneDX"
    assert named == set(re.findall(r"^([\w.-]+)==([^\s;]+)", lock, flags=re.M))


@pytest.mark.tries(
    "make install",
    "make test",
    "make test-all",
    "make test-packages",
    "make test-emulated",
    "pytest tests/unit",
    "pytest -n 0 tests/unit/test_claims.py",
)
def test_what_runs_these_tests_is_run_by_continuous_integration() -> None:
    script = (PROJECT / ".ci/run").read_text()
    assert "make test test-all test-packages test-emulated" in script
    makefile = (PROJECT / "Makefile").read_text()
    assert "\ntest: $(READY)" in makefile
    assert "\ninstall: $(READY)" in makefile
    assert (PROJECT / "tests/unit/test_claims.py").is_file()
