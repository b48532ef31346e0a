"""Templates of pages, in ``templates/``, and scripts inlined in them, each allowed by its hash."""

import base64
import functools
import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from fashionbench.claims import words
from fashionbench.files import replace_file
from fashionbench.messages import counted
from fashionbench.paths import SCRATCH_DIR

VEGA_LITE = "6.4"
"""The version that is inlined, of those in the package vl-convert-python."""

_HERE = Path(__file__).parent
_SCRIPTS = ("view", "charts", "pairs", "tables", "main")
_EXPORTED = "window.vegaEmbed = vegaEmbed;"


def template(name: str) -> jinja2.Template:
    """Return a template, in which all text is escaped and an unknown name is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"counted": counted, "words": words, "zip": zip}
    return environment.get_template(name)


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
    return Markup(text)


def own_script() -> Markup:
    """Return the files of scripts/ as one script, a module: nothing in it is global."""
    files = [(_HERE / f"scripts/{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS]
    return Markup("\n".join(files))


def data_block(data: Mapping[str, Any]) -> Markup:
    """Return data as JSON that cannot end the element it stands in. ValueError for nan."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return Markup(text.replace("<", "\\u003c"))


def allowed(script: str) -> str:
    """Return the source by which a Content-Security-Policy allows this very script."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
