"""A field database's evaluation rows as journals, so that a rebuild keeps them."""

import hashlib
import json
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from sqlalchemy import Connection, Row, func, select

from evsctl.db.journals import OpenJournal, Seen, record_seen
from evsctl.db.prompt_index import KEY_COLUMNS, stored_hashes
from evsctl.db.schema import evaluations, prompts
from evsctl.files import write_atomically
from evsctl.journal.keys import PromptKey
from evsctl.journal.paths import ModelRuns, RunsFolder
from evsctl.journal.records import JournalHeader, PromptResult

Answer = Row[str, int, int, float, float]
"""model_id, prompt_id, response_value, prob, p_valid."""


@dataclass(slots=True)
class FieldJournals:
    """What was written."""

    files: list[Path] = field(default_factory=list)
    prompts: int = 0
    problems: list[str] = field(default_factory=list)


def write_field_journals(conn: Connection, runs: RunsFolder) -> FieldJournals:
    """Write the evaluation rows once, as one journal per model named by its content, and note that they are merged.

    Provenance is unknown: no identity, and a start before every run's, so that nothing overtakes them.
    """
    found = FieldJournals()
    known = _KnownPrompts(conn)
    order = (evaluations.c.model_id, evaluations.c.prompt_id, evaluations.c.response_value)
    rows = conn.execute(select(*order, evaluations.c.prob, evaluations.c.p_valid).order_by(*order))
    for model_id, answers in groupby(rows, key=itemgetter(0)):
        lines = list(_lines(model_id, answers, known, found.problems))
        if not lines:
            continue
        if not _is_folder_name(model_id):
            found.problems.append(f"Model '{model_id}' cannot name a folder: its {len(lines)} prompts are in no journal.")
            continue
        found.files.append(_write(conn, runs.model(model_id), lines, known.count))
        found.prompts += len(lines)
    return found


class _KnownPrompts:
    """Key and hash of every prompt, by number."""

    def __init__(self, conn: Connection) -> None:
        self.keys = {number: PromptKey(*key) for number, *key in conn.execute(select(prompts.c.prompt_id, *KEY_COLUMNS))}
        self.hashes = stored_hashes(conn)
        self.count = int(conn.execute(select(func.count()).select_from(prompts)).scalar_one())


def _lines(model_id: str, answers: Iterable[Answer], known: _KnownPrompts, problems: list[str]) -> Iterator[str]:
    for prompt_id, rows in groupby(answers, key=itemgetter(1)):
        values = list(rows)
        digest = known.hashes.get(prompt_id)
        if digest is None:
            problems.append(f"Prompt {prompt_id} of {model_id} has no readable prompt row: its answer is in no journal.")
        elif (reason := _unfit(values)) is not None:
            problems.append(f"Prompt {prompt_id} of {model_id} {reason}: its answer is in no journal.")
        else:
            probs = {str(row[2]): float(row[3]) for row in values}
            result = PromptResult(known.keys[prompt_id], digest, float(values[0][4]), probs)
            yield json.dumps(result.to_json(), ensure_ascii=False) + "\n"


def _unfit(rows: Sequence[Answer]) -> str | None:
    """Why a journal would not take the rows; its reader's limits are these."""
    numbers = [number for row in rows for number in row[3:]]
    if None in numbers:
        return "has no p_valid"
    if not all(math.isfinite(x) and -1e-9 <= x <= 1 + 1e-6 for x in numbers):
        return "has probabilities beyond 0 and 1"
    if len({row[4] for row in rows}) > 1:
        return "has several p_valid"
    return None


def _is_folder_name(model_id: str) -> bool:
    return bool(model_id) and "/" not in model_id and "\0" not in model_id and not model_id.startswith(".")


def _write(conn: Connection, model: ModelRuns, lines: list[str], prompt_count: int) -> Path:
    body = "".join(lines)
    run_id = f"field-{hashlib.sha256(body.encode()).hexdigest()[:16]}"
    header = JournalHeader(run_id, model.model_id, None, None, None, None, None, None, None, None, 0, 0.0)
    file = model.create().journal(run_id)
    write_atomically(file, json.dumps(header.to_json(), ensure_ascii=False) + "\n" + body)
    stat = file.stat()
    seen = Seen(
        path=f"{model.model_id}/{file.name}",
        model_id=model.model_id,
        merged_bytes=stat.st_size,
        seen_size=stat.st_size,
        seen_mtime_ns=stat.st_mtime_ns,
        adopted=True,
        merged_prompts=len(lines),
        prompts_seen=prompt_count,
    )
    record_seen(conn, OpenJournal(file, seen, header, stat.st_size, stat.st_mtime_ns), seen, time.time())
    return file
