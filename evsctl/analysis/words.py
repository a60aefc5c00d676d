"""Numbers and names in sentences."""

from collections.abc import Sequence


def counted(number: int, singular: str, plural: str = "") -> str:
    """`1 question`, `2 questions`, `12,345 questions`."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def listed(names: Sequence[str], limit: int = 6) -> str:
    """`a, b, c and 4 more`."""
    shown = ", ".join(names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown
