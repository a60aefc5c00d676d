"""Which journals hold something new: what was merged of each, and what stands on disk now."""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from evsctl.db.schema import retraction_marks, runs
from evsctl.journal.paths import ModelRuns, RunsFolder
from evsctl.journal.reader import read_journal
from evsctl.journal.records import JournalHeader

TAIL_BYTES = 256


@dataclass(frozen=True, slots=True)
class Seen:
    """A row of `runs`: how far a journal was merged, and how it looked then."""

    path: str
    """Below the runs folder, `model/run.jsonl`."""
    model_id: str
    merged_bytes: int = 0
    seen_size: int = -1
    """Size when it was read to its end; -1 while something is left to read."""
    seen_mtime_ns: int = 0
    head_digest: str | None = None
    tail_digest: str | None = None
    adopted: bool = False
    """Written from a field database whose rows stand in this very database."""
    merged_prompts: int = 0
    not_asked: int = 0
    """Lines passed over because the database held no such prompt."""
    prompts_seen: int = 0
    """Prompts the database held then: with more of them, those lines are read again."""
    merged_at: float = 0.0
    """When it was last read, in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class OpenJournal:
    """A journal with something to read."""

    file: Path
    seen: Seen
    header: JournalHeader | None
    """None: no whole first line, or a bad one."""
    size: int
    mtime_ns: int
    problems: tuple[str, ...] = ()


def load_seen(conn: Connection) -> dict[str, Seen]:
    """Every row of `runs`, by path."""
    names = ("path", "model_id", "merged_bytes", "seen_size", "seen_mtime_ns", "head_digest", "tail_digest", "adopted")
    more = ("merged_prompts", "not_asked", "prompts_seen", "merged_at")
    rows = conn.execute(select(*(runs.c[name] for name in (*names, *more))))
    return {row.path: replace(Seen(**row._mapping), adopted=bool(row.adopted)) for row in rows}


def changed_journals(folder: RunsFolder, seen: Mapping[str, Seen], prompt_count: int) -> list[tuple[ModelRuns, Path, Seen]]:
    """Journals whose size or time differs from when they were last read, by one look at each file's entry."""
    found = []
    for model in folder.models():
        for file in model.journals():
            name = f"{model.model_id}/{file.name}"
            have = seen.get(name, Seen(name, model.model_id))
            if have.not_asked and have.prompts_seen != prompt_count:
                have = replace(have, merged_bytes=0, seen_size=-1, not_asked=0)
            try:
                stat = file.stat()
            except FileNotFoundError:
                continue
            if (stat.st_size, stat.st_mtime_ns) != (have.seen_size, have.seen_mtime_ns):
                found.append((model, file, have))
    return found


def open_journal(file: Path, seen: Seen) -> OpenJournal:
    """Look at a journal's head; one that shrank or was replaced is to be read from its beginning.

    Raises OSError where the file cannot be read.
    """
    stat = file.stat()
    content = read_journal(file, 0, max_bytes=1)
    if seen.merged_bytes and (
        stat.st_size < seen.merged_bytes or _digests(file, seen.merged_bytes) != (seen.head_digest, seen.tail_digest)
    ):
        seen = replace(seen, merged_bytes=0)
    problems = tuple(content.problems) if content.header is None else ()
    header = content.header
    if header is not None and (wrong := _wrong_header(header, seen.model_id)):
        header, problems = None, (f"{file}, line 1: {wrong}; the whole file is left aside.",)
    return OpenJournal(file, seen, header, stat.st_size, stat.st_mtime_ns, problems)


def _wrong_header(header: JournalHeader, model_id: str) -> str:
    if header.model_id != model_id:
        return f"it names model '{header.model_id}', and lies in the folder of '{model_id}'"
    if header.identity is not None and header.identity.model_id != model_id:
        return f"its identity is that of model '{header.identity.model_id}'"
    started: object = header.started_at
    if not isinstance(started, int | float) or not isinstance(header.run_id, str):
        return "its run id or start time is none"
    return ""


def record_seen(conn: Connection, journal: OpenJournal, seen: Seen, at: float) -> None:
    """Store how far the journal was merged, within the transaction that merges it."""
    head, tail = _digests(journal.file, seen.merged_bytes) if seen.merged_bytes else (None, None)
    values: dict[str, Any] = {name: getattr(seen, name) for name in ("path", "model_id", "merged_bytes", "seen_size", "seen_mtime_ns")}
    values |= {"head_digest": head, "tail_digest": tail, "adopted": int(seen.adopted), "merged_prompts": seen.merged_prompts}
    values |= {"not_asked": seen.not_asked, "prompts_seen": seen.prompts_seen, "merged_at": at}
    if (header := journal.header) is not None:
        same = ("run_id", "started_at", "manifest_hash", "plan_hash", "executor", "engine_version", "host", "gpu", "job_id", "restart")
        values |= {name: getattr(header, name) for name in same}
        values["identity"] = json.dumps(header.identity.to_json(), sort_keys=True) if header.identity else None
    conn.execute(delete(runs).where(runs.c.path == seen.path))
    conn.execute(insert(runs).values(**values))


def _digests(file: Path, end: int) -> tuple[str, str]:
    """Short digests of the first line and of the last bytes before `end`: a replaced file has others."""
    with file.open("rb") as stream:
        head = stream.readline()
        stream.seek(max(0, end - TAIL_BYTES))
        tail = stream.read(min(end, TAIL_BYTES))
    return hashlib.sha256(head).hexdigest()[:16], hashlib.sha256(tail).hexdigest()[:16]


def load_marks(conn: Connection) -> dict[str, tuple[int, int]]:
    """By model, size and time of the retractions that were last applied."""
    return {model_id: (size, mtime) for model_id, size, mtime in conn.execute(select(retraction_marks))}


def retractions_stand(model: ModelRuns) -> tuple[int, int] | None:
    """Size and time of the model's retractions as they are now; None where there are none."""
    try:
        stat = model.retractions.stat()
    except FileNotFoundError:
        return None
    return stat.st_size, stat.st_mtime_ns


def mark_retractions(conn: Connection, model_id: str, mark: tuple[int, int]) -> None:
    """Note that retractions of that size and time were applied."""
    conn.execute(delete(retraction_marks).where(retraction_marks.c.model_id == model_id))
    conn.execute(insert(retraction_marks).values(model_id=model_id, seen_size=mark[0], seen_mtime_ns=mark[1]))


def read_again(conn: Connection, model_ids: Collection[str] | None = None) -> None:
    """Have the next sync read these models' journals (None: all) from their beginning."""
    statement = update(runs).values(merged_bytes=0, seen_size=-1, not_asked=0)
    conn.execute(statement if model_ids is None else statement.where(runs.c.model_id.in_(sorted(model_ids))))
