"""The page in a real browser, on a telephone and on a desk, and every control in it."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from html import escape
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import HEIGHT, PATIENCE_S, Opened, opened, started
from made_up import NETWORKS
from pages import COSTS, OWN, a_page, answers, with_studies
from playwright.sync_api import Browser, Page, expect
from repositories import CLASSES, PROJECT

from fashionbench.analysis.comparison import compare_networks
from fashionbench.analysis.pairs import compare_pairs, mcnemar_p
from fashionbench.analysis.statistics import estimate
from fashionbench.page.explorer import explore
from fashionbench.page.page import render

PHONE, DESK = (360, True), (1440, False)
"""Widths in pixels, and whether the scheme is dark."""
COMMITTED = PROJECT / "metrics/report.html"
MOUSE, KEYBOARD = "mouse", "keyboard"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started() as browser:
        yield browser


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(a_page()), encoding="utf-8")
    return path


@pytest.fixture(scope="module", params=[PHONE, DESK], ids=["dark phone", "desk"])
def shown(request: pytest.FixtureRequest, browser: Browser, file: Path) -> Iterator[Opened]:
    """Open the page once for many tests; they find and leave it in any view."""
    width, is_dark = request.param
    with opened(browser, file, width, is_dark=is_dark) as found:
        yield found
        assert [url for url in found.requests if not url.startswith(("file:", "data:"))] == []
        assert found.complaints == []


GO_TO = """to => new Promise((resolve) => {
  addEventListener("hashchange", resolve, { once: true });
  location.hash = to;
})"""


def look(found: Opened, fragment: str = "") -> Page:
    """Go to a view: at first the one at the start."""
    page = found.page
    page.get_by_role("button", name="start again").click()
    found.wait_until_drawn()
    assert page.evaluate("location.hash") == ""
    if fragment:
        page.evaluate(GO_TO, fragment)
        found.wait_until_drawn()
    return page


def words(page: Page, chart: str) -> list[str]:
    """Return what the points of a chart say to screen readers."""
    points = page.locator(f"#chart-{chart} .mark-symbol path")
    return list(points.evaluate_all("all => all.map(one => one.getAttribute('aria-label'))"))


def choose_by(how: str, found: Opened, name: str, value: str) -> None:
    """Click on an option, or move to it by keys."""
    option = found.page.locator(f"[name={name}][value='{value}']")
    if how == MOUSE:
        option.click()
    elif option.get_attribute("type") == "checkbox":
        option.focus()
        found.page.keyboard.press("Space")
    else:
        found.page.locator(f"[name={name}]:checked").focus()
        for _ in range(3):
            if not option.is_checked():
                found.page.keyboard.press("ArrowRight")
    found.wait_until_drawn()


def press(how: str, found: Opened, name: str) -> None:
    button = found.page.get_by_role("button", name=name, exact=True)
    if how == MOUSE:
        button.click()
    else:
        button.focus()
        found.page.keyboard.press("Enter")
    found.wait_until_drawn()


OPTIONS: dict[tuple[str, str], Callable[[Page], bool]] = {
    ("kind", "loss"): lambda page: "1.6000" in words(page, "scores")[0],
    ("split", "train"): lambda page: "80.00" not in words(page, "scores")[0],
    ("split", "test"): lambda page: "no curve" in page.inner_text("#chart-curves"),
    ("show", "seeds"): lambda page: "n1_mlp, seed 0" in words(page, "scores")[0],
    ("scale", "zero"): lambda page: "0" in page.locator("#chart-scores text").all_text_contents(),
    ("scale", "log"): lambda page: "error rate" in page.inner_html("#chart-scores"),
    ("arm", "logits"): lambda page: "n1_mlp: 85.00" in words(page, "scores")[0],
    ("network", "n1_mlp"): lambda page: (
        not any(
            "n1_mlp" in one
            for chart in ("curves", "scores", "classes", "costs")
            for one in words(page, chart)
        )
    ),
}
"""What each option does, as seen from the page's start."""


