"""Retractions: results taken back by `redo`, without touching a journal."""

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evsctl.files import PRIVATE_FILE_MODE, make_private_folder, sync_folder
from evsctl.journal.keys import BAD_LINE, complaint
from evsctl.journal.reader import JournalLine


@dataclass(frozen=True, slots=True)
class Retraction:
    """One line of retractions.jsonl: what was taken back, when, by whom and why.

    It covers what stood in the journals when it was made (`upto`: run id → bytes), so a later answer to the same
    prompt counts again. Empty filters take every value.
    """

    reason: str
    by: str
    at: float
    upto: dict[str, int]
    langs: tuple[str, ...] = ()
    configs: tuple[str, ...] = ()
    question_ids: tuple[str, ...] = ()

    def covers(self, line: JournalLine) -> bool:
        """Whether this retraction takes `line` back."""
        key = line.result.key
        return (
            line.offset < self.upto.get(line.header.run_id, 0)
            and (not self.langs or key.lang in self.langs)
            and (not self.configs or key.config in self.configs)
            and (not self.question_ids or key.question_id in self.question_ids)
        )

    def to_json(self) -> dict[str, Any]:
        """The line."""
        return {
            "reason": self.reason,
            "by": self.by,
            "at": self.at,
            "upto": self.upto,
            "langs": list(self.langs),
            "configs": list(self.configs),
            "question_ids": list(self.question_ids),
        }


@dataclass(frozen=True, slots=True)
class Retractions:
    """All retractions of one model."""

    entries: tuple[Retraction, ...] = ()
    problems: tuple[str, ...] = field(default=())

    def cover(self, line: JournalLine) -> bool:
        """Whether any retraction takes `line` back."""
        return any(entry.covers(line) for entry in self.entries)


def read_retractions(path: Path) -> Retractions:
    """Read a model's retractions; a missing file is none, a bad line is named and passed over."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1]  # what follows the last newline is torn, or being written
    except FileNotFoundError:
        return Retractions()
    entries: list[Retraction] = []
    problems: list[str] = []
    for number, raw in enumerate(lines, 1):
        try:
            entries.append(_from_json(json.loads(raw.decode())))
        except BAD_LINE as error:
            problems.append(f"{path}, line {number}: not a retraction ({complaint(error)}); the line is left aside.")
    return Retractions(tuple(entries), tuple(problems))


def _from_json(value: dict[str, Any]) -> Retraction:
    def texts(name: str) -> tuple[str, ...]:
        if not isinstance(value[name], list):
            raise TypeError(f"'{name}' is not a list")
        return tuple(str(item) for item in value[name])

    upto = {str(run): int(end) for run, end in value["upto"].items()}
    return Retraction(
        str(value["reason"]), str(value["by"]), float(value["at"]), upto, texts("langs"), texts("configs"), texts("question_ids")
    )


def append_retraction(path: Path, retraction: Retraction) -> None:
    """Add a retraction and wait until it is on disk; raises OSError where it is not, and then nothing was added."""
    make_private_folder(path.parent)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, PRIVATE_FILE_MODE)
    try:
        before = os.fstat(handle).st_size
        line = (json.dumps(retraction.to_json(), ensure_ascii=False) + "\n").encode("utf-8")
        if before and os.pread(handle, 1, before - 1) != b"\n":
            line = b"\n" + line  # an earlier one was torn: end its line, or this one would be lost with it
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle)
        except BaseException:
            with suppress(OSError):
                os.ftruncate(handle, before)
            raise
    finally:
        os.close(handle)
    sync_folder(path.parent)
