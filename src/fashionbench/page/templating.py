"""The templates of pages, in ``templates/``. All text is escaped."""

from pathlib import Path

import jinja2

from fashionbench.claims import words
from fashionbench.messages import counted

_FOLDER = Path(__file__).with_name("templates")


def template(name: str) -> jinja2.Template:
    """Return a template, in which an unknown name is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "counted": counted,
        "symbols": words.SYMBOLS,
        "words": words,
        "zip": zip,
    }
    return environment.get_template(name)
