"""The measures of make bench: how times are taken."""

from functools import partial

import pytest
import timing


def test_contenders_take_turns_and_the_first_round_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter([0, 100, 0, 100, 0, 1, 0, 4, 0, 2, 0, 5, 0, 9, 0, 6])
    monkeypatch.setattr(timing, "perf_counter", lambda: next(clock))
    called: list[str] = []
    work = {name: partial(called.append, name) for name in ("first", "second")}
    assert timing.in_turns(work, rounds=3) == {"first": 2, "second": 5}
    assert called == ["first", "second"] * 4
