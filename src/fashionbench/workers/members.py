"""The workers that have joined a cluster: which may train here, and why others may not."""

import logging
import threading
from collections.abc import Mapping
from time import monotonic
from typing import Any

from fashionbench.errors import WorkerError
from fashionbench.workers.build import Build
from fashionbench.workers.preload import FACTS

PATIENCE_S = 30.0
"""Seconds after which the want of workers is told, and for which describing them waits."""
_LONGEST_TAG = 500
"""Characters of a fact about all workers together."""

_log = logging.getLogger(__name__)


class Members:
    """The workers of the scheduler at ``address``, as it last told of them.

    Those of another ``build`` get no task, since they lack its resource; each is named once.
    """

    def __init__(self, address: str, build: Build) -> None:
        self._address = address
        self._build = build
        self._facts: dict[str, dict[str, str]] = {}
        self._refused: dict[str, str] = {}
        self._named: set[str] = set()
        self._has_some = threading.Event()
        self._needed_since = monotonic()

    def update(self, workers: Mapping[str, Mapping[str, Any]]) -> None:
        """Take over what the scheduler tells of its workers, by their addresses."""
        self._facts, self._refused = {}, {}
        for address, told in workers.items():
            worker = f"worker {told.get('name')} at {address}"
            if reason := self._reason_against(told):
                self._refused[address] = f"{worker} is refused: {reason}"
                self._warn_once(self._refused[address])
                continue
            self._facts[address] = told[FACTS]["environment"]
            if (threads := told.get("nthreads", 1)) > 1:
                self._warn_once(
                    f"{worker} has {threads} threads, and trains one replicate at a time; start "
                    f"it with --nthreads 1 --nworkers {threads}"
                )
        if self._facts:
            self._has_some.set()

    def check(self, is_needed: bool) -> None:
        """Warn if workers have been needed for a while, and there are none.

        Raises WorkerError, which names one, if all that are there are refused.
        """
        if self._facts or not is_needed:
            self._needed_since = monotonic()
        elif monotonic() - self._needed_since > PATIENCE_S:
            for reason in self._refused.values():
                raise WorkerError(reason)
            self._warn_once(
                f"waiting for workers to join {self._address}: start some with "
                f"fashionbench worker {self._address}"
            )

    def describe(self) -> dict[str, str]:
        """Return the facts of all that may train, each with the values that it has.

        Waits a while if there are none.
        """
        self._has_some.wait(PATIENCE_S)
        all_facts = list(self._facts.values())
        names = sorted({name for facts in all_facts for name in facts})
        return {
            "machine.scheduler": self._address,
            "machine.workers": str(len(all_facts)),
            **{name: _join({facts.get(name, "") for facts in all_facts}) for name in names},
        }

    def _reason_against(self, told: Mapping[str, Any]) -> str:
        if FACTS not in told:
            return (
                f"it does not say what it runs; start it with fashionbench worker {self._address}, "
                "or with --preload fashionbench.workers.preload"
            )
        if differing := told[FACTS]["differing"]:
            return (
                f"it makes other bits ({', '.join(differing)}); fashionbench doctor says there why"
            )
        return self._build.difference(Build.parse(told[FACTS]["build"]))

    def _warn_once(self, line: str) -> None:
        if line not in self._named:
            self._named.add(line)
            _log.warning(line)


def _join(values: set[str]) -> str:
    text = "; ".join(sorted(filter(None, values)))
    return text if len(text) <= _LONGEST_TAG else f"{text[:_LONGEST_TAG]} ..."