@pytest.mark.parametrize(
    ("shown", "how"),
    [
        (PHONE, KEYBOARD),
        (DESK, MOUSE),
        pytest.param(PHONE, MOUSE, marks=pytest.mark.slow),
        pytest.param(DESK, KEYBOARD, marks=pytest.mark.slow),
    ],
    indirect=["shown"],
    ids=lambda value: value if isinstance(value, str) else f"{value[0]} pixels",
)
def test_every_option_changes_the_figures_and_the_address(shown: Opened, how: str) -> None:
    for (name, value), is_done in OPTIONS.items():
        page = look(shown)
        assert not is_done(page), (name, value)
        choose_by(how, shown, name, value)
        assert is_done(page), (name, value)
        # The address alone brings the same view back.
        fragment = page.evaluate("location.hash")
        assert fragment.startswith(f"#{name}=")
        assert is_done(look(shown, fragment)), (name, value)


@pytest.mark.parametrize("how", [MOUSE, KEYBOARD])
def test_all_networks_none_and_a_new_start(shown: Opened, how: str) -> None:
    page = look(shown)
    # n6 learned nothing, and is not chosen at first.
    assert len(words(page, "scores")) == len(NETWORKS) - 1
    press(how, shown, "all")
    assert len(words(page, "scores")) == len(NETWORKS)
    press(how, shown, "none")
    assert words(page, "scores") == []
    assert "No network is chosen" in page.inner_text("#chart-scores")
    assert len(words(look(shown, "#network="), "scores")) == 0
    press(how, shown, "start again")
    assert page.evaluate("location.hash") == ""
    assert len(words(page, "scores")) == len(NETWORKS) - 1


def test_a_link_to_what_does_not_exist_shows_the_start(shown: Opened) -> None:
    at_start = words(look(shown), "scores")
    page = look(shown, "#network=n9_gone&kind=beauty&first=n0&colour=red")
    assert words(page, "scores") == at_start
    assert page.locator("[name=first]").input_value() == "n8_conv"


@pytest.mark.parametrize(
    ("fragment", "place"),
    [("trust", "trust"), ("kind=loss", "explore"), ("first=n1_mlp&class=6", "pair")],
)
def test_an_address_leads_to_its_place(
    browser: Browser, file: Path, fragment: str, place: str
) -> None:
    with opened(browser, file, DESK[0], fragment=fragment) as found:
        top = found.page.locator(f"#{place}").evaluate("one => one.getBoundingClientRect().top")
        assert top == pytest.approx(0, abs=30)


def test_numbers_are_those_of_the_analysis(shown: Opened) -> None:
    page = look(shown, "#split=test")
    for name, said in zip(
        [one for one in NETWORKS if one != "n6_l1"], words(page, "scores"), strict=True
    ):
        found = estimate(OWN.score(name, "test", "accuracy").tolist())
        ends = ", ".join(f"{100 * end:.2f}" for end in (found.low, found.high))
        assert said == f"{name}: {100 * found.mean:.2f} [{ends}]%"


def test_a_pointer_shows_numbers_and_arrow_keys_go_from_point_to_point(shown: Opened) -> None:
    page = look(shown)
    plot, output = page.locator("#chart-curves .plot"), page.locator("#chart-curves output")
    points = page.locator("#chart-curves .mark-symbol path")
    points.nth(3).scroll_into_view_if_needed()
    points.nth(3).hover(force=True)
    assert output.inner_text() == words(page, "curves")[3]
    page.mouse.move(0, 0)
    assert output.inner_text() == ""
    plot.focus()
    said = []
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowUp", "ArrowLeft", "Escape"):
        page.keyboard.press(key)
        said.append(output.inner_text().partition(":")[0])
    start = [f"n1_mlp, epoch {epoch}" for epoch in (1, 2)]
    assert said == [start[0], start[1], "n2_mlp, epoch 2", start[1], start[0], ""]


@pytest.mark.parametrize("how", [MOUSE, KEYBOARD])
def test_head_to_head_says_how_two_networks_differ(shown: Opened, how: str) -> None:
    page = look(shown, "#first=n1_mlp&second=n8_conv&split=test")
    assert "n1_mlp minus n8_conv: -11.00 points" in page.inner_text("#pair-words")
    assert words(page, "difference")[0].startswith("T-shirt/top: 0.00")
    press(how, shown, "swap")
    said = page.inner_text("#pair-words")
    assert "n8_conv minus n1_mlp: +11.00 points" in said
    assert "beats a run of n1_mlp in 100%" in said
    if how == MOUSE:
        page.locator("[name=second]").select_option("n2_mlp")
    else:
        page.locator("[name=second]").focus()
        page.keyboard.type("n2_mlp")
    shown.wait_until_drawn()
    assert "n8_conv minus n2_mlp" in page.inner_text("#pair-words")
    page.locator("[name=second]").select_option("n8_conv")
    shown.wait_until_drawn()
    assert "two different networks" in page.inner_text("#pair-words")


