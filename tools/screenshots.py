"""Take the README's screenshots, of the page and of MLflow: ``make screenshots``.

Both show the results that lie in the workspace, and those of MLflow's store beside it.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import create_server
from time import monotonic, sleep
from urllib.error import URLError
from urllib.request import urlopen

from playwright.sync_api import Browser, FloatRect, Page, ViewportSize, sync_playwright

from fashionbench.analysis.result_files import PAGE_FILE
from fashionbench.params import PARAMS_FILE, load_params
from fashionbench.tracking.address import LOCAL_SERVER, view_address

PROJECT = Path(__file__).resolve().parents[1]
FOLDER = PROJECT / "docs/screenshots"

# Does batch normalisation help shirts?
_VIEW = "#first=n5_batch_norm&second=n2_mlp&class=6"
_PART = "section[aria-labelledby=pair]"
_PAGE_SIZE: ViewportSize = {"width": 1000, "height": 700}
_SCREENS: tuple[ViewportSize, ...] = (
    {"width": 1440, "height": 900},
    {"width": 390, "height": 844},
)
"""A desk's and a phone's."""
_MLFLOW_SIZE: ViewportSize = {"width": 1500, "height": 640}
_PATIENCE_MS = 300_000


def main() -> None:
    """Write all pictures; SystemExit without a browser or without results."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("there is no chromium (apt-get install chromium)")
    address = view_address()
    if address is None or not PAGE_FILE.exists():
        raise SystemExit("there are no results to show; run make first")
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright, mlflow_ui() as server:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        take_page(browser)
        take_mlflow(browser, address.replace(LOCAL_SERVER, server))
        browser.close()


@contextmanager
def mlflow_ui() -> Iterator[str]:
    """Run ``mlflow ui``; yield its address."""
    with create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    command = ["mlflow", "ui", "--port", str(port), "--workers", "1"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet) as server:
        try:
            wait_for(f"http://127.0.0.1:{port}/health")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def wait_for(address: str) -> None:
    """Wait until something answers; SystemExit if nothing does."""
    end = monotonic() + _PATIENCE_MS / 1000
    while monotonic() < end:
        with suppress(URLError), urlopen(address):
            return
        sleep(0.2)
    raise SystemExit(f"{address} does not answer")


def take_page(browser: Browser) -> None:
    """Take the page's first screen on a desk and a phone, and its comparison of two networks."""
    for size in _SCREENS:
        screen = open_page(browser, size)
        screen.goto((PROJECT / PAGE_FILE).as_uri())
        screen.locator("#explorer[aria-busy=false]").wait_for()
        save(screen.screenshot(), f"first-{size['width']}.png")
    page = open_page(browser, _PAGE_SIZE)
    page.goto((PROJECT / PAGE_FILE).as_uri() + _VIEW)
    page.locator("#explorer[aria-busy=false]").wait_for()
    top = page.locator(_PART).evaluate("part => part.getBoundingClientRect().top + scrollY")
    shown = FloatRect(x=0, y=top, **_PAGE_SIZE)
    save(page.screenshot(full_page=True, clip=shown), "page.png")


def take_mlflow(browser: Browser, address: str) -> None:
    """Take MLflow's table of networks, as the saved view of scores has it."""
    page = open_page(browser, _MLFLOW_SIZE)
    page.goto(address)
    for name in load_params(PROJECT / PARAMS_FILE).networks:
        page.get_by_role("link", name=name).first.wait_for()
    # The assistant and the banner, which take half of the picture.
    for button in ("Close", "Hide banner"):
        page.get_by_role("button", name=button, exact=True).click()
    save(page.screenshot(), "mlflow.png")


def open_page(browser: Browser, size: ViewportSize) -> Page:
    """Return an empty page which waits for whatever it is asked for, on a busy machine too."""
    page = browser.new_page(viewport=size)
    page.set_default_timeout(_PATIENCE_MS)
    return page


def save(picture: bytes, name: str) -> None:
    """Write a picture, and print its size."""
    (FOLDER / name).write_bytes(picture)
    sys.stdout.write(f"{(FOLDER / name).relative_to(PROJECT)}: {len(picture)} bytes\n")


if __name__ == "__main__":
    main()
