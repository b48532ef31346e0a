"""A real browser: opens the page at several widths, with and without scripts, dark or light."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

PATIENCE_S = 120
HEIGHT = 900
# The page may set a timer of its own before it draws. Playwright's own waiting would need eval.
_DRAWN = """async () => {
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  await pause(0);
  while (document.getElementById("explorer").ariaBusy !== "false") await pause(10);
}"""


@dataclass(frozen=True)
class Opened:
    """A page in the browser, what it has asked for, and what it has complained of."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def wait_until_drawn(self) -> None:
        """Wait until every chart shows what the controls say."""
        self.page.evaluate(_DRAWN)


@contextmanager
def started() -> Iterator[Browser]:
    """Start the browser; skips the test where there is none.

    While it runs, its process has a running event loop: no longer than a module of tests.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"], timeout=1000 * PATIENCE_S
        )
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Browser,
    file: Path,
    width: int,
    *,
    is_dark: bool = False,
    has_scripts: bool = True,
    fragment: str = "",
) -> Iterator[Opened]:
    """Open a page from disk, with its own policy, and with the clipboard."""
    context = browser.new_context(
        viewport={"width": width, "height": HEIGHT},
        color_scheme="dark" if is_dark else "light",
        java_script_enabled=has_scripts,
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.set_default_timeout(1000 * PATIENCE_S)
    found = Opened(context.new_page())
    found.page.on("console", lambda message: found.complaints.append(message.text))
    found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
    found.page.on("request", lambda request: found.requests.append(request.url))
    found.page.goto(f"{file.as_uri()}#{fragment}" if fragment else file.as_uri())
    if has_scripts:
        found.wait_until_drawn()
    yield found
    context.close()
