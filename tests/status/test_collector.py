"""The Snapshot joined from a real database, heartbeats, and a batch system in memory."""

import sqlite3
import threading

import pytest

from evsctl.db.merge import SyncReport
from evsctl.db.sync import SyncOutcome
from evsctl.errors import InputError, SlurmError
from evsctl.jobs.types import HistoryRow
from evsctl.status.collector import Collector
from tests.jobs.fakes import REGISTRY, answer


def states(snapshot):
    return {row.model_id: (row.state, row.done, row.total, row.next_action, row.needs_attention) for row in snapshot.models}


def test_an_untouched_study_is_idle_and_needs_nobody(desk):
    snapshot = desk.collector().collect()
    assert states(snapshot) == {
        "tiny": ("idle", 0, 8, "s submit", False),
        "tiny_eng": ("idle", 0, 4, "s submit", False),
        "big": ("idle", 0, 4, "s submit", False),
    }
    assert (snapshot.prompts, snapshot.attention, snapshot.errors) == (8, 0, ())
    assert (snapshot.slurm.reachable, snapshot.slurm.calls_per_hour, snapshot.slurm.partition) == (True, 1, "gpu")
    assert snapshot.db == str(desk.settings.database.path)


def test_a_submitted_job_is_pending_at_once_and_explained_after_the_next_poll(desk):
    collector = desk.collector()
    collector.collect()
    job_id = desk.submit().job_id
    desk.now += 1
    before = collector.look().find("tiny")
    assert (before.state, before.detail) == ("pending", "just submitted")
    row = collector.collect().find("tiny")
    assert (row.state, row.job_id, row.attempt) == ("pending", job_id, 1)
    assert row.detail == "Priority: others are ahead in the queue"
    assert row.next_action == "wait: Priority"
    assert [(a.attempt, a.job_id, a.memory_gb, a.state) for a in row.attempts] == [(1, job_id, 48, "pending")]


def test_a_running_job_lends_its_heartbeat_to_the_row(desk):
    desk.submit()
    desk.port.start("101")
    desk.beat(eta_seconds=10.0, peak_host_memory_gb=31.4, p_valid_mean=0.5)
    row = desk.collector().collect().find("tiny")
    assert (row.state, row.done, row.rate_per_s, row.gpu, row.nodes) == ("running", 3, 0.5, "a100", "gpu017")
    assert row.eta_s == pytest.approx(8.0)
    assert row.peak_memory_gb == 31.4
    assert row.next_action == "ends 4h before limit"
    assert row.heartbeat_age_seconds == pytest.approx(2.0)


def test_without_an_eta_of_its_own_the_rate_makes_one(desk):
    desk.submit()
    desk.port.start("101")
    desk.beat()
    assert desk.collector().collect().find("tiny").eta_s == pytest.approx(10.0)


def test_what_a_heartbeat_claims_counts_only_while_its_run_is_under_way(desk):
    desk.submit()
    desk.port.start("101")
    desk.beat()
    collector = desk.collector()
    assert collector.collect().find("tiny").done == 3
    desk.port.end("101", "TIMEOUT", "0:0")
    desk.now += 60
    row = collector.collect(force_poll=True).find("tiny")
    assert (row.state, row.done, row.rate_per_s, row.needs_attention) == ("timeout", 0, None, True)


def test_a_heartbeat_of_an_earlier_job_says_nothing_of_this_one(desk):
    desk.submit()
    desk.beat(job_id="99", phase="finished", model_done=7)
    row = desk.collector().collect().find("tiny")
    assert (row.state, row.done, row.eta_s) == ("pending", 0, None)


def test_a_run_outside_slurm_is_seen_by_its_heartbeat(desk):
    desk.beat(job_id=None, age=5.0)
    assert desk.collector().collect().find("tiny").state == "running"
    desk.beat(job_id=None, age=120.0)
    assert desk.collector().collect().find("tiny").state == "idle"


def test_a_heartbeat_that_stands_still_is_said_and_after_ten_minutes_needs_a_person(desk):
    desk.submit()
    desk.port.start("101")
    desk.beat(age=240.0)
    row = desk.collector().collect().find("tiny")
    assert (row.state, row.next_action, row.needs_attention) == ("running", "silent for 4m: l log", False)
    desk.beat(age=700.0)
    row = desk.collector().collect().find("tiny")
    assert (row.next_action, row.needs_attention) == ("silent for 12m: l log", True)


def test_journals_are_merged_before_counting(desk):
    desk.submit()
    answer(desk.runs.model("tiny"), desk.plan_manifest(), 5, "101")
    row = desk.collector().collect().find("tiny")
    assert row.done == 5


def test_what_an_ended_job_answered_is_there_with_its_end(desk):
    desk.submit()
    desk.port.start("101")
    collector = desk.collector()
    collector.collect()
    answer(desk.runs.model("tiny"), desk.plan_manifest(), 8, "101")
    desk.port.end("101")
    desk.now += 2
    collector.poll(force=True)
    assert collector.look().find("tiny").state == "done"


