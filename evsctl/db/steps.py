"""Numbered steps that make evsctl's own tables; a step that was released is never edited, the next one follows it."""

from sqlalchemy import Connection, insert, inspect, select

from evsctl.db.schema import FIELD, OWN, schema_steps
from evsctl.errors import InputError

# Types that SQLite and PostgreSQL both know: one text for both.
_FIRST = (
    """CREATE TABLE schema_steps (step INTEGER PRIMARY KEY, name TEXT NOT NULL)""",
    """CREATE TABLE study_state (key TEXT PRIMARY KEY, value TEXT NOT NULL)""",
    """CREATE TABLE runs (
        path TEXT PRIMARY KEY, run_id TEXT, model_id TEXT NOT NULL, adopted INTEGER NOT NULL DEFAULT 0,
        merged_bytes BIGINT NOT NULL, seen_size BIGINT NOT NULL, seen_mtime_ns BIGINT NOT NULL, head_digest TEXT, tail_digest TEXT,
        started_at DOUBLE PRECISION, identity TEXT, manifest_hash TEXT, plan_hash TEXT, executor TEXT, engine_version TEXT,
        host TEXT, gpu TEXT, job_id TEXT, restart INTEGER, merged_prompts INTEGER NOT NULL, not_asked INTEGER NOT NULL,
        prompts_seen INTEGER NOT NULL, merged_at DOUBLE PRECISION NOT NULL)""",
    """CREATE TABLE retraction_marks (model_id TEXT PRIMARY KEY, seen_size BIGINT NOT NULL, seen_mtime_ns BIGINT NOT NULL)""",
    """CREATE TABLE provenance (
        model_id TEXT NOT NULL, prompt_id INTEGER NOT NULL, run_id TEXT NOT NULL, line_offset BIGINT NOT NULL,
        PRIMARY KEY (model_id, prompt_id))""",
    """CREATE TABLE failures (
        model_id TEXT NOT NULL, prompt_id INTEGER NOT NULL, reason TEXT NOT NULL, run_id TEXT NOT NULL, line_offset BIGINT NOT NULL,
        PRIMARY KEY (model_id, prompt_id))""",
    """CREATE TABLE identities (model_id TEXT PRIMARY KEY, identity TEXT NOT NULL, run_id TEXT NOT NULL)""",
    """CREATE TABLE progress (
        model_id TEXT NOT NULL, config TEXT NOT NULL, lang TEXT NOT NULL, done INTEGER NOT NULL, p_valid_sum DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (model_id, config, lang))""",
    """CREATE TABLE superseded (
        prompt_id INTEGER NOT NULL, model_id TEXT NOT NULL, response_value INTEGER NOT NULL, prob DOUBLE PRECISION NOT NULL,
        p_valid DOUBLE PRECISION NOT NULL, run_id TEXT NOT NULL, reason TEXT NOT NULL, superseded_at DOUBLE PRECISION NOT NULL)""",
    """CREATE TABLE human_sources (
        lang TEXT NOT NULL, question_id TEXT NOT NULL, source TEXT NOT NULL, PRIMARY KEY (lang, question_id))""",
    """CREATE TABLE submissions (
        submission_id INTEGER PRIMARY KEY, model_id TEXT NOT NULL, job_id TEXT NOT NULL, backend TEXT NOT NULL, attempt INTEGER NOT NULL,
        submitted_at DOUBLE PRECISION NOT NULL, job_name TEXT NOT NULL, argv TEXT NOT NULL, request TEXT NOT NULL, reasons TEXT NOT NULL,
        inputs TEXT NOT NULL, manifest TEXT NOT NULL, script TEXT NOT NULL, log_path TEXT NOT NULL, dtype TEXT, user_name TEXT NOT NULL,
        pending INTEGER NOT NULL)""",
    """CREATE TABLE job_states (
        backend TEXT NOT NULL, job_id TEXT NOT NULL, state TEXT NOT NULL, detail TEXT NOT NULL, fingerprint TEXT, exit_code TEXT,
        max_rss_gb DOUBLE PRECISION, elapsed_seconds DOUBLE PRECISION, start_time DOUBLE PRECISION, end_time DOUBLE PRECISION,
        nodes TEXT, is_final INTEGER NOT NULL, cancelled_by_user INTEGER NOT NULL, rows_before INTEGER, rows_after INTEGER,
        updated_at DOUBLE PRECISION NOT NULL, PRIMARY KEY (backend, job_id))""",
)

STEPS: tuple[tuple[int, str, tuple[str, ...]], ...] = ((1, "evsctl's own tables", _FIRST),)
LATEST = STEPS[-1][0]


def current_step(conn: Connection) -> int:
    """The newest step this database has; 0 for a field database."""
    if "schema_steps" not in inspect(conn).get_table_names():
        return 0
    return max((int(step) for (step,) in conn.execute(select(schema_steps.c.step))), default=0)


def apply_steps(conn: Connection) -> None:
    """Bring evsctl's own tables up to date inside the caller's transaction.

    Raises InputError where a newer evsctl made them, or where a foreign table bears one of their names.
    """
    have = current_step(conn)
    if have > LATEST:
        raise InputError(f"The database was written by a newer evsctl (step {have}, this one knows {LATEST}).", "Update evsctl.")
    if have == 0 and (taken := {own.name for own in OWN} & set(inspect(conn).get_table_names())):
        raise InputError(f"The database has foreign tables named {', '.join(sorted(taken))}.", "Rename them: evsctl needs the names.")
    for step, name, statements in STEPS:
        if step > have:
            for statement in statements:
                conn.exec_driver_sql(statement)
            conn.execute(insert(schema_steps).values(step=step, name=name))


def create_field_tables(conn: Connection) -> None:
    """Make the five tables of an empty database."""
    FIELD.create_all(conn)


def missing_from_field(conn: Connection) -> list[str]:
    """What of the five tables and their columns a database lacks, as `table` or `table.column`."""
    inspector = inspect(conn)
    there = set(inspector.get_table_names())
    missing = [name for name in FIELD.tables if name not in there]
    for name in there & set(FIELD.tables):
        have = {item["name"] for item in inspector.get_columns(name)}
        missing += [f"{name}.{item.name}" for item in FIELD.tables[name].columns if item.name not in have]
    return sorted(missing)
