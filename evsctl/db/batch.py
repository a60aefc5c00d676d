"""One transaction's worth of a sync: changed journals in the order of their runs, up to a line boundary."""

import time
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection, delete, exists, func, select

from evsctl.db.journals import (
    OpenJournal,
    Seen,
    changed_journals,
    load_marks,
    load_seen,
    mark_retractions,
    open_journal,
    read_again,
    record_seen,
    retractions_stand,
)
from evsctl.db.merge import ModelMerger, SyncTally, past
from evsctl.db.prompt_index import PromptIndex
from evsctl.db.schema import evaluations, models, prompts, provenance
from evsctl.db.superseding import apply_retractions
from evsctl.db.tally import Done, Part, add_to_cache, cache_is_true, forget_cache, refresh_cache
from evsctl.journal.paths import ModelRuns, RunsFolder
from evsctl.journal.reader import read_journal
from evsctl.journal.retractions import Retractions, read_retractions

CHUNK_BYTES = 1 << 20
HASTY_CHUNK_BYTES = 1 << 16
"""Read at once on a budget: about 150 answers, some milliseconds."""

Work = dict[str, list[tuple[Path, Seen]]]


def has_news(conn: Connection, folder: RunsFolder) -> bool:
    """Whether a sync would find something to do, by looking at file sizes and times only, and at the truth of the cache."""
    if not cache_is_true(conn):
        return True
    marks = load_marks(conn)
    if any(retractions_stand(model) not in (None, marks.get(model.model_id)) for model in folder.models()):
        return True
    return bool(changed_journals(folder, load_seen(conn), _count_prompts(conn)))


def _count_prompts(conn: Connection) -> int:
    return int(conn.execute(select(func.count()).select_from(prompts)).scalar_one())


