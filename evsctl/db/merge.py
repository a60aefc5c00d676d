"""Merging journal lines into evaluation rows, inside a transaction that the caller owns."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, delete, select

from evsctl.db.engines import insert_rows
from evsctl.db.prompt_index import IDS_PER_STATEMENT, PromptIndex, chunks
from evsctl.db.schema import evaluations, failures
from evsctl.db.state import read_identity, refined, write_identity
from evsctl.db.tally import Done, Part
from evsctl.journal.accept import refusal
from evsctl.journal.identity import ModelIdentity
from evsctl.journal.keys import PromptKey
from evsctl.journal.reader import JournalLine
from evsctl.journal.retractions import Retractions

_SOURCE_COLUMNS = ("model_id", "prompt_id", "run_id", "line_offset")
FAILED, NOT_ASKED = "failed", "not asked for"


@dataclass(slots=True)
class SyncTally:
    """What a sync did so far, over all its transactions."""

    merged: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    problems: dict[str, None] = field(default_factory=dict)
    """In the order they were met, each once."""
    by_model: Counter[str] = field(default_factory=Counter)

    def add_problem(self, sentence: str) -> None:
        """Note a problem, once."""
        self.problems.setdefault(sentence)


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync did."""

    merged: int
    """Prompts that got their rows."""
    refused: dict[str, int]
    """Reason → lines of journals that do not count; `failed` are prompts that the engine could not answer."""
    problems: tuple[str, ...]
    """One sentence per bad line, unreadable journal or unknown model."""
    by_model: dict[str, int]
    finished: bool
    """False: the budget was spent first; the next sync goes on from there."""


def report_of(tally: SyncTally, finished: bool) -> SyncReport:
    """The tally as a report."""
    by_model = {model_id: count for model_id, count in sorted(tally.by_model.items()) if count}
    return SyncReport(tally.merged, dict(sorted(tally.refused.items())), tuple(tally.problems), by_model, finished)


@dataclass(slots=True)
class MergedLines:
    """What a batch of one journal's lines came to."""

    merged: int = 0
    not_asked: int = 0


class ModelMerger:
    """Judges and stores the lines of one model within one transaction."""

    def __init__(self, conn: Connection, model_id: str, index: PromptIndex, retractions: Retractions, tally: SyncTally) -> None:
        self._conn = conn
        self._model_id = model_id
        self._index = index
        self._retractions = retractions
        self._tally = tally
        self._identity: ModelIdentity | None = read_identity(conn, model_id)
        self.gained: dict[Part, Done] = {}
        """What the model's counts grew by."""

    def merge(self, lines: Sequence[JournalLine]) -> MergedLines:
        """Store the answers among these lines of one journal that count and that the database lacks."""
        keys = {line.result.key for line in lines}
        expected = self._index.hashes(keys)
        answered = self._answered(expected)
        accepted: dict[PromptKey, JournalLine] = {}
        failed: dict[PromptKey, JournalLine] = {}
        outcome = MergedLines()
        for line in lines:
            key = line.result.key
            reason = self._judge(line, expected)
            if reason is None and key not in answered:
                self._fix_identity(line)
                accepted[key] = line
                answered.add(key)
                failed.pop(key, None)
            elif reason == FAILED and key not in answered:
                failed[key] = line
            outcome.not_asked += reason == NOT_ASKED
            if reason is not None:
                self._tally.refused[reason] += 1
        self._store(accepted)
        self._store_failed(failed)
        outcome.merged = len(accepted)
        self._tally.merged += len(accepted)
        self._tally.by_model[self._model_id] += len(accepted)
        return outcome

    def _judge(self, line: JournalLine, expected: dict[PromptKey, str]) -> str | None:
        """Why the line is no answer; a recorded failure must be one of what is asked, by the same judge."""
        failed = line.result.failed is not None
        judged = replace(line, result=replace(line.result, failed=None)) if failed else line
        reason = refusal(judged, self._identity, expected, self._retractions)
        return reason if reason is not None or not failed else FAILED

    def _answered(self, expected: dict[PromptKey, str]) -> set[PromptKey]:
        """Which of the keys have a row already, under whichever of their numbers."""
        key_of = {prompt_id: key for key in expected for prompt_id in self._index.ids(key)}
        found = set()
        for part in chunks(sorted(key_of), IDS_PER_STATEMENT):
            statement = select(evaluations.c.prompt_id).where(evaluations.c.model_id == self._model_id, evaluations.c.prompt_id.in_(part))
            found |= {key_of[prompt_id] for prompt_id in self._conn.execute(statement.distinct()).scalars()}
        return found

    def _fix_identity(self, line: JournalLine) -> None:
        known = refined(self._identity, line.header.identity)
        if known is not None and known != self._identity:
            self._identity = known
            write_identity(self._conn, known, line.header.run_id)

    def _store(self, accepted: dict[PromptKey, JournalLine]) -> None:
        if not accepted:
            return
        rows, sources = [], []
        for key, line in accepted.items():
            prompt_id, p_valid = self._index.ids(key)[0], line.result.p_valid or 0.0
            rows += [(prompt_id, self._model_id, int(value), prob, p_valid) for value, prob in (line.result.probs or {}).items()]
            sources.append((self._model_id, prompt_id, line.header.run_id, line.offset))
            part = Part(key.config, key.lang)
            self.gained[part] = self.gained.get(part, Done(0, 0.0)).plus(Done(1, p_valid))
        insert_rows(self._conn, "evaluations", ("prompt_id", "model_id", "response_value", "prob", "p_valid"), rows)
        insert_rows(self._conn, "provenance", _SOURCE_COLUMNS, sources)
        self._drop_failed([source[1] for source in sources])

    def _store_failed(self, failed: dict[PromptKey, JournalLine]) -> None:
        if failed:
            rows = [
                (self._model_id, self._index.ids(key)[0], line.header.run_id, line.offset, str(line.result.failed))
                for key, line in failed.items()
            ]
            self._drop_failed([row[1] for row in rows])
            insert_rows(self._conn, "failures", (*_SOURCE_COLUMNS, "reason"), rows)

    def _drop_failed(self, ids: Sequence[int]) -> None:
        for part in chunks(ids, IDS_PER_STATEMENT):
            self._conn.execute(delete(failures).where(failures.c.model_id == self._model_id, failures.c.prompt_id.in_(part)))


def past(deadline: float | None) -> bool:
    """Whether the budget is spent; `deadline` is by the monotonic clock."""
    return deadline is not None and time.monotonic() >= deadline
