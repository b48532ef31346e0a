"""The packages from the ground up, as docs/layout.md lists them."""

import re

from repositories import PROJECT

_TEXT = (PROJECT / "docs/layout.md").read_text(encoding="utf-8").partition("## Packages")[2]
PACKAGES = tuple(re.findall(r"^\| `(\w+)` \|", _TEXT, re.M))
"""Each imports only from those before it."""
