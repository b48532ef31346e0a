"""Print a digest of the page and of each figure, to compare what two starts of Python make."""

import hashlib
import json
import sys

from made_up_figures import draw_all
from pages import a_page

from fashionbench.page.figures import svg_text
from fashionbench.page.page import render


def digests() -> dict[str, str]:
    """Return the digests by name."""
    texts = {name: svg_text(figure) for name, figure in draw_all().items()}
    texts["page"] = render(a_page())
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(digests()))
