"""Where the human answers come from, as it was said when they were imported."""

from sqlalchemy import inspect, select

from evsctl.db.connection import Database
from evsctl.db.schema import human_sources


def human_source_note(db: Database) -> str:
    """The sources of the human answers in one sentence for figures; empty where nobody said."""
    with db.reading() as conn:
        if not inspect(conn).has_table(human_sources.name):
            return ""
        sources = sorted(str(row[0]) for row in conn.execute(select(human_sources.c.source).distinct()) if row[0])
    return f"Human answers: {'; '.join(sources)}." if sources else ""