class Batch:
    """Merges within the caller's transaction; one for each of them, what they share is handed over."""

    def __init__(self, conn: Connection, folder: RunsFolder, tally: SyncTally, deadline: float | None, max_lines: int | None) -> None:
        self._conn = conn
        self._folder = folder
        self._tally = tally
        self._deadline = deadline
        self._room = max_lines
        self._prompt_count = _count_prompts(conn)
        self._gained: dict[str, dict[Part, Done]] = {}
        self._recount: set[str] = set()
        self._index = PromptIndex(conn)
        self._chunks = 0

    def run(self) -> bool:
        """Merge until nothing is new, the budget is spent or the batch is full; returns whether nothing is new any more."""
        counted = cache_is_true(self._conn)
        finished = self._run_models()
        if not counted and finished and not past(self._deadline):
            refresh_cache(self._conn)
        elif not counted:
            forget_cache(self._conn)
        elif self._gained or self._recount:
            add_to_cache(self._conn, self._gained)
            if self._recount:
                refresh_cache(self._conn, sorted(self._recount))
        return finished

    def _run_models(self) -> bool:
        known = set(self._conn.execute(select(models.c.model_id)).scalars())
        self._apply_retractions(known)
        work = self._work()
        for model in self._in_turn(work):
            if model.model_id not in known:
                self._tally.add_problem(f"{model.folder}: the database has no model '{model.model_id}'; `evsctl models add` registers it.")
            elif not self._run_model(model, work[model.model_id]):
                return False
        return True

    def _apply_retractions(self, known: Collection[str]) -> None:
        """Before anything is merged: an answer that was taken back would bar the way for a later one."""
        marks = load_marks(self._conn)
        for model in self._folder.models():
            mark = retractions_stand(model)
            if mark is None or mark == marks.get(model.model_id) or model.model_id not in known:
                continue
            if (retractions := self._retractions(model)) is None:
                continue
            if apply_retractions(self._conn, model.model_id, retractions, time.time()):
                self._recount.add(model.model_id)
            mark_retractions(self._conn, model.model_id, mark)

    def _retractions(self, model: ModelRuns) -> Retractions | None:
        try:
            retractions = read_retractions(model.retractions)
        except OSError as error:
            self._tally.add_problem(f"{model.retractions} cannot be read: {error.strerror}; nothing of the model is merged without it.")
            return None
        for sentence in retractions.problems:
            self._tally.add_problem(sentence)
        return retractions

    def _work(self) -> Work:
        work: Work = {}
        for model, file, seen in changed_journals(self._folder, load_seen(self._conn), self._prompt_count):
            work.setdefault(model.model_id, []).append((file, seen))
        return work

    def _in_turn(self, work: Work) -> list[ModelRuns]:
        """Who was merged longest ago comes first: on a small budget every model gets its turn."""
        return sorted(
            (self._folder.model(model_id) for model_id in work), key=lambda model: min(s.merged_at for _, s in work[model.model_id])
        )

    def _run_model(self, model: ModelRuns, work: list[tuple[Path, Seen]]) -> bool:
        if (retractions := self._retractions(model)) is None:
            return True
        merger = ModelMerger(self._conn, model.model_id, self._index, retractions, self._tally)
        try:
            return all(self._run_journal(journal, merger) for journal in self._opened(work))
        finally:
            if merger.gained:
                self._gained[model.model_id] = merger.gained

    def _opened(self, work: list[tuple[Path, Seen]]) -> list[OpenJournal]:
        """The journals that can be read, earliest run first."""
        found = []
        for file, seen in work:
            try:
                journal = open_journal(file, seen)
            except OSError as error:
                self._tally.add_problem(f"{file} cannot be read: {error.strerror}.")
                continue
            for sentence in journal.problems:
                self._tally.add_problem(sentence)
            if journal.header is not None:
                found.append(journal)
            elif journal.problems:
                looked = replace(
                    seen, merged_bytes=0, seen_size=journal.size, seen_mtime_ns=journal.mtime_ns, prompts_seen=self._prompt_count
                )
                record_seen(self._conn, journal, looked, time.time())
        return sorted(found, key=lambda journal: (journal.header.started_at if journal.header else 0.0, journal.file.name))

    def _run_journal(self, journal: OpenJournal, merger: ModelMerger) -> bool:
        """Merge what is new in one journal; returns whether it was read to its end."""
        seen = journal.seen
        merged, not_asked, complete = seen.merged_prompts, seen.not_asked, False
        offset = seen.merged_bytes
        while not complete and not self._is_full():
            content = read_journal(journal.file, offset, HASTY_CHUNK_BYTES if self._deadline is not None else CHUNK_BYTES)
            complete = content.end == offset
            offset = content.end
            for sentence in content.problems:
                self._tally.add_problem(sentence)
            self._chunks += 1
            outcome = merger.merge(content.lines)
            merged, not_asked = merged + outcome.merged, not_asked + outcome.not_asked
            if self._room is not None:
                self._room -= len(content.lines)
        size = journal.size if complete else -1
        seen = replace(seen, merged_bytes=offset, seen_size=size, seen_mtime_ns=journal.mtime_ns, merged_prompts=merged)
        record_seen(self._conn, journal, replace(seen, not_asked=not_asked, prompts_seen=self._prompt_count), time.time())
        return complete

    def _is_full(self) -> bool:
        """Never before the first chunk: on a slow machine a small budget must still get somewhere."""
        return self._chunks > 0 and (past(self._deadline) or (self._room is not None and self._room <= 0))


def forget_lost(conn: Connection) -> None:
    """Where rows that were merged are gone (deleted by hand), have the journals of their models read again."""
    there = exists().where(evaluations.c.model_id == provenance.c.model_id, evaluations.c.prompt_id == provenance.c.prompt_id)
    lost = sorted(set(conn.execute(select(provenance.c.model_id).where(~there)).scalars()))
    if lost:
        conn.execute(delete(provenance).where(~there))
        read_again(conn, lost)
