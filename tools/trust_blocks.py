"""Generate the blocks of docs/ about what can be trusted: the champion's model card, the data."""

import json
from pathlib import Path

from fashionbench.analysis.files import DUPLICATES_FILE
from fashionbench.analysis.model_card import read_champion, write_card
from fashionbench.params import load_params


def model_card(folder: Path) -> str:
    """Return the model card of the champion."""
    return write_card(read_champion(folder), load_params(folder / "params.yaml"))


def duplicates(folder: Path) -> str:
    """Return how many images occur more than once."""
    found = json.loads((folder / DUPLICATES_FILE).read_text(encoding="utf-8"))
    return (
        f"- {found['train']:,} training images repeat an earlier one, and {found['test']:,} test "
        "images;\n"
        f"- {found['in_both']:,} test images are training images too, {found['other_label']:,} of "
        "them with another label there."
    )
