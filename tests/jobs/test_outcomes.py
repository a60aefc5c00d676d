"""What became of every job: one squeue, one sacct for those that left, and memory for the rest."""

import json
import time
from dataclasses import replace

import pytest

from evsctl.db.connection import Database, open_database
from evsctl.db.lease import acquire_lease
from evsctl.db.ledger import outcomes, record_outcomes
from evsctl.errors import SlurmError
from evsctl.jobs.evidence import TRUSTED_PROMPTS, trusted_rate
from evsctl.jobs.outcomes import read_outcomes
from evsctl.jobs.plan import plan_submission
from evsctl.jobs.submit import submit_plan
from evsctl.jobs.types import HistoryRow
from evsctl.journal.heartbeat import Heartbeat, write_heartbeat
from evsctl.journal.paths import RunsFolder
from evsctl.journal.records import JournalHeader
from evsctl.settings import Settings
from tests.jobs.fakes import REGISTRY, FakePort, answer


def submit(db: Database, settings: Settings, port: FakePort, model_id: str = "tiny") -> str:
    job_id = submit_plan(db, settings, port, plan_submission(db, settings, REGISTRY, port, model_id)).job_id
    port.calls.clear()
    return job_id


def states(found: dict[str, object]) -> dict[str, str]:
    return {job_id: outcome.state for job_id, outcome in found.items()}  # type: ignore[attr-defined]


def test_jobs_in_the_queue_cost_one_squeue_and_no_sacct(db: Database, settings: Settings, port: FakePort) -> None:
    ids = [submit(db, settings, port, model_id) for model_id in ("tiny", "tiny_eng", "big")]
    port.start(ids[0])
    assert states(read_outcomes(db, settings, port)) == {"101": "running", "102": "pending", "103": "pending"}
    assert port.calls == ["squeue"]


def test_jobs_that_left_the_queue_cost_one_sacct_together_and_never_again(db: Database, settings: Settings, port: FakePort) -> None:
    for model_id in ("tiny", "tiny_eng", "big"):
        submit(db, settings, port, model_id)
    port.end("101")
    port.end("102", "TIMEOUT")
    assert states(read_outcomes(db, settings, port)) == {"101": "done", "102": "timeout", "103": "pending"}
    assert port.calls == ["squeue", "sacct 101,102"]
    port.calls.clear()
    assert states(read_outcomes(db, settings, port)) == {"101": "done", "102": "timeout", "103": "pending"}
    assert port.calls == ["squeue"]


def test_a_look_at_the_queue_that_was_taken_already_is_used(db: Database, settings: Settings, port: FakePort) -> None:
    submit(db, settings, port)
    rows = tuple(port.rows.values())
    read_outcomes(db, settings, port, queue=rows)
    assert port.calls == []


@pytest.mark.usefixtures("old_jobs")
def test_a_vanished_job_is_unknown_and_accounting_is_not_pestered(db: Database, settings: Settings, port: FakePort) -> None:
    submit(db, settings, port)
    port.rows.clear()
    assert states(read_outcomes(db, settings, port)) == {"101": "unknown"}
    port.calls.clear()
    port.end("101")
    assert states(read_outcomes(db, settings, port)) == {"101": "unknown"}
    assert port.calls == ["squeue"]
    stored = outcomes(db)["cli", "101"]
    record_outcomes(db, [replace(stored, updated_at=time.time() - 61)])
    assert states(read_outcomes(db, settings, port)) == {"101": "done"}


@pytest.mark.usefixtures("old_jobs")
def test_accounting_that_does_not_answer_leaves_jobs_unknown(db: Database, settings: Settings) -> None:
    class NoAccounting(FakePort):
        def history(self, job_ids: tuple[str, ...]) -> tuple[HistoryRow, ...]:
            raise SlurmError("sacct failed: Slurm accounting storage is disabled.")

    port = NoAccounting()
    submit(db, settings, port)
    port.rows.clear()
    assert states(read_outcomes(db, settings, port)) == {"101": "unknown"}


@pytest.mark.parametrize(("age", "final"), [(30, False), (3600, True)])
def test_without_accounting_a_finished_heartbeat_stands_after_a_while(
    db: Database, settings: Settings, port: FakePort, age: float, final: bool
) -> None:
    submit(db, settings, port)
    port.rows.clear()
    runs = RunsFolder(settings.database.runs_dir).model("tiny")
    write_heartbeat(runs.heartbeat("101-r0"), Heartbeat("101-r0", "tiny", "101", 0, "finished", "gpu017", 1, updated_at=time.time() - age))
    outcome = read_outcomes(db, settings, port)["101"]
    assert (outcome.state, outcome.is_final) == ("done", final)


def test_the_answers_of_an_ended_job_are_counted_once_from_its_journals(db: Database, settings: Settings, port: FakePort) -> None:
    plan = plan_submission(db, settings, REGISTRY, port, "tiny")
    submit_plan(db, settings, port, plan)
    runs = RunsFolder(settings.database.runs_dir).model("tiny")
    answer(runs, plan.manifest, 3, "101")
    answer(runs, plan.manifest, 2, "99", start=3)
    port.end("101", "TIMEOUT")
    read_outcomes(db, settings, port)
    stored = outcomes(db)["cli", "101"]
    assert (stored.rows_before, stored.rows_after, stored.state, stored.is_final) == (0, 3, "timeout", True)


