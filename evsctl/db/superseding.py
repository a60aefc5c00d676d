"""Taking rows back: they move to `superseded` with the reason, and only rows that evsctl wrote ever do."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, exists, insert, literal, select

from evsctl.db.journals import read_again
from evsctl.db.prompt_index import IDS_PER_STATEMENT, KEY_COLUMNS, chunks
from evsctl.db.schema import evaluations, failures, prompts, provenance, runs, superseded
from evsctl.db.state import forget_identity
from evsctl.journal.keys import PromptKey
from evsctl.journal.reader import JournalLine
from evsctl.journal.records import JournalHeader, PromptResult
from evsctl.journal.retractions import Retraction, Retractions


def apply_retractions(conn: Connection, model_id: str, retractions: Retractions, at: float) -> int:
    """Take back every merged answer of the model that a retraction covers; returns how many prompts.

    What was applied before is found gone, so it may be called again after a crash. Journals that may hold another
    answer, passed over while these stood, are read again by the next sync.
    """
    back: dict[int, Retraction] = {}
    for prompt_id, run_id, offset, *key in conn.execute(_merged(model_id)):
        line = _line(model_id, run_id, offset, PromptKey(*key))
        if (entry := next((entry for entry in retractions.entries if entry.covers(line)), None)) is not None:
            back[prompt_id] = entry
    _take_back(conn, model_id, back, at)
    _forget_failures(conn, model_id, retractions)
    if not _identity_is_held(conn, model_id):
        forget_identity(conn, model_id)
    if back and _something_was_passed_over(conn, model_id, back.values()):
        read_again(conn, [model_id])
    return len(back)


def _something_was_passed_over(conn: Connection, model_id: str, entries: Collection[Retraction]) -> bool:
    """Whether a journal was merged beyond what these retractions cover of it."""
    least = {id(entry): entry for entry in entries}.values()
    merged = conn.execute(select(runs.c.run_id, runs.c.merged_bytes).where(runs.c.model_id == model_id)).all()
    return any(end > entry.upto.get(run_id, 0) for entry in least for run_id, end in merged)


def _take_back(conn: Connection, model_id: str, back: Mapping[int, Retraction], at: float) -> None:
    by_reason: dict[str, list[int]] = {}
    for prompt_id, entry in back.items():
        by_reason.setdefault(entry.reason, []).append(prompt_id)
    for reason, ids in by_reason.items():
        for part in chunks(ids, IDS_PER_STATEMENT):
            _move(conn, model_id, part, reason, at)


def _move(conn: Connection, model_id: str, ids: Sequence[int], reason: str, at: float) -> None:
    own = (provenance.c.model_id == evaluations.c.model_id) & (provenance.c.prompt_id == evaluations.c.prompt_id)
    rows = (
        select(*evaluations.c, provenance.c.run_id, literal(reason), literal(at))
        .join(provenance, own)
        .where(evaluations.c.model_id == model_id, evaluations.c.prompt_id.in_(ids))
    )
    names = [*evaluations.c.keys(), "run_id", "reason", "superseded_at"]
    conn.execute(insert(superseded).from_select(names, rows))
    for table in (evaluations, provenance):
        conn.execute(delete(table).where(table.c.model_id == model_id, table.c.prompt_id.in_(ids)))


def _merged(model_id: str) -> Select[*tuple[Any, ...]]:
    return (
        select(provenance.c.prompt_id, provenance.c.run_id, provenance.c.line_offset, *KEY_COLUMNS)
        .join(prompts, prompts.c.prompt_id == provenance.c.prompt_id)
        .where(provenance.c.model_id == model_id)
    )


def _line(model_id: str, run_id: str, offset: int, key: PromptKey) -> JournalLine:
    """A merged answer as the journal line it came from, as far as a retraction asks."""
    header = JournalHeader(run_id, model_id, None, None, None, None, None, None, None, None, 0, 0.0)
    return JournalLine(header, offset, PromptResult(key, "", None, None))


def _forget_failures(conn: Connection, model_id: str, retractions: Retractions) -> None:
    statement = (
        select(failures.c.prompt_id, failures.c.run_id, failures.c.line_offset, *KEY_COLUMNS)
        .join(prompts, prompts.c.prompt_id == failures.c.prompt_id)
        .where(failures.c.model_id == model_id)
    )
    covered = [
        {"gone": prompt_id}
        for prompt_id, run_id, offset, *key in conn.execute(statement)
        if retractions.cover(_line(model_id, run_id, offset, PromptKey(*key)))
    ]
    if covered:
        conn.execute(delete(failures).where(failures.c.model_id == model_id, failures.c.prompt_id == bindparam("gone")), covered)


def _identity_is_held(conn: Connection, model_id: str) -> bool:
    """Whether an answer is left whose run said with what it answered."""
    held = exists().where(
        provenance.c.model_id == model_id,
        runs.c.model_id == model_id,
        runs.c.run_id == provenance.c.run_id,
        runs.c.identity.is_not(None),
    )
    return bool(conn.execute(select(held)).scalar_one())
