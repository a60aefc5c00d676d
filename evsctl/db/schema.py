"""Tables: the five that field databases have, and evsctl's own beside them."""

from sqlalchemy import (
    REAL,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    column,
    table,
    text,
)
from sqlalchemy.types import TypeEngine

FIELD = MetaData()
"""The five tables of the field, columns in their order: never altered, whoever made the database."""

REAL64: TypeEngine[float] = Double().with_variant(REAL(), "sqlite")
"""Eight bytes on every server: PostgreSQL's REAL would round what SQLite's does not."""

questions = Table(
    "questions",
    FIELD,
    Column("question_id", Text, primary_key=True, nullable=True),
    Column("response_type", Text, nullable=False),
)

prompts = Table(
    "prompts",
    FIELD,
    Column("prompt_id", Integer, primary_key=True, nullable=True, autoincrement=True),
    Column("question_id", Text, ForeignKey("questions.question_id"), nullable=False),
    Column("lang", Text, nullable=False),
    Column("config", Text),
    Column("permutation_idx", Integer, nullable=False),
    Column("prompt_text", Text, nullable=False),
    Column("question_text", Text, nullable=False),
    Column("valid_values", Text, nullable=False),
    Column("value_map", Text, nullable=False),
    Column("is_likert10", Integer, nullable=False, server_default=text("0")),
    Column("chat_template", Integer, nullable=False, server_default=text("0")),
    Column("variant_id", Text),
    Column("variant_type", Text),
    UniqueConstraint("question_id", "lang", "permutation_idx", "chat_template", "config", "variant_id"),
    Index("idx_prompt_question_lang", "question_id", "lang"),
    Index("idx_prompt_lang", "lang"),
    sqlite_autoincrement=True,
)

models = Table(
    "models",
    FIELD,
    Column("model_id", Text, primary_key=True, nullable=True),
    Column("model_hf_id", Text, nullable=False),
    Column("model_family", Text, nullable=False),
    Column("is_multilingual", Integer, nullable=False),
    Column("dtype", Text, server_default=text("'bf16'")),
    Column("chat_template", Integer, nullable=False, server_default=text("0")),
    Column("notes", Text),
)

evaluations = Table(
    "evaluations",
    FIELD,
    Column("prompt_id", Integer, ForeignKey("prompts.prompt_id"), nullable=False),
    Column("model_id", Text, ForeignKey("models.model_id"), nullable=False),
    Column("response_value", Integer, nullable=False),
    Column("prob", REAL64, nullable=False),
    Column("p_valid", REAL64, nullable=False),
    UniqueConstraint("prompt_id", "model_id", "response_value"),
    Index("idx_eval_model_prompt", "model_id", "prompt_id"),
)

human_distributions = Table(
    "human_distributions",
    FIELD,
    Column("lang", Text, nullable=False),
    Column("question_id", Text, ForeignKey("questions.question_id"), nullable=False),
    Column("response_value", Integer, nullable=False),
    Column("prob_human", REAL64, nullable=False),
    Column("n_respondents", Integer),
    Column("n_valid", Integer),
    PrimaryKeyConstraint("lang", "question_id", "response_value"),
)

# evsctl's own tables, for statements only: steps.py makes them, and a test holds the two together.
schema_steps = table("schema_steps", column("step"), column("name"))
study_state = table("study_state", column("key"), column("value"))
runs = table(
    "runs",
    *map(column, ("path", "run_id", "model_id", "adopted", "merged_bytes", "seen_size", "seen_mtime_ns", "head_digest", "tail_digest")),
    *map(
        column, ("started_at", "identity", "manifest_hash", "plan_hash", "executor", "engine_version", "host", "gpu", "job_id", "restart")
    ),
    *map(column, ("merged_prompts", "not_asked", "prompts_seen", "merged_at")),
)
retraction_marks = table("retraction_marks", column("model_id"), column("seen_size"), column("seen_mtime_ns"))
provenance = table("provenance", column("model_id"), column("prompt_id"), column("run_id"), column("line_offset"))
failures = table("failures", column("model_id"), column("prompt_id"), column("reason"), column("run_id"), column("line_offset"))
identities = table("identities", column("model_id"), column("identity"), column("run_id"))
progress = table("progress", column("model_id"), column("config"), column("lang"), column("done"), column("p_valid_sum"))
superseded = table(
    "superseded",
    *map(column, ("prompt_id", "model_id", "response_value", "prob", "p_valid", "run_id", "reason", "superseded_at")),
)
human_sources = table("human_sources", column("lang"), column("question_id"), column("source"))
submissions = table(
    "submissions",
    *map(column, ("submission_id", "model_id", "job_id", "backend", "attempt", "submitted_at", "job_name", "argv", "request", "reasons")),
    *map(column, ("inputs", "manifest", "script", "log_path", "dtype", "user_name", "pending")),
)
job_states = table(
    "job_states",
    *map(column, ("backend", "job_id", "state", "detail", "fingerprint", "exit_code", "max_rss_gb", "elapsed_seconds", "start_time")),
    *map(column, ("end_time", "nodes", "is_final", "cancelled_by_user", "rows_before", "rows_after", "updated_at")),
)
OWN = (
    schema_steps,
    study_state,
    runs,
    retraction_marks,
    provenance,
    failures,
    identities,
    progress,
    superseded,
    human_sources,
    submissions,
    job_states,
)
