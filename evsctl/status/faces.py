"""How a state looks: a glyph and a colour beside its word, so that none of them carries it alone."""

from evsctl.jobs.types import (
    CANCELLED,
    COMPLETING,
    DONE,
    FAILED,
    IDLE,
    OOM,
    PENDING,
    PREEMPTED,
    RUNNING,
    TIMEOUT,
    UNKNOWN,
)

GLYPHS = {
    IDLE: "·",
    PENDING: "◌",
    RUNNING: "▶",
    COMPLETING: "▷",
    DONE: "✔",
    FAILED: "✖",
    TIMEOUT: "✖",
    OOM: "✖",
    PREEMPTED: "↻",
    CANCELLED: "⊘",
    UNKNOWN: "?",
}

ASCII_GLYPHS = {
    IDLE: ".",
    PENDING: "o",
    RUNNING: ">",
    COMPLETING: ">",
    DONE: "+",
    FAILED: "x",
    TIMEOUT: "x",
    OOM: "x",
    PREEMPTED: "~",
    CANCELLED: "-",
    UNKNOWN: "?",
}

FAULT = "bold red"
WARNING = "red"

# The terminal's own colours, so that its theme decides how they look: few, red against blue, which colour-blind eyes tell
# apart, and none that vanishes on a white or a black background, as its yellow, cyan and green do on one of them.
COLOURS = {
    IDLE: "",
    PENDING: "",
    RUNNING: "bold blue",
    COMPLETING: "blue",
    DONE: "",
    FAILED: FAULT,
    TIMEOUT: FAULT,
    OOM: FAULT,
    PREEMPTED: "magenta",
    CANCELLED: "",
    UNKNOWN: "magenta",
}

_ASCII = str.maketrans(
    {
        "→": ">",
        "·": "|",
        "…": "~",
        "−": "-",
        "–": "-",
        "—": "-",
        "×": "x",
        "÷": "/",
        "⚠": "!",
        "✔": "+",
        "✖": "x",
        "▶": ">",
        "▾": "v",
        "▸": ">",
        "━": "#",
        "╸": "#",
        "─": "-",
        "│": "|",
        "“": '"',
        "”": '"',
        "’": "'",
        "≥": ">",
        "≤": "<",
        "⁹": "9",
    }
)


def glyph(state: str, ascii_only: bool = False) -> str:
    """The state's sign; one cell wide."""
    return (ASCII_GLYPHS if ascii_only else GLYPHS).get(state, "?")


def colour(state: str) -> str:
    """The state's colour as a rich style; empty for the terminal's own foreground."""
    return COLOURS.get(state, "")


def plain(text: str, ascii_only: bool = False) -> str:
    """`text` as it is or, for terminals without Unicode, in ASCII signs."""
    return text.translate(_ASCII).encode("ascii", "replace").decode() if ascii_only else text


def bar(share: float, width: int, ascii_only: bool = False) -> str:
    """A bar of `width` cells filled to `share` (0 to 1); full only at 1, empty only at 0."""
    if width <= 0:
        return ""
    halves = round(share * width * 2)
    if 0.0 < share < 1.0:
        halves = min(max(halves, 1), width * 2 - 1)
    full, half = divmod(halves, 2)
    if ascii_only:
        return ("#" * full + ("=" if half else "")).ljust(width, ".")
    return ("━" * full + ("╸" if half else "")).ljust(width, "─")
