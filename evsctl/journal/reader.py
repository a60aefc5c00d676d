"""Readers of run journals: from any byte offset, past torn tails, naming every bad line."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from evsctl.journal.keys import BAD_LINE, complaint
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
    """None: the file has no whole first line yet, or a bad one (then `problems` says so, and `end` is 0)."""
    lines: list[JournalLine] = field(default_factory=list)
    footer: JournalFooter | None = None
    problems: list[str] = field(default_factory=list)
    """One sentence per bad line, with file and line; the good lines around it are kept."""
    end: int = 0
    """Byte after the last whole line: where the next reading goes on."""


def read_journal(path: Path, offset: int = 0, max_bytes: int | None = None) -> JournalContent:
    """Read the whole lines of a journal from byte `offset` (a former `end`) on.

    A last line without its newline is a torn tail, or one being written: it is left for the next reading. Where no line
    begins at `offset` any more (a failed commit was cut off since), the journal is read from its first result again.
    With `max_bytes` it stops at the first whole line that reaches so many bytes. Raises OSError where the file cannot
    be read.
    """
    content = JournalContent()
    with path.open("rb") as stream:
        first = stream.readline()
        if not first.endswith(b"\n"):
            return content
        content.header = _read_header(path, first, content)
        if content.header is None:
            return content
        start = content.end = _line_start(stream, offset, len(first))
        stream.seek(start)
        lines = _read_part(stream, max_bytes).split(b"\n")[:-1]
    bad = [(index, error) for index, raw in enumerate(lines) if (error := _read_line(raw, content, content.header))]
    if bad:  # only now are the lines passed over counted, so that a bad one is named by its number in the file
        number = _count_lines(path, start) + 1
        content.problems += [f"{path}, line {number + index}: not a result ({error}); the line is left aside." for index, error in bad]
    return content


def _read_part(stream: BinaryIO, max_bytes: int | None) -> bytes:
    if max_bytes is None:
        return stream.read()
    part = stream.read(max_bytes)
    return part if part.endswith(b"\n") else part + stream.readline()


def _line_start(stream: BinaryIO, offset: int, first: int) -> int:
    if offset <= first:
        return first
    stream.seek(offset - 1)
    return offset if stream.read(1) == b"\n" else first


def _count_lines(path: Path, end: int) -> int:
    with path.open("rb") as stream:
        return stream.read(end).count(b"\n")


def _read_header(path: Path, raw: bytes, content: JournalContent) -> JournalHeader | None:
    try:
        return JournalHeader.from_json(json.loads(raw.decode()))
    except BAD_LINE as error:
        content.problems.append(f"{path}, line 1: not a journal header ({complaint(error)}); the whole file is left aside.")
        return None


def _read_line(raw: bytes, content: JournalContent, header: JournalHeader) -> str | None:
    """Add one line to `content`; returns what is wrong with it, if anything is."""
    offset = content.end
    content.end += len(raw) + 1
    try:
        value = json.loads(raw.decode())
        if not isinstance(value, dict):
            raise TypeError(f"{raw[:20]!r} is not an object")
        if "footer" in value:
            content.footer = JournalFooter(**value["footer"])
        elif "event" not in value:
            content.lines.append(JournalLine(header, offset, PromptResult.from_json(value)))
    except BAD_LINE as error:
        return complaint(error)
    return None
