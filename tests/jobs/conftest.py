"""A study of eight prompts and a batch system in memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from evsctl.db.connection import Database, open_database
from evsctl.settings import Settings, load_settings
from tests.jobs.fakes import FakePort, populate

CONFIG = """\
[study]
name = "test"
configs = ["legacy"]
[cluster]
partition = "gpu"
account = "lab"
[job]
prelude = ["module load cuda"]
env = { HF_HUB_OFFLINE = "1" }
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    folder = tmp_path / "my study"
    folder.mkdir()
    (folder / "evsctl.toml").write_text(CONFIG)
    return load_settings(folder, environ={"HOME": str(tmp_path)})


@pytest.fixture
def db(settings: Settings) -> Iterator[Database]:
    with open_database(settings.database, create=True) as database:
        populate(database)
        yield database


@pytest.fixture
def old_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs that were submitted in this test count as submitted long ago."""
    monkeypatch.setattr("evsctl.jobs.outcomes.NEWCOMER_SECONDS", -1.0)


@pytest.fixture
def port() -> FakePort:
    return FakePort()