def test_an_arm_may_lack_a_network_that_has_been_added(shown: Opened) -> None:
    page = look(shown, "#arm=logits&first=n7_l2&second=n8_conv")
    assert [one.partition(":")[0] for one in words(page, "scores")] == [
        name for name in NETWORKS if name not in ("n6_l1", "n7_l2")
    ]
    for place in ("pair-words", "chart-difference"):
        assert "On logits, n7_l2 has not been trained." in page.inner_text(f"#{place}")
    assert len(words(page, "pair-classes")) == len(CLASSES)


def test_images_on_which_two_networks_disagree_are_shown_with_both_answers(shown: Opened) -> None:
    page = look(shown, "#first=n1_mlp&second=n2_mlp")
    # Of 60 images n1 gets every second wrong, n2 every third: both are wrong on ten.
    said = page.inner_text("#disagreements")
    assert "both get 20 right, only n1_mlp 10, only n2_mlp 20, and neither 10." in said
    p = mcnemar_p(answers(OWN).chosen)["n1_mlp", "n2_mlp"]
    assert f"McNemar's exact test of these two runs: p = {float(f'{p:.2g}')}" in said
    first = page.locator(".thumbnails li").first
    # Image 3 is the first that two divides not, and three does.
    assert first.inner_text().split("\n") == ["Dress", "✓ n1_mlp: Dress", "✗ n2_mlp: Shirt"]
    thumbnail = first.locator(".thumbnail")
    drawn = thumbnail.evaluate("one => getComputedStyle(one).backgroundImage")
    assert drawn.startswith("url")
    page.locator("[name=class]").select_option("Sneaker")
    shown.wait_until_drawn()
    assert "of 6 test images of the class Sneaker" in page.inner_text("#disagreements")


def test_tables_sort_filter_and_copy_what_they_show(shown: Opened) -> None:
    page = shown.page
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    table = page.locator("table.numbers", has_text="sentences with their effects")
    heading = table.get_by_role("columnheader", name="probabilities: effect")
    for key, direction in (("Enter", "ascending"), ("Space", "descending")):
        heading.get_by_role("button").focus()
        page.keyboard.press(key)
        assert heading.get_attribute("aria-sort") == direction
        cells = table.locator("tbody tr td:nth-child(2)").all_inner_texts()
        column = [float(cell.split()[0]) for cell in cells if cell]
        assert column == sorted(column, reverse=direction == "descending")
    tools = page.locator(".tools", has=page.get_by_label("sentences with their effects"))
    tools.get_by_role("searchbox").fill("10 n1_mlp mean")
    assert tools.locator("output").inner_text() == f"1 of {table.locator('tbody tr').count()} rows"
    copied = {}
    for kind in ("CSV", "Markdown", "LaTeX"):
        tools.get_by_role("button", name=f"Copy as {kind}").click()
        expect(tools.locator("output")).to_have_text(f"{kind} is on the clipboard.")
        copied[kind] = page.evaluate("navigator.clipboard.readText()").splitlines()
    tools.get_by_role("searchbox").fill("")
    of_arm = "{0}: effect,{0}: effect low,{0}: effect high,{0}: seeds,{0}: seeds of,{0}: analyses %"
    heads = ",".join(of_arm.format(arm) for arm in ("probabilities", "logits"))
    assert copied["CSV"][0] == f"Claim,{heads}"
    numbers = "85.00,84.86,85.14,0,5,"
    assert copied["CSV"][1].endswith(f"n1_mlp: between 86 and 88%,{numbers},{numbers}")
    assert copied["Markdown"][1] == f"|---|{'---:|' * 6}"
    assert "n1_mlp: between 86 and 88% | 85.00 [84.86, 85.14] | 0 of 5 |" in copied["Markdown"][2]
    assert copied["LaTeX"][1].endswith(r"logits: analyses \% \\")
    assert r"n1\_mlp: between 86 and 88\% & 85.00 [84.86, 85.14] &" in copied["LaTeX"][3]


SELECTED = """() => {
  const { value, selectionStart, selectionEnd } = document.activeElement;
  return value.slice(selectionStart, selectionEnd);
}"""