def test_a_model_with_nothing_missing_is_done_whatever_its_job_says(desk):
    desk.submit()
    answer(desk.runs.model("tiny"), desk.plan_manifest(), 8, "101")
    desk.port.end("101", "FAILED", "1:0")
    desk.now += 60
    row = desk.collector().collect().find("tiny")
    assert (row.state, row.percent, row.next_action, row.needs_attention) == ("done", 100.0, "", False)


def test_a_job_that_ended_well_with_prompts_missing_leaves_an_idle_model(desk):
    desk.submit()
    answer(desk.runs.model("tiny"), desk.plan_manifest(), 5, "101")
    desk.port.end("101")
    desk.now += 60
    row = desk.collector().collect().find("tiny")
    assert (row.state, row.next_action, row.needs_attention) == ("idle", "s: the rest", False)


def test_after_running_out_of_memory_the_next_step_is_twice_the_memory(desk):
    desk.submit()
    desk.port.start("101")
    desk.port.end("101", "OUT_OF_MEMORY", "0:125")
    desk.now += 60
    row = desk.collector().collect().find("tiny")
    assert (row.state, row.next_action, row.needs_attention) == ("oom", "s: 48G → 96G", True)
    assert "memory" in row.detail


def test_the_same_failure_twice_stops(desk):
    for job_id in ("101", "102"):
        desk.submit()
        desk.port.end(job_id, "FAILED", "1:0")
        desk.now += 60
        snapshot = desk.collector().collect(force_poll=True)
    row = snapshot.find("tiny")
    assert (row.state, row.attempt, row.next_action, row.needs_attention) == ("failed", 2, "stopped: w why", True)


def test_a_job_that_vanished_is_unknown_and_after_ten_minutes_needs_a_person(desk):
    desk.submit(ago=300)
    collector = desk.collector()
    assert collector.collect().find("tiny").state == "pending"
    desk.port.rows.clear()
    desk.now += 60
    row = collector.collect(force_poll=True).find("tiny")
    assert (row.state, row.next_action, row.needs_attention) == ("unknown", "wait for accounting", False)
    desk.now += 600
    row = collector.collect(force_poll=True).find("tiny")
    assert (row.next_action, row.needs_attention) == ("vanished: w why", True)


def test_a_job_that_can_never_start_needs_a_person(desk):
    from dataclasses import replace

    desk.submit()
    desk.port.rows["101"] = replace(desk.port.rows["101"], reason="BadConstraints")
    row = desk.collector().collect().find("tiny")
    assert (row.state, row.next_action, row.needs_attention) == ("pending", "BadConstraints: w why", True)


def test_cancelled_by_the_user_is_no_alarm(desk):
    import os

    desk.submit()
    desk.port.rows.clear()
    desk.port.records.append(HistoryRow("101", "", "CANCELLED", "0:15", os.getuid(), 5.0, None, 48.0, 14400.0, 1.0, 2.0, ""))
    desk.now += 60
    row = desk.collector().collect().find("tiny")
    assert (row.state, row.next_action, row.needs_attention) == ("cancelled", "s submit", False)


def test_low_p_valid_is_said_once_there_are_enough_answers(desk):
    desk.submit()
    desk.port.start("101")
    desk.beat(p_valid_mean=0.03, model_done=8)
    row = desk.collector().collect().find("tiny")
    assert row.p_valid_mean == 0.03
    assert "p_valid" not in row.next_action  # 8 prompts are too few to say it


def test_models_are_sorted_by_what_they_need(desk):
    desk.submit("big")
    desk.port.end("101", "FAILED", "1:0")
    desk.submit("tiny_eng")
    desk.port.start("102")
    desk.now += 60
    assert [row.model_id for row in desk.collector().collect().models] == ["big", "tiny_eng", "tiny"]


def test_before_slurm_was_asked_what_is_stored_is_told_and_the_rest_is_being_asked(desk):
    desk.submit(ago=300)
    desk.port.start("101")
    desk.port.end("101", "OUT_OF_MEMORY", "0:125")
    desk.collector().collect()
    desk.submit("big")
    snapshot = desk.collector().look()
    assert snapshot.find("tiny").state == "oom"
    assert (snapshot.find("big").state, snapshot.find("big").next_action) == ("unknown", "asking SLURM")


def test_a_job_handed_in_while_slurm_was_being_asked_is_never_unknown(desk):
    collector = desk.collector()
    collector.collect()
    real = desk.port.queue

    def slow():
        desk.port.queue = real
        desk.submit()
        return real()

    desk.port.queue = slow
    desk.now += 60
    collector.poll(force=True)
    assert collector.look().find("tiny").state == "pending"
    assert collector.look().find("tiny").detail == "Priority: others are ahead in the queue"


# -- politeness


def test_many_windows_ask_squeue_once_per_interval_and_sacct_once_per_ended_job(desk):
    desk.submit()
    desk.port.end("101")
    desk.now += 60
    windows = [desk.collector() for _ in range(4)]
    desk.port.calls.clear()
    for _ in range(3):
        for window in windows:
            window.collect()
        desk.now += 5
    assert desk.port.calls == ["squeue", "sacct 101"]
    desk.now += 30
    for window in windows:
        window.collect()
    assert desk.port.calls == ["squeue", "sacct 101", "squeue"]


