"""Messages: numbers of things, and errors on wrong values in one line, with the likely fix."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from reprlib import Repr

from pydantic_core import ErrorDetails

# Instead of pydantic's messages on Python types and patterns.
_IN_PLAIN_WORDS = {
    "dict_type": "input should be a mapping",
    "model_type": "input should be a mapping",
    "tuple_type": "input should be a list",
}
_FORMS = {
    r"^[a-z][a-z0-9_]{0,39}$": "a name starts with a lower-case letter, followed by at most 39 "
    "lower-case letters, digits or underscores",
    r"^[0-9a-f]{64}$": "must be 64 digits from 0 to f",
    r"^([0-9a-f]{7,40})?$": "must be the hash of a commit",
    r"^[1-9]\d*[a-z]?$": "must be a number, such as 3, or a part of one, such as 9a",
    r"^[\w-][\w.-]{0,99}$": "must be the name of a file without its folder",
}
"""What texts have to look like, by their patterns, in plain words."""

_VALUES = Repr()
_VALUES.maxstring = _VALUES.maxother = _VALUES.maxlong = 60
"""Shortens a value to one line, however long or nested it is."""


def explain(error: ErrorDetails, known: Iterable[str]) -> str:
    """Describe one of pydantic's errors in one line; ``known`` are the names allowed there."""
    location = [in_one_line(str(part)) for part in error["loc"] if part != "[key]"]
    name, value = ".".join(location), error["input"]
    if error["type"] == "missing":
        return f"{name} is missing"
    if error["type"] == "extra_forbidden":
        return f"{name} is not a parameter{did_you_mean(location[-1], known)}"
    form = _FORMS.get(error.get("ctx", {}).get("pattern", ""))
    message = form or _IN_PLAIN_WORDS.get(error["type"], error["msg"])
    message = message.removeprefix("Value error, ")
    message = in_one_line(message)
    if not location:
        return message
    guess = ""
    if error["type"] == "literal_error":
        guess = did_you_mean(str(value), re.findall("'([^']*)'", error["ctx"]["expected"]))
    return f"{name} = {_VALUES.repr(value)}: {message[:1].lower()}{message[1:]}{guess}"


def in_one_line(text: str) -> str:
    """Return a text without line breaks, cut after 200 characters."""
    return " ".join(text.split())[:200]


def in_printable(text: str) -> str:
    """Return a text without what would break its line, or change the state of a terminal."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the end of a message with the likely spelling of a word; empty without a guess."""
    close = get_close_matches(word[:80], list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 seed`` or ``1,200 seeds``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
