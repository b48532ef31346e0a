"""The page as a real browser shows it, on a telephone and on a desk."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import HEIGHT, opened, started
from pages import a_page, with_studies
from playwright.sync_api import Browser
from repositories import PROJECT

from fashionbench.page.page import render

COMMITTED = PROJECT / "metrics/report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started() as browser:
        yield browser


BEYOND = """() => [...document.body.querySelectorAll("*")].filter((element) =>
  !element.closest(".scroll, svg") && element.getBoundingClientRect().right > innerWidth + 1
).map((element) => element.outerHTML.slice(0, 80))"""
LONGEST = 5
"""Screens of a desk."""
LONG = """most => [...document.querySelectorAll("section")].filter((section) =>
  section.getBoundingClientRect().height > most
).map((section) => section.getAttribute("aria-labelledby"))"""
SIZES = """all => all.map((figure) => {
  const box = figure.getBoundingClientRect();
  return [box.width, box.height];
})"""


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("kind", ["made up", "committed"])
def test_a_browser_shows_everything_and_asks_for_nothing(
    kind: str, width: int, browser: Browser, tmp_path: Path
) -> None:
    file = COMMITTED
    if kind == "made up":
        file = tmp_path / "report.html"
        file.write_text(render(a_page()), encoding="utf-8")
    with opened(browser, file, width) as found:
        page = found.page
        assert page.evaluate(BEYOND) == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
        sizes = page.locator("figure svg").evaluate_all(SIZES)
        assert len(sizes) == file.read_text(encoding="utf-8").count("<figure") >= 3
        assert all(wide > 200 and high > 50 for wide, high in sizes)
        # A chart's name is that of the place it is drawn in.
        assert page.locator("figure:not(.chart) svg:not([aria-label])").count() == 0
        assert page.locator(".plot:not([aria-label])").count() == 0
        assert found.complaints == []
        assert [url for url in found.requests if not url.startswith("data:")] == [file.as_uri()]


def test_no_section_is_longer_than_five_screens(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(render(with_studies(a_page())), encoding="utf-8")
    with opened(browser, file, 1440) as found:
        assert found.page.evaluate(LONG, LONGEST * HEIGHT) == []
