"""Commands as people read and paste them."""

import re
import shlex
from collections.abc import Sequence

_PLAIN = re.compile(r"[\w@%+=:,./^-]+", re.ASCII)
_SAFE_IN_DOUBLE_QUOTES = re.compile(r"""[^"$`\\!\x00-\x1f]+""")


def shell_line(argv: Sequence[str]) -> str:
    """One line that a shell reads back as exactly this argv; `--constraint="a100|h100"` is quoted where people would."""
    return " ".join(_quoted(part) for part in argv)


def _quoted(part: str) -> str:
    if _PLAIN.fullmatch(part):
        return part
    name, equals, value = part.partition("=")
    if equals and re.fullmatch(r"--[\w-]+", name) and _SAFE_IN_DOUBLE_QUOTES.fullmatch(value):
        return f'{name}="{value}"'
    return shlex.quote(part)
