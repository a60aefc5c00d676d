"""Small studies to test the database room with."""

import json
import os
import pickle
import sqlite3
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from evsctl.db.connection import Database, open_database
from evsctl.db.populate import populate_survey
from evsctl.db.sync import SyncReport, sync_journals
from evsctl.journal.identity import ModelIdentity
from evsctl.journal.keys import PromptKey, prompt_hash
from evsctl.journal.paths import RunsFolder
from evsctl.journal.records import JournalHeader, PromptResult
from evsctl.journal.writer import JournalWriter
from evsctl.models.registry import Registry
from evsctl.models.spec import ModelSpec
from evsctl.settings import DatabaseLocation, database_location
from evsctl.survey.types import AnswerOption, Prompt, Question, Translation

FIVE = ("questions", "prompts", "models", "evaluations", "human_distributions")
CONFIGS = ("legacy", "rephrase")
TINY = ModelSpec("tiny", "org/tiny", "tiny")
MONO = ModelSpec("mono_eng", "org/mono_eng", "mono", languages=("eng",))
REGISTRY = Registry({"tiny": TINY, "mono_eng": MONO})
IDENTITY = ModelIdentity("tiny", "org/tiny", None, "bf16", False, "0123456789abcdef")


def a_question(number: int, langs: Sequence[str]) -> Question:
    """Question `v<number>` in these languages."""
    options = (AnswerOption(1, "Well"), AnswerOption(2, "Badly"))
    return Question(
        f"v{number}", "categorical", {lang: Translation(f"How, {number}?", "", f"How, {number}?", options, "Answer") for lang in langs}
    )


def a_prompt(number: int = 0, lang: str = "eng", permutation: int = 0, config: str = "legacy", variant: str | None = None) -> Prompt:
    """A prompt of question `v<number>`; permutation 1 has the values the other way round, in the same words."""
    value_map = {"1": "1", "2": "2"} if permutation == 0 else {"1": "2", "2": "1"}
    text = f"How, {number}?\n1. Well\n2. Badly\nAnswer: "
    kind = None if variant is None else "paraphrase"
    return Prompt(f"v{number}", lang, config, permutation, text, f"How, {number}?", ("1", "2"), value_map, False, variant, kind)


def a_survey(questions: int = 3, langs: Sequence[str] = ("eng", "fra"), permutations: int = 2) -> tuple[list[Question], list[Prompt]]:
    """Questions v0, v1, … and their prompts."""
    prompts = [a_prompt(n, lang, p) for n in range(questions) for lang in langs for p in range(permutations)]
    return [a_question(n, langs) for n in range(questions)], prompts


def key_of(prompt: Prompt) -> PromptKey:
    """Its natural key."""
    return PromptKey(prompt.question_id, prompt.lang, prompt.config, prompt.permutation_idx, prompt.variant_id)


def hash_of(prompt: Prompt) -> str:
    """Its hash."""
    return prompt_hash(prompt.prompt_text, prompt.valid_values, prompt.value_map, prompt.is_likert10)


def an_answer(prompt: Prompt, first: float = 0.25, p_valid: float = 0.9) -> PromptResult:
    """An answer to `prompt` that gives `first` to response 1."""
    return PromptResult(key_of(prompt), hash_of(prompt), p_valid, {"1": first, "2": 1 - first})


def a_failure(prompt: Prompt, reason: str = "not finite") -> PromptResult:
    """A record that `prompt` could not be answered."""
    return PromptResult(key_of(prompt), hash_of(prompt), None, None, reason)


def a_header(run_id: str, model_id: str = "tiny", started_at: float = 1000.0, identity: ModelIdentity | None = IDENTITY) -> JournalHeader:
    """The header of run `run_id`."""
    identity = replace(identity, model_id=model_id) if identity is not None else None
    return JournalHeader(run_id, model_id, "f" * 16, identity, "plan", "resident", "0.1", "node1", "a100", "11", 0, started_at)


