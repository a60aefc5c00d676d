"""A real study on disk with a batch system in memory, and a clock that tests move."""

import sqlite3
import time
from contextlib import closing

import pytest

from evsctl.db.connection import open_database
from evsctl.journal.heartbeat import Heartbeat, write_heartbeat
from evsctl.journal.paths import RunsFolder
from evsctl.settings import load_settings
from evsctl.status.collector import Collector
from evsctl.status.queue_cache import QueueCache
from tests.jobs.fakes import REGISTRY, FakePort, populate


class Desk:
    """Everything a test of the collector has in its hands."""

    def __init__(self, folder):
        folder.mkdir()
        (folder / "evsctl.toml").write_text('[study]\nname = "test"\nconfigs = ["legacy"]\n[cluster]\npartition = "gpu"\n')
        self.settings = load_settings(folder, environ={"HOME": str(folder)})
        self.port = FakePort()
        self.cache = QueueCache(folder.parent / "cache" / "queue.json")
        self.now = time.time()
        self.runs = RunsFolder(self.settings.database.runs_dir)
        with open_database(self.settings.database, create=True) as db:
            populate(db)

    def collector(self, port=None):
        return Collector(self.settings, REGISTRY, port or self.port, cache=self.cache, clock=lambda: self.now)

    def open(self):
        return open_database(self.settings.database, write=True)

    def plan(self, model_id="tiny"):
        from evsctl.jobs.plan import plan_submission

        with self.open() as db:
            return plan_submission(db, self.settings, REGISTRY, self.port, model_id)

    def submit(self, model_id="tiny", ago=0.0):
        """Submit the model's next job, `ago` seconds before now."""
        from evsctl.jobs.submit import submit_plan

        plan = self.plan(model_id)
        with self.open() as db:
            submission = submit_plan(db, self.settings, self.port, plan)
        if ago:
            with closing(sqlite3.connect(self.settings.database.path)) as conn, conn:
                conn.execute("UPDATE submissions SET submitted_at = submitted_at - ? WHERE job_id = ?", (ago, submission.job_id))
        return submission

    def plan_manifest(self, model_id="tiny"):
        """A manifest of all that the model has to do."""
        from evsctl.jobs.plan import plan_submission

        with self.open() as db:
            return plan_submission(db, self.settings, REGISTRY, FakePort(), model_id, hypothetical=True).manifest

    def beat(self, model_id="tiny", job_id="101", phase="running", age=2.0, **more):
        """Write a heartbeat `age` seconds old."""
        beat = Heartbeat(
            run_id=f"{job_id}-r0",
            model_id=model_id,
            job_id=job_id,
            restart=0,
            phase=phase,
            host="gpu017",
            pid=1,
            started_at=self.now - 600,
            updated_at=self.now - age,
            **({"model_done": 3, "model_total": 8, "prompts_per_second": 0.5, "gpu": "a100"} | more),
        )
        write_heartbeat(self.runs.model(model_id).create().heartbeat(beat.run_id), beat)


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path / "study")
