"""The dashboard on a real study: a database on disk and a batch system in memory."""

import sqlite3

import pytest

from evsctl.db.connection import open_database
from evsctl.errors import InputError
from evsctl.settings import load_settings
from evsctl.tui.dashboard import Dashboard
from evsctl.tui.screens import plan as plan_screen
from evsctl.tui.screens.plan import PlanScreen
from evsctl.tui.study import Study, open_study
from tests.jobs.fakes import REGISTRY, FakePort, answer, populate


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(plan_screen, "DEAF_SECONDS", 0.0)
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "evsctl.toml").write_text('[study]\nname = "test"\nconfigs = ["legacy"]\n')
    return load_settings(folder, environ={"HOME": str(tmp_path)})


@pytest.fixture
def populated(settings):
    with open_database(settings.database, create=True) as db:
        populate(db)
    return settings


@pytest.fixture
def port():
    return FakePort()


def dashboard_of(settings, port, **more):
    return Dashboard(Study(settings, REGISTRY, port, **more), look_seconds=0.1)


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_from_nothing_to_done(populated, port, until, shown, size):
    app = dashboard_of(populated, port)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: "s submit" in shown(app) and "tiny_eng" in shown(app), 20)
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, PlanScreen) and app.screen.plan is not None, 20)
        assert "--mem=48G" in shown(app)
        await pilot.press("enter")
        await until(pilot, lambda: "◌ pending" in shown(app) and "wait: Priority" in shown(app), 20)
        assert [spec.model_ids for spec in port.submitted] == [("tiny",)]
        port.start("101")
        await pilot.press("r")
        await until(pilot, lambda: "▶ running" in shown(app), 20)
        study = app.backstage
        with open_database(populated.database) as db:
            from evsctl.jobs.plan import plan_submission

            manifest = plan_submission(db, populated, REGISTRY, FakePort(), "tiny", hypothetical=True).manifest
        answer(study._collector._runs.model("tiny"), manifest, 8, "101")
        port.end("101")
        study._collector._synced_at = 0.0  # the next look merges at once
        await pilot.press("r")
        await until(pilot, lambda: "✔ done" in shown(app) and "100 %" in shown(app), 20)


async def test_cancelling_reaches_the_batch_system_once(populated, port, until, shown):
    app = dashboard_of(populated, port)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "tiny_eng" in shown(app), 20)
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, PlanScreen) and app.screen.plan is not None, 20)
        await pilot.press("enter")
        await until(pilot, lambda: "◌ pending" in shown(app), 20)
        await pilot.press("x", "y")
        await until(pilot, lambda: port.cancelled == ["101"], 20)


async def test_a_study_of_another_person_is_read_and_not_touched(populated, port, until, shown, monkeypatch):
    monkeypatch.setattr("evsctl.tui.study.os.access", lambda *_: False)
    app = dashboard_of(populated, port)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "READ-ONLY" in shown(app) and "tiny_eng" in shown(app), 20)
        await pilot.press("s")
        await until(pilot, lambda: len(app.said) == 1)
        assert app.said[0].startswith("Read-only: ")
        assert port.submitted == []


@pytest.mark.slow
async def test_a_database_locked_from_the_start_says_so_and_recovers(populated, port, until, shown):
    other = sqlite3.connect(populated.database.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    app = dashboard_of(populated, port)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "Nothing to show yet" in shown(app), 30)
        other.execute("ROLLBACK")
        other.close()
        await until(pilot, lambda: "tiny_eng" in shown(app), 30)


def test_a_study_that_is_not_there_is_an_input_error(settings):
    with pytest.raises(InputError, match="survey populate"):
        open_study(settings)