class Study:
    """A study in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.location: DatabaseLocation = database_location("survey.db", folder, "search")
        self.runs = RunsFolder(self.location.runs_dir)

    @property
    def file(self) -> Path:
        """The database."""
        assert self.location.path is not None
        return self.location.path

    def populate(self, questions: int = 3, langs: Sequence[str] = ("eng", "fra"), permutations: int = 2) -> list[Prompt]:
        """Make the database with the small survey and both models; returns the prompts."""
        survey, prompts = a_survey(questions, langs, permutations)
        with open_database(self.location, create=True) as db:
            populate_survey(db, survey, prompts, REGISTRY)
        return prompts

    def open(self, *, write: bool = True) -> Database:
        """The database, for writing by default."""
        return open_database(self.location, write=write)

    def journal(
        self,
        run_id: str,
        results: Iterable[PromptResult],
        model_id: str = "tiny",
        started_at: float = 1000.0,
        identity: ModelIdentity | None = IDENTITY,
    ) -> Path:
        """Write the journal of a run; returns the file."""
        path = self.runs.model(model_id).journal(run_id)
        writer = JournalWriter(path, a_header(run_id, model_id, started_at, identity))
        writer.commit(list(results))
        writer.close()
        return path

    def sync(self, **options: Any) -> SyncReport:
        """Merge the journals."""
        with self.open() as db:
            return sync_journals(db, self.runs, **options)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of a query, by a connection of its own."""
        return query_rows(self.file, query, *values)

    def execute(self, *statements: str) -> None:
        """Change the database behind evsctl's back."""
        with closing(sqlite3.connect(self.file)) as conn, conn:
            for statement in statements:
                conn.execute(statement)

    def answers(self, model_id: str = "tiny") -> list[tuple[Any, ...]]:
        """(question, lang, permutation, response, prob, p_valid) of a model, sorted."""
        return self.rows(
            "SELECT question_id, lang, permutation_idx, response_value, prob, p_valid FROM evaluations JOIN prompts USING (prompt_id)"
            " WHERE model_id = ? ORDER BY 1, 2, 3, 4",
            model_id,
        )


def append_lines(path: Path, results: Iterable[PromptResult]) -> None:
    """Append whole lines to a journal, as its writer does."""
    with path.open("a", encoding="utf-8") as stream:
        stream.writelines(json.dumps(result.to_json()) + "\n" for result in results)


def query_rows(path: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    """Rows of a query on any SQLite file."""
    with closing(sqlite3.connect(path)) as conn:
        return conn.execute(query, values).fetchall()


def dump(path: Path, tables: Sequence[str] = FIVE) -> dict[str, list[Any]]:
    """Definition, columns and rows of these tables, rows in the order of their rowids."""
    found: dict[str, list[Any]] = {}
    for table in tables:
        definition = query_rows(path, "SELECT type, name, sql FROM sqlite_master WHERE tbl_name = ? ORDER BY type, name", table)
        found[table] = [definition, query_rows(path, f"SELECT rowid, * FROM {table} ORDER BY rowid")]
    return found


def whole_dump(path: Path) -> list[str]:
    """The whole database as SQL."""
    with closing(sqlite3.connect(path)) as conn:
        return list(conn.iterdump())


def as_stranger(action: Callable[[], Any]) -> Any:
    """Run `action` in a child process without root's rights: permission bits mean nothing to root.

    Whatever it imports must have been imported before. What it returns or raises comes back.
    """
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            answer = pickle.dumps(("returned", action()))
            status = 0
        except BaseException:  # noqa: BLE001  # the parent raises it again
            answer = pickle.dumps(("raised", traceback.format_exc()))
        os.write(theirs, answer)
        os._exit(status)
    os.close(theirs)
    with os.fdopen(ours, "rb") as stream:
        raw = stream.read()
    os.waitpid(pid, 0)
    kind, value = pickle.loads(raw)
    assert kind == "returned", value
    return value
