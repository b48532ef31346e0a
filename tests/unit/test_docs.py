"""README.md, CONTRIBUTING.md and docs/: short, true, and without dead links."""

import re
import shutil
import sys
from pathlib import Path

import pytest
import write_docs
from packages import PACKAGES
from repositories import PROJECT, Repository, copy_files
from write_docs import documents, renew, studies

DOCUMENTS = [path.relative_to(PROJECT).as_posix() for path in documents(PROJECT)]
FIRST_SCREEN = 24
"""Lines that a window shows before anybody scrolls."""


@pytest.mark.parametrize("name", DOCUMENTS)
def test_generated_blocks_are_up_to_date(name: str) -> None:
    text = (PROJECT / name).read_text(encoding="utf-8")
    assert renew(text, PROJECT) == text, f"{name} is out of date: run make docs"


def test_the_schema_of_receipts_is_up_to_date() -> None:
    schema = (PROJECT / write_docs.SCHEMA_FILE).read_text(encoding="utf-8")
    assert schema == write_docs.receipt_schema(), "run make docs"


def test_every_block_has_a_generator_and_every_generator_a_block() -> None:
    texts = [path.read_text(encoding="utf-8") for path in documents(PROJECT)]
    found = [block for text in texts for _, block, _ in write_docs.BLOCK.findall(text)]
    assert sorted(found) == sorted(write_docs.BLOCKS)


def test_the_answer_has_each_sentence_that_is_decided_once() -> None:
    text = write_docs.answer(PROJECT)
    first, *_ = write_docs.read_arms(PROJECT).values()
    for one in first.claims:
        found = re.findall(f"[:;] {re.escape(one.words)}[;.]", text)
        assert len(found) == (one.verdict not in ("inconclusive", "mixed")), one.words


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Copy what ``make docs`` reads and writes."""
    copy_files(tmp_path, "src", "docs", "metrics", "studies", "tools", "README.md", "Makefile")
    copy_files(tmp_path, "CONTRIBUTING.md", "claims.yaml", "datasets.yaml", "dvc.yaml")
    copy_files(tmp_path, "params.yaml")
    return tmp_path


def test_a_study_is_linked_to_its_page_once_it_has_run(folder: Path) -> None:
    shutil.rmtree(folder / "metrics/studies/dropout")
    rows = dict(re.findall(r"^\| \[(\w+)\]\((.*)$", studies(folder), flags=re.MULTILINE))
    assert rows["dropout"].startswith("studies/dropout/study.yaml)")
    assert "| not run yet | not run yet |" in rows["dropout"]
    assert rows["logits"].startswith("studies/logits/metrics/report.html)")
    assert "|  | " in rows["logits"], "there are no verdicts with probabilities"


@pytest.mark.tries("make docs")
def test_make_docs_renews_what_is_stale_and_touches_nothing_else(folder: Path) -> None:
    assert "\ndocs: $(READY)\n\tpython tools/write_docs.py\n" in (folder / "Makefile").read_text()
    readme, verdicts = folder / "README.md", folder / "docs/verdicts.md"
    old = verdicts.read_text(encoding="utf-8")
    verdicts.write_text(re.sub(r"(begin criteria.*?-->\n).*?\n", r"\1", old), encoding="utf-8")
    before = readme.stat().st_mtime_ns
    said = Repository(folder).run(sys.executable, "tools/write_docs.py").stdout
    assert said == "docs/verdicts.md is up to date again\n"
    assert verdicts.read_text(encoding="utf-8") == old
    assert readme.stat().st_mtime_ns == before


def test_the_readme_begins_with_what_to_type() -> None:
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    first = "\n".join(text.splitlines()[:FIRST_SCREEN])
    assert all(
        re.search(rf"^{line} +#", first, re.M) for line in ("make", "make quick", "make test")
    )


def test_the_readme_and_the_layout_name_every_package() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    (tree,) = re.findall(r"## Layout\n\n```\n(.*?)```", readme, flags=re.S)
    packages = {path.parent.name for path in (PROJECT / "src/fashionbench").glob("*/__init__.py")}
    assert packages == set(PACKAGES)
    assert packages - set(re.findall(r"\w+", tree)) == set()


def test_the_readme_links_to_every_page_of_docs() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    assert [name for name in DOCUMENTS[1:] if f"]({name})" not in readme] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_somewhere(name: str) -> None:
    path = PROJECT / name
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not _exists(path, link)] == []


def _exists(document: Path, link: str) -> bool:
    file, _, anchor = link.partition("#")
    target = document.parent / file if file else document
    return target.exists() and (not anchor or anchor in _anchors(target))


def _anchors(document: Path) -> set[str]:
    """Return what GitHub calls a document's headings in addresses."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), flags=re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", [*DOCUMENTS, "CHANGELOG.md"])
def test_no_path_of_a_machine_is_in_a_document(name: str) -> None:
    text = (PROJECT / name).read_text(encoding="utf-8")
    assert not re.search(r"/home/|/root/|/work/|/tmp/", text)
