"""Databases as they exist in the field, made by their own statements, without evsctl."""

import json
import random
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

from evsctl.survey.types import Prompt
from tests.db.factories import a_survey

DDL = """
CREATE TABLE questions (question_id TEXT PRIMARY KEY, response_type TEXT NOT NULL);
CREATE TABLE prompts (prompt_id INTEGER PRIMARY KEY AUTOINCREMENT, question_id TEXT NOT NULL REFERENCES questions, lang TEXT NOT NULL,
  config TEXT, permutation_idx INTEGER NOT NULL, prompt_text TEXT NOT NULL, question_text TEXT NOT NULL, valid_values TEXT NOT NULL,
  value_map TEXT NOT NULL, is_likert10 INTEGER NOT NULL DEFAULT 0, chat_template INTEGER NOT NULL DEFAULT 0, variant_id TEXT,
  variant_type TEXT, UNIQUE(question_id, lang, permutation_idx, chat_template, config, variant_id));
CREATE TABLE models (model_id TEXT PRIMARY KEY, model_hf_id TEXT NOT NULL, model_family TEXT NOT NULL, is_multilingual INTEGER NOT NULL,
  dtype TEXT DEFAULT 'bf16', chat_template INTEGER NOT NULL DEFAULT 0, notes TEXT);
CREATE TABLE evaluations (prompt_id INTEGER NOT NULL REFERENCES prompts, model_id TEXT NOT NULL REFERENCES models,
  response_value INTEGER NOT NULL, prob REAL NOT NULL, p_valid REAL NOT NULL, UNIQUE(prompt_id, model_id, response_value));
CREATE TABLE human_distributions (lang TEXT NOT NULL, question_id TEXT NOT NULL REFERENCES questions, response_value INTEGER NOT NULL,
  prob_human REAL NOT NULL, n_respondents INTEGER, n_valid INTEGER, PRIMARY KEY(lang, question_id, response_value));
CREATE INDEX idx_eval_model_prompt ON evaluations(model_id, prompt_id);
CREATE INDEX idx_prompt_question_lang ON prompts(question_id, lang);
CREATE INDEX idx_prompt_lang ON prompts(lang);
"""
LANGS = (
    "bul", "ces", "dan", "deu", "ell", "eng", "est", "fin", "fra", "hrv", "hun",
    "ita", "lit", "lvs", "nld", "pol", "por", "ron", "slk", "slv", "spa", "swe",
)  # fmt: skip


def field_connection(path: Path, journal_mode: str = "wal") -> sqlite3.Connection:
    """A new field database with its tables."""
    conn = sqlite3.connect(path)
    conn.execute(f"PRAGMA journal_mode={journal_mode}")
    conn.executescript(DDL)
    return conn


def insert_prompts(conn: sqlite3.Connection, prompts: Iterable[Prompt], *, config: str | None = "legacy", chat_template: int = 0) -> None:
    """Insert prompts as the field's own populate did: no variants, default JSON."""
    conn.executemany(
        "INSERT INTO prompts (question_id, lang, config, permutation_idx, prompt_text, question_text, valid_values, value_map, is_likert10,"
        " chat_template, variant_id, variant_type) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
        [
            (p.question_id, p.lang, config, p.permutation_idx, p.prompt_text, p.question_text, json.dumps(list(p.valid_values)),
             json.dumps(dict(p.value_map)), int(p.is_likert10), chat_template, p.variant_id, p.variant_type)
            for p in prompts
        ],
    )  # fmt: skip


def insert_models(conn: sqlite3.Connection) -> None:
    """The 22 monolingual models and EuroLLM."""
    rows = [(f"hplt2c_{lang}", f"HPLT/hplt2c_{lang}_checkpoints", "hplt2c", 0, "bf16", 0, None) for lang in LANGS]
    rows.append(("eurollm22b", "utter-project/EuroLLM-22B-2512", "eurollm22b", 1, "bf16", 0, "the first 100 prompts"))
    conn.executemany("INSERT INTO models VALUES (?,?,?,?,?,?,?)", rows)


def answer(conn: sqlite3.Connection, model_id: str, prompt_ids: Sequence[int], seed: int = 0) -> None:
    """Two rows per prompt with odd numbers in all their digits."""
    numbers = random.Random(f"{seed} {model_id}")
    rows = []
    for prompt_id in prompt_ids:
        first, p_valid = numbers.random(), numbers.random()
        rows += [(prompt_id, model_id, 1, first, p_valid), (prompt_id, model_id, 2, 1 - first, p_valid)]
    conn.executemany("INSERT INTO evaluations VALUES (?,?,?,?,?)", rows)


def make_field_database(path: Path, questions: int = 6, permutations: int = 2, journal_mode: str = "wal") -> list[Prompt]:
    """A field database with rows in every table: 22 finished models of one language each, and EuroLLM at prompt 100."""
    survey, prompts = a_survey(questions, LANGS, permutations)
    with closing(field_connection(path, journal_mode)) as conn:
        conn.executemany("INSERT INTO questions VALUES (?,?)", [(q.question_id, q.response_type) for q in survey])
        insert_prompts(conn, prompts)
        insert_models(conn)
        for lang in LANGS:
            answer(conn, f"hplt2c_{lang}", [i for i, prompt in enumerate(prompts, 1) if prompt.lang == lang])
        answer(conn, "eurollm22b", range(1, 101))
        conn.executemany(
            "INSERT INTO human_distributions VALUES (?,?,?,?,?,?)", [("eng", "v0", 1, 0.4, 100, 90), ("eng", "v0", 2, 0.6, 100, 90)]
        )
        conn.commit()
    return prompts
