"""Names runs by what their parameters have that the committed ones have not."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fashionbench.params import PARAMS_FILE
from fashionbench.pipeline.environment import committed_text

SEPARATOR = " · "
_STRENGTHS = {"dropout_prob": "dropout", "l1_strength": "l1", "l2_strength": "l2"}
"""Parameters that only networks which declare them use, and what declares them."""


def run_name(network: str, seed: int | None = None) -> str:
    """Name the run of a network, or of one of its replicates.

    In an experiment with another dropout probability it is ``n4_dropout · dropout_prob=0.3``. The
    parameters are those of params.yaml in the current folder, compared with the last commit, or
    with the one that an experiment started from. Without git, the name is the network's.
    """
    own = differences(network)
    if seed is not None:
        own.pop("seeds", None)
    changes = ", ".join(f"{name}={value}" for name, value in own.items())
    name = network if seed is None else f"{network} seed {seed}"
    return f"{name}{SEPARATOR}{changes}" if changes else name


def configuration(network: str) -> str:
    """Return what all replicates of a network's run have in common: its name, without seeds."""
    return run_name(network, 0).replace(" seed 0", "", 1)


def differences(network: str) -> dict[str, str]:
    """Return the parameters that a network uses, where they are not the committed ones."""
    try:
        current = _parse(PARAMS_FILE.read_text(encoding="utf-8"))
        committed = _parse(committed_text(PARAMS_FILE))
    except (OSError, YAMLError):
        return {}
    if not (committed and current):
        return {}
    declared, before = (
        found.get("networks", {}).get(network, {}) for found in (current, committed)
    )
    used = {
        name: value
        for name, value in current.items()
        if name != "networks" and declared.get(_STRENGTHS.get(name, ""), name) == name
    }
    changed = _changed(used, committed) | (_changed(declared, before) if before else {})
    return {name: _as_yaml(value) for name, value in changed.items()}


def _changed(values: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if before.get(name) != value}


@lru_cache(maxsize=4)
def _parse(text: str) -> dict[str, Any]:
    content = YAML(typ="safe", pure=True).load(text)
    return content if isinstance(content, dict) else {}


def _as_yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value).replace(" ", "")
