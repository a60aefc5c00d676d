"""Readers of run journals: from any byte offset, past torn tails, naming every bad line."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from evsctl.journal.records import JournalFooter, JournalHeader, PromptResult


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One result where it stands: `acceptable` judges it with the header of its journal."""

    header: JournalHeader
    offset: int
    """Byte at which the line begins."""
    result: PromptResult


@dataclass(slots=True)
class JournalContent:
    """What a journal holds from an offset on."""

    header: JournalHeader | None = None
    """None: the file has no whole first line yet, or a bad one (then `problems` says so)."""
    lines: list[JournalLine] = field(default_factory=list)
    footer: JournalFooter | None = None
    problems: list[str] = field(default_factory=list)
    """One sentence per bad line, with file and line; the good lines around it are kept."""
    end: int = 0
    """Byte after the last whole line: where the next reading goes on."""


def read_journal(path: Path, offset: int = 0) -> JournalContent:
    """Read the whole lines of a journal from byte `offset` (a former `end`) on.

    A last line without its newline is a torn tail, or one being written: it is left for the next reading.
    Raises OSError where the file cannot be read.
    """
    content = JournalContent(end=offset)
    with path.open("rb") as stream:
        first = stream.readline()
        if not first.endswith(b"\n"):
            return content
        content.header = _read_header(path, first, content)
        if content.header is None:
            return content
        start = max(offset, len(first))
        number = 2
        if start > len(first):  # count the lines passed over, so that a bad one is named by its number in the file
            stream.seek(0)
            number = stream.read(start).count(b"\n") + 1
        stream.seek(start)
        content.end = start
        for raw in _whole_lines(stream.read()):
            _read_line(path, number, raw, content)
            content.end += len(raw)
            number += 1
    return content


def _whole_lines(data: bytes) -> Iterator[bytes]:
    for raw in data.split(b"\n")[:-1]:
        yield raw + b"\n"


def _read_header(path: Path, raw: bytes, content: JournalContent) -> JournalHeader | None:
    try:
        return JournalHeader.from_json(json.loads(raw))
    except (ValueError, KeyError, TypeError) as error:
        content.problems.append(f"{path}, line 1: not a journal header ({error!s}); the whole file is left aside.")
        return None


def _read_line(path: Path, number: int, raw: bytes, content: JournalContent) -> None:
    assert content.header is not None
    try:
        value = json.loads(raw)
        if "footer" in value:
            content.footer = JournalFooter(**value["footer"])
        elif "event" not in value:
            content.lines.append(JournalLine(content.header, content.end, PromptResult.from_json(value)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        content.problems.append(f"{path}, line {number}: not a result ({error!s}); the line is left aside.")
