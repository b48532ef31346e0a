"""A real browser that opens a page at several widths and says what it finds there."""

import html
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_PATIENCE_S = 120

# A page of its own scripts could not be measured with its policy, so only scripts are let in.
_POLICY = re.compile("default-src 'none'")
_MEASURE = """
<script>
addEventListener("securitypolicyviolation", event => violations.push(event.blockedURI));
const violations = [];
addEventListener("load", () => {
  const width = document.documentElement.clientWidth;
  const beyond = [...document.body.querySelectorAll("*")].filter(element =>
    !element.closest(".scroll") && element.getBoundingClientRect().right > width + 1);
  parent.postMessage({
    window: innerWidth,
    width,
    scroll_width: document.documentElement.scrollWidth,
    beyond: beyond.map(element => element.outerHTML.slice(0, 80)),
    figures: [...document.querySelectorAll("figure svg")].map(figure => {
      const box = figure.getBoundingClientRect();
      return [Math.round(box.width), Math.round(box.height)];
    }),
    requests: performance.getEntriesByType("resource").map(entry => entry.name)
      .filter(name => !name.startsWith("data:")),
    violations,
    ids: [...document.querySelectorAll("[id]")].map(element => element.id),
    unnamed: document.querySelectorAll("svg:not([aria-label])").length,
    headings: [...document.querySelectorAll("h1, h2, h3")].map(heading => heading.tagName),
  }, "*");
});
</script>
"""
_COLLECT = """
<!DOCTYPE html><pre id="found"></pre>
<script>
const found = [];
addEventListener("message", event => {
  found.push(event.data);
  document.getElementById("found").textContent = JSON.stringify(found);
});
</script>
"""


@dataclass(frozen=True)
class Rendered:
    """What the browser found at one width, by the names of _MEASURE, and what it complained of."""

    found: dict[str, Any]
    complaints: list[str]


def render(page: Path, width: int, folder: Path) -> Rendered:
    """Open a page in a window of that many pixels; skips the test where there is no browser."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    text = page.read_text(encoding="utf-8")
    text, count = _POLICY.subn("default-src 'none'; script-src 'unsafe-inline'", text)
    assert count == 1
    text = text.replace("<head>", f"<head>{_MEASURE}", 1)
    # A window of the browser cannot be as narrow as a phone; a frame in it can.
    frame = f'<iframe width="{width}" height="900" style="border:0" srcdoc="{html.escape(text)}">'
    wrapper = folder / "wrapper.html"
    wrapper.write_text(f"{_COLLECT}{frame}</iframe>", encoding="utf-8")
    done = subprocess.run(
        [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
            f"--user-data-dir={folder / 'profile'}",
            "--window-size=1600,1000",
            "--virtual-time-budget=20000",
            "--dump-dom",
            wrapper.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=True,
    )
    measured = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, flags=re.S)
    assert measured, done.stdout[:500]
    (found,) = json.loads(html.unescape(measured[1]))
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return Rendered(found, complaints)
