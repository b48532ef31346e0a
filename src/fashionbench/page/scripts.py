"""The scripts of the page: Vega-Lite and the page's own, each allowed by its hash and no other."""

import base64
import functools
import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from markupsafe import Markup

from fashionbench.files import replace_file
from fashionbench.paths import SCRATCH_DIR

VEGA_LITE = "6.4"
"""The version that is inlined, of those in the package vl-convert-python."""

_FOLDER = Path(__file__).with_name("scripts")
_ORDER = ("numbers", "view", "chart", "figures", "pairs", "tables", "main")
_EXPORTED = "window.vegaEmbed = vegaEmbed;"


@functools.cache
def library() -> Markup:
    """Return Vega-Lite, Vega and its interpreter as one script.

    Bundling takes seconds and depends on the package alone, so the script is kept.
    """
    # Imported here: it holds a JavaScript engine, and only the stage report needs it.
    import vl_convert

    kept = SCRATCH_DIR / f"vega-lite-{VEGA_LITE}-{version('vl-convert-python')}.js"
    try:
        text = kept.read_text(encoding="utf-8")
    except OSError:
        text = vl_convert.javascript_bundle(_EXPORTED, VEGA_LITE)
        replace_file(kept, text.encode())
    return _inlined(text)


def own_script() -> Markup:
    """Return the files of scripts/ as one script, a module: nothing in it is global."""
    files = [(_FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in _ORDER]
    return _inlined("\n".join(files))


def data_block(data: Mapping[str, Any]) -> Markup:
    """Return data as JSON that cannot end the element it stands in. ValueError for nan."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return Markup(text.replace("<", "\\u003c"))


def allowed(script: str) -> str:
    """Return the source by which a Content-Security-Policy allows this very script."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _inlined(text: str) -> Markup:
    """Mark a script as safe in HTML. Raises ValueError for one that could end its element."""
    for mark in ("</script", "<!--"):
        if mark in text.lower():
            raise ValueError(f"a script with {mark!r} in it cannot be inlined")
    return Markup(text)