@pytest.mark.parametrize("place", ["sandboxed frame", "http"])
def test_without_an_address_or_a_clipboard_controls_work_and_copies_are_selected(
    browser: Browser, file: Path, place: str
) -> None:
    html, page, complaints = file.read_text(encoding="utf-8"), browser.new_page(), list[str]()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    if place == "http":
        page.route("http://elsewhere.test/", lambda route: route.fulfill(body=html))
        page.goto("http://elsewhere.test/")
        assert page.evaluate("navigator.clipboard === undefined")
    else:
        page.set_content(f'<iframe sandbox="allow-scripts" srcdoc="{escape(html)}"></iframe>')
    shown = page.frames[-1]
    drawn = shown.locator("#explorer[aria-busy=false]")
    drawn.wait_for(timeout=1000 * PATIENCE_S)
    shown.locator("[name=kind][value=loss]").click()
    drawn.wait_for(timeout=1000 * PATIENCE_S)
    expect(shown.locator("#chart-scores .mark-symbol path").first).to_have_attribute(
        "aria-label", re.compile("1.6000")
    )
    shown.get_by_role("button", name="Copy as CSV").first.click()
    expect(shown.locator(".tools output").first).to_have_text("The text is selected: press Ctrl+C.")
    assert shown.evaluate(SELECTED).startswith("Network,Parameters,")
    assert complaints == []
    page.close()


def test_a_link_to_the_view_can_be_copied(shown: Opened) -> None:
    page = look(shown, "#kind=loss")
    page.get_by_role("button", name="copy a link to this view").click()
    expect(page.locator("#copied")).to_have_text("The link is on the clipboard.")
    assert page.evaluate("navigator.clipboard.readText()") == page.evaluate("location.href")


def test_accessibility_checks_find_nothing(shown: Opened) -> None:
    look(shown)
    found = Axe().run(shown.page)
    assert [
        (one["id"], [node["target"] for node in one["nodes"]])
        for one in found.response["violations"]
    ] == []


def test_nothing_is_wider_than_the_screen(shown: Opened) -> None:
    page = look(shown, "#show=seeds")
    page.get_by_role("button", name="all", exact=True).click()
    shown.wait_until_drawn()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_without_scripts_and_in_print_the_page_is_as_complete_as_before(
    browser: Browser, file: Path, shown: Opened
) -> None:
    with opened(browser, file, DESK[0], has_scripts=False) as without:
        for folded in without.page.locator("summary").all():
            folded.click()
        figures = without.page.locator("figure:visible svg").count()
        assert figures == len(re.findall("<figcaption", file.read_text())) - 7
        assert without.page.locator("#explorer, .tools").filter(visible=True).count() == 0
        assert without.complaints == []
    shown.page.emulate_media(media="print")
    assert shown.page.locator("figure:visible svg").count() == figures
    assert shown.page.locator("#explorer, .tools").filter(visible=True).count() == 0
    shown.page.emulate_media(media="screen")


def test_networks_with_other_seeds_are_compared_in_those_that_both_have(
    browser: Browser, tmp_path: Path
) -> None:
    scores, curves = dict(OWN.scores), dict(OWN.curves)
    for tables in (scores, curves):
        tables["n8_conv"] = tables["n8_conv"][tables["n8_conv"]["seed"].isin([1, 3])]
        moved = tables["n7_l2"]
        tables["n7_l2"] = moved.assign(seed=moved["seed"] + 9)
    own = replace(OWN, scores=scores, curves=curves)
    comparison = compare_networks(own.curves, own.scores, COSTS)
    explorer = explore([own], comparison, compare_pairs(own), None)
    path = tmp_path / "report.html"
    path.write_text(render(replace(a_page(), explorer=explorer)), encoding="utf-8")
    with opened(browser, path, 1440, is_dark=False) as found:
        page = look(found, "#first=n1_mlp&second=n8_conv&show=seeds")
        said = page.inner_text("#pair-words")
        assert "the mean over 2 seeds that both have" in said
        assert "Over all runs, 5 and 2, it is" in said
        assert len(words(page, "difference")) == 2 * 10
        assert "T-shirt/top, seed 3:" in words(page, "difference")[1]
        page = look(found, "#first=n1_mlp&second=n7_l2")
        said = page.inner_text("#pair-words")
        assert "of runs without a common seed" in said
        assert "Welch's t test" in said
        assert "no seed in common" in page.inner_text("#chart-difference")
        assert found.complaints == []


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
    kind: str, width: int, browser: Browser, file: Path
) -> None:
    file = COMMITTED if kind == "committed" else file
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
