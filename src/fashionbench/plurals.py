"""Numbers of things, in words."""


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 seed`` or ``1,200 seeds``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