def test_an_ended_job_without_journal_answered_nothing_and_stops_the_automatic(db: Database, settings: Settings, port: FakePort) -> None:
    submit(db, settings, port)
    port.end("101", "FAILED", "1:0")
    read_outcomes(db, settings, port)
    assert plan_submission(db, settings, REGISTRY, port, "tiny").advice.stop == "job 101 ended without a new answer: exit code 1"


def test_a_study_that_cannot_be_written_is_judged_all_the_same(db: Database, settings: Settings, port: FakePort) -> None:
    submit(db, settings, port)
    port.end("101")
    with open_database(settings.database) as reading:
        assert states(read_outcomes(reading, settings, port)) == {"101": "done"}
    assert outcomes(db) == {}


def test_a_look_does_not_wait_for_whoever_is_writing(db: Database, settings: Settings, port: FakePort) -> None:
    submit(db, settings, port)
    port.end("101")
    with acquire_lease(RunsFolder(settings.database.runs_dir), wait_seconds=0):
        before = time.monotonic()
        assert states(read_outcomes(db, settings, port)) == {"101": "done"}
        assert time.monotonic() - before < 20
    assert outcomes(db) == {}


def test_jobs_of_slurm_are_not_asked_for_where_only_this_machine_is(db: Database, settings: Settings, port: FakePort) -> None:
    submit(db, settings, port)
    here = FakePort(name="local")
    assert states(read_outcomes(db, settings, here)) == {"101": "unknown"}
    assert outcomes(db) == {}


@pytest.mark.parametrize(("age", "stop"), [(5, "job 101 was preempted, and SLURM may requeue it yet"), (120, None)])
def test_a_preempted_job_is_given_time_to_be_requeued(
    db: Database, settings: Settings, port: FakePort, age: float, stop: str | None
) -> None:
    submit(db, settings, port)
    port.end("101", "PREEMPTED")
    port.records[-1] = replace(port.records[-1], end_time=time.time() - age)
    assert plan_submission(db, settings, REGISTRY, port, "tiny").advice.stop == stop


def test_an_ended_job_that_is_requeued_by_hand_is_watched_again(db: Database, settings: Settings, port: FakePort) -> None:
    submit(db, settings, port)
    row = port.rows["101"]
    port.end("101", "FAILED", "1:0")
    assert states(read_outcomes(db, settings, port)) == {"101": "failed"}
    port.rows["101"] = row
    assert states(read_outcomes(db, settings, port)) == {"101": "pending"}
    port.end("101")
    stored = outcomes(db)["cli", "101"]
    assert not stored.is_final
    record_outcomes(db, [replace(stored, updated_at=time.time() - 61)])
    assert states(read_outcomes(db, settings, port)) == {"101": "done"}


def test_a_job_younger_than_the_look_at_the_queue_is_not_missing(db: Database, settings: Settings, port: FakePort) -> None:
    submit(db, settings, port)
    outcome = read_outcomes(db, settings, port, queue=())["101"]
    assert (outcome.state, outcome.detail, outcome.is_final) == ("pending", "just submitted", False)


class TestTrustedRate:
    def measure(
        self, settings: Settings, run: str, prompts: int, rate: float, gpu: str = "A100", version: str = "1", seconds: float = 60
    ) -> None:
        runs = RunsFolder(settings.database.runs_dir).model("tiny").create()
        header = JournalHeader(run, "tiny", None, None, None, "resident", version, "h", gpu, None, 0, 1.0).to_json()
        lines = '{"p_valid": 1, "probs": {"1": 1.0}}\n' * prompts + '{"failed": "x"}\n' + '{"footer": {}}\n'
        runs.journal(run).write_text(json.dumps(header) + "\n" + lines)
        beat = Heartbeat(run, "tiny", None, 0, "finished", "h", 1, prompts_per_second=rate, started_at=1000.0, updated_at=1000.0 + seconds)
        write_heartbeat(runs.heartbeat(run), beat)

    def test_a_speed_is_trusted_from_500_prompts_on(self, settings: Settings) -> None:
        runs = RunsFolder(settings.database.runs_dir).model("tiny")
        self.measure(settings, "a", TRUSTED_PROMPTS - 1, 2.0)
        assert trusted_rate(runs, "1") is None
        self.measure(settings, "b", 1, 2.0)
        rate = trusted_rate(runs, "1")
        assert rate is not None
        assert (rate.prompts_per_second, rate.prompts, rate.gpu, rate.executor) == (2.0, 500, "A100", "resident")

    def test_speeds_of_other_engines_and_cards_are_not_added_up(self, settings: Settings) -> None:
        runs = RunsFolder(settings.database.runs_dir).model("tiny")
        self.measure(settings, "a", 400, 2.0)
        self.measure(settings, "b", 400, 2.0, gpu="H100")
        self.measure(settings, "c", 400, 2.0, version="0")
        assert trusted_rate(runs, "1") is None

    def test_of_two_trusted_speeds_the_slower_counts(self, settings: Settings) -> None:
        self.measure(settings, "a", 600, 2.0)
        self.measure(settings, "b", 600, 5.0, gpu="H100")
        rate = trusted_rate(RunsFolder(settings.database.runs_dir).model("tiny"), "1")
        assert rate is not None
        assert rate.gpu == "A100"

    def test_a_long_run_is_measured_by_its_whole_time_not_by_its_last_minutes(self, settings: Settings) -> None:
        self.measure(settings, "a", 7200, 5.0, seconds=7200)
        rate = trusted_rate(RunsFolder(settings.database.runs_dir).model("tiny"), "1")
        assert rate is not None
        assert rate.prompts_per_second == pytest.approx(1.0)