def test_a_second_poll_while_one_is_under_way_does_nothing(desk):
    collector, entered, gate = desk.collector(), threading.Event(), threading.Event()
    asked = []

    def slow():
        asked.append(1)
        entered.set()
        gate.wait(10)
        return ()

    desk.port.queue = slow
    thread = threading.Thread(target=collector.poll)
    thread.start()
    entered.wait(10)
    collector.poll(force=True)
    snapshot = collector.look()
    gate.set()
    thread.join(10)
    assert asked == [1]
    assert len(snapshot.models) == 3


def test_the_local_port_is_asked_every_time_and_shares_nothing(desk):
    desk.port.name = "local"
    collector = Collector(desk.settings, REGISTRY, desk.port, clock=lambda: desk.now)
    desk.port.calls.clear()
    for _ in range(3):
        snapshot = collector.collect()
    assert desk.port.calls == ["squeue"] * 3
    assert snapshot.slurm.backend == "local"


# -- failures are data


def test_with_the_controller_down_the_last_answer_stays_with_its_age(desk):
    desk.submit()
    desk.port.start("101")
    collector = desk.collector()
    collector.collect()
    desk.port.down = True
    desk.now += 60
    snapshot = collector.collect()
    assert snapshot.find("tiny").state == "running"
    assert (snapshot.slurm.reachable, snapshot.slurm.age_seconds) == (False, 60.0)
    assert snapshot.errors == ("SLURM does not answer: squeue says 'Unable to contact slurm controller'.",)
    desk.port.down = False
    desk.now += 120
    snapshot = collector.collect()
    assert (snapshot.slurm.reachable, snapshot.errors) == (True, ())


def test_with_the_controller_down_from_the_start_a_fresh_heartbeat_still_says_running(desk):
    desk.submit(ago=300)
    desk.beat(age=5.0)
    desk.port.down = True
    snapshot = desk.collector().collect()
    assert snapshot.find("tiny").state == "running"
    assert (snapshot.slurm.reachable, snapshot.slurm.age_seconds) == (False, None)


def test_a_locked_database_leaves_its_last_answer_and_a_sentence(desk):
    collector = desk.collector()
    collector.collect()
    other = sqlite3.connect(desk.settings.database.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    other.execute("INSERT INTO questions VALUES ('zzz', 'categorical')")
    desk.now += 65
    snapshot = collector.look()
    other.execute("ROLLBACK")
    other.close()
    assert len(snapshot.models) == 3
    assert snapshot.db_age_seconds == pytest.approx(65.0)
    assert len(snapshot.errors) == 1
    assert snapshot.errors[0].startswith("The database cannot be read now: ")
    desk.now += 65
    assert desk.collector().collect().errors == ()


def test_a_database_that_was_never_there_is_an_error_and_no_snapshot(desk):
    desk.settings.database.path.unlink()
    with pytest.raises(InputError, match="survey populate"):
        desk.collector().collect()


def test_a_bad_journal_line_is_named(desk):
    path = answer(desk.runs.model("tiny"), desk.plan_manifest(), 2, "77")
    with path.open("a") as stream:
        stream.write("not json\n")
    collector = desk.collector()
    for _ in range(2):
        errors = collector.collect().errors
        assert len(errors) == 1
        assert path.name in errors[0]
        desk.now += 60


def test_accounting_that_fails_leaves_the_job_unknown(desk):
    desk.submit(ago=300)
    desk.port.rows.clear()

    def fail(job_ids):
        raise SlurmError("sacct does not answer.")

    desk.port.history = fail
    desk.now += 60
    assert desk.collector().collect().find("tiny").state == "unknown"


def test_a_changed_database_is_read_again_and_an_unchanged_one_is_not(desk, monkeypatch):
    from evsctl.status import collector as module

    reads = []
    real = module.read_database
    monkeypatch.setattr(module, "read_database", lambda *a: reads.append(1) or real(*a))
    desk.now = float(int(desk.now // 60) * 60)
    collector = desk.collector()
    for _ in range(3):
        collector.look()
        desk.now += 1
    assert len(reads) == 1
    answer(desk.runs.model("tiny"), desk.plan_manifest(), 2, "77")
    desk.now += 20
    assert collector.look().find("tiny").done == 2


def test_a_merge_that_the_budget_ended_is_said_and_goes_on_at_the_next_look(desk, monkeypatch):
    merges = [
        SyncOutcome(SyncReport(5, {}, (), {"tiny": 5}, finished=False), ""),
        SyncOutcome(SyncReport(3, {}, (), {"tiny": 3}, True), ""),
    ]
    asked = []
    monkeypatch.setattr("evsctl.status.collector.best_effort_sync", lambda location: asked.append(location) or merges[len(asked) - 1])
    collector = desk.collector()
    assert collector.look().errors == (
        "Journals are still being merged, so the counts lag behind; `evsctl sync` merges all of them at once.",
    )
    assert collector.look().errors == ()
    assert collector.look().errors == ()
    assert len(asked) == 2
