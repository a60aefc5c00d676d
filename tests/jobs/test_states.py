"""One judgement from queue, accounting, heartbeat and log: the traps of each."""

from dataclasses import replace

import pytest

from evsctl.jobs.parsing import parse_sacct
from evsctl.jobs.reasons import explain_reason, never_starts
from evsctl.jobs.states import judge
from evsctl.jobs.types import HistoryRow, JobOutcome, QueueRow
from evsctl.journal.heartbeat import Heartbeat

BANNER = "== evsctl: eurollm22b, job 7, restart 0, vm, 2026-11-22 13:14:10\n"
TRACEBACK = BANNER + "Traceback (most recent call last):\n  File \"/a/b/c.py\", line 3, in <module>\nKeyError: 'lm_head at 0x7f3a'\n"
CUDA_OOM = BANNER + "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 39.39 GiB\n"


def queue_row(state: str, reason: str = "None") -> QueueRow:
    return QueueRow("7", "evs-study-m", state, reason, "h100-1", 60.0, 14400.0, 1.0)


def job(state: str, exit_code: str = "0:0", uid: int | None = None) -> HistoryRow:
    return HistoryRow("7", "", state, exit_code, uid, 60.0, None, 48.0, 14400.0, 100.0, 160.0, "h100-1")


def step(state: str, exit_code: str = "0:0", name: str = "batch", max_rss_gb: float | None = 31.4) -> HistoryRow:
    return replace(job(state, exit_code), step=name, max_rss_gb=max_rss_gb, requested_memory_gb=None)


def beat(phase: str, error: str | None = None) -> Heartbeat:
    return Heartbeat("7-r0", "m", "7", 0, phase, "h100-1", 1, updated_at=200.0, last_error=error)


def verdict(outcome: JobOutcome) -> tuple[str, str, str | None, bool]:
    return outcome.state, outcome.detail, outcome.fingerprint, outcome.is_final


class TestInTheQueue:
    @pytest.mark.parametrize(
        ("state", "judged"),
        [
            ("PENDING", "pending"),
            ("CONFIGURING", "running"),
            ("RUNNING", "running"),
            ("SUSPENDED", "running"),
            ("COMPLETING", "completing"),
            ("REQUEUE_HOLD", "pending"),
            ("SPECIAL_EXIT", "pending"),
        ],
    )
    def test_slurms_word_becomes_one_of_ours(self, state: str, judged: str) -> None:
        outcome = judge("7", queue_row(state))
        assert (outcome.state, outcome.is_final) == (judged, False)

    def test_the_queue_wins_over_an_older_run_in_accounting(self) -> None:
        assert judge("7", queue_row("PENDING", "BeginTime"), [job("PREEMPTED")]).detail == "BeginTime: waits out the pause after a requeue"

    def test_a_running_job_says_what_its_engine_does(self) -> None:
        assert judge("7", queue_row("RUNNING"), heartbeat=beat("loading")).detail == "loading"


class TestFromAccounting:
    def test_ended_well(self) -> None:
        outcome = judge("7", None, [job("COMPLETED"), step("COMPLETED")])
        assert verdict(outcome) == ("done", "ended well", None, True)
        assert (outcome.max_rss_gb, outcome.elapsed_seconds, outcome.nodes, outcome.exit_code) == (31.4, 60.0, "h100-1", "0:0")

    def test_a_steps_out_of_memory_inside_a_job_that_calls_itself_completed(self) -> None:
        outcome = judge("7", None, [job("COMPLETED"), step("COMPLETED"), step("OUT_OF_MEMORY", "0:125", "0")])
        assert verdict(outcome) == ("oom", "host memory ran out at 48G", "oom-host@48G", True)

    def test_out_of_memory_by_name(self) -> None:
        assert verdict(judge("7", None, [job("OUT_OF_MEMORY", "0:125")]))[2] == "oom-host@48G"

    def test_over_memory_on_a_site_without_cgroups_is_in_the_log(self) -> None:
        log = "slurmstepd: error: StepId=10.batch exceeded memory limit (216288256 > 104857600), being killed\n"
        assert verdict(judge("7", None, [job("FAILED", "0:9")], log_tail=log)) == (
            "oom",
            "host memory ran out at 48G",
            "oom-host@48G",
            True,
        )

    def test_gpu_memory_is_oom_with_a_fingerprint_of_its_own(self) -> None:
        outcome = judge("7", None, [job("FAILED", "1:0")], log_tail=CUDA_OOM)
        assert (outcome.state, outcome.fingerprint) == ("oom", "oom-gpu")
        assert outcome.detail.startswith("GPU memory ran out: torch.OutOfMemoryError: CUDA out of memory.")

    @pytest.mark.parametrize(
        ("state", "exit_code", "judged"), [("COMPLETED", "0:0", "done"), ("TIMEOUT", "0:0", "timeout"), ("FAILED", "75:0", "done")]
    )
    def test_gpu_memory_that_the_engine_coped_with_is_no_failure(self, state: str, exit_code: str, judged: str) -> None:
        assert judge("7", None, [job(state, exit_code)], log_tail=CUDA_OOM).state == judged

    def test_gpu_memory_long_before_another_error_is_not_the_cause(self) -> None:
        log = CUDA_OOM + "packs halved\n" * 100 + "KeyError: 'x'\n"
        assert judge("7", None, [job("FAILED", "1:0")], log_tail=log).state == "failed"

    def test_exit_code_75_wants_to_go_on(self) -> None:
        assert verdict(judge("7", None, [job("FAILED", "75:0")])) == ("done", "stopped early and wants to go on", None, True)

    def test_a_failure_shows_its_error_and_keeps_one_fingerprint_over_runs(self) -> None:
        first = judge("7", None, [job("FAILED", "1:0")], log_tail=TRACEBACK)
        again = judge("7", None, [job("FAILED", "1:0")], log_tail=TRACEBACK.replace("0x7f3a", "0x91bc").replace("job 7", "job 9"))
        assert first.detail == "exit code 1: KeyError: 'lm_head at 0x7f3a'"
        assert first.fingerprint == again.fingerprint == "exit@1:0 KeyError: 'lm_head at #x'"

    def test_the_error_of_an_earlier_run_in_the_same_log_is_not_blamed(self) -> None:
        log = TRACEBACK + BANNER + "ValueError: new\n"
        assert judge("7", None, [job("FAILED", "1:0")], log_tail=log).detail == "exit code 1: ValueError: new"

    @pytest.mark.parametrize(
        ("exit_code", "words"),
        [
            ("0:11", "killed by signal 11"),
            ("0:53", "SLURM could not start it: is the log's folder there?"),
            ("127:0", "exit code 127"),
            ("", "nobody saw its end: its supervisor was killed, or the machine was restarted"),
        ],
    )
    def test_a_failure_without_a_log_says_how_it_ended(self, exit_code: str, words: str) -> None:
        assert judge("7", None, [job("FAILED", exit_code)]).detail == words

    @pytest.mark.parametrize(
        ("state", "judged", "fingerprint"),
        [
            ("TIMEOUT", "timeout", None),
            ("PREEMPTED", "preempted", None),
            ("NODE_FAIL", "failed", "node-failure@h100-1"),
            ("BOOT_FAIL", "failed", "node-failure@h100-1"),
            ("DEADLINE", "failed", "deadline"),
        ],
    )
    def test_slurms_own_ends(self, state: str, judged: str, fingerprint: str | None) -> None:
        outcome = judge("7", None, [job(state)])
        assert (outcome.state, outcome.fingerprint, outcome.is_final) == (judged, fingerprint, True)

    @pytest.mark.parametrize(
        ("uid", "words"),
        [
            (1000, "cancelled by you"),
            (0, "cancelled by an administrator"),
            (4711, "cancelled by user 4711"),
            (None, "cancelled before it started"),
        ],
    )
    def test_who_cancelled(self, uid: int | None, words: str) -> None:
        assert verdict(judge("7", None, [job("CANCELLED", uid=uid)], own_uid=1000)) == ("cancelled", words, None, True)

    def test_of_a_requeued_job_the_last_run_counts(self) -> None:
        rows = parse_sacct(
            "7|PREEMPTED|0:0|2||96G|4|240|100|102|h100-1|evs\n"
            "7.batch|CANCELLED|0:15|2|498K||4||100|102|h100-1|batch\n"
            "7|COMPLETED|0:0|3||96G|4|240|110|113|h100-2|evs\n"
            "7.batch|COMPLETED|0:0|3|1024K||4||110|113|h100-2|batch\n"
        )
        outcome = judge("7", None, rows)
        assert (outcome.state, outcome.nodes, outcome.max_rss_gb) == ("done", "h100-2", 1 / 1024)

    @pytest.mark.parametrize(
        ("state", "judged"), [("RUNNING", "unknown"), ("COMPLETING", "unknown"), ("REQUEUED", "pending"), ("PENDING", "pending")]
    )
    def test_accounting_that_has_not_caught_up_is_never_the_last_word(self, state: str, judged: str) -> None:
        outcome = judge("7", None, [job(state)])
        assert (outcome.state, outcome.is_final) == (judged, False)

    def test_rows_of_other_jobs_are_not_looked_at(self) -> None:
        assert judge("8", None, [job("COMPLETED")]).state == "unknown"


class TestWithoutAccounting:
    def test_a_job_that_vanished_is_unknown_not_done(self) -> None:
        assert verdict(judge("7", None)) == ("unknown", "left the queue; accounting does not know it yet", None, False)

    @pytest.mark.parametrize(("phase", "judged"), [("finished", "done"), ("stopped", "done"), ("failed", "failed"), ("running", "unknown")])
    def test_its_heartbeat_is_evidence_but_not_proof(self, phase: str, judged: str) -> None:
        outcome = judge("7", None, (), beat(phase, "KeyError: 'x'"))
        assert (outcome.state, outcome.is_final) == (judged, False)

    @pytest.mark.parametrize(
        ("words", "judged"),
        [
            ("slurmstepd: error: *** JOB 7 ON h100-1 CANCELLED AT 2026-11-22T13:14:10 DUE TO TIME LIMIT ***", "timeout"),
            ("slurmstepd: error: *** JOB 7 ON h100-1 CANCELLED AT 2026-11-22T13:14:10 DUE TO PREEMPTION ***", "preempted"),
            ("slurmstepd: error: Detected 1 oom_kill event in StepId=7.batch.", "oom"),
        ],
    )
    def test_the_logs_last_words_are_evidence(self, words: str, judged: str) -> None:
        assert judge("7", None, (), beat("running"), BANNER + words).state == judged


class TestReasons:
    @pytest.mark.parametrize(
        ("reason", "words"),
        [
            ("Resources", "Resources: waiting for free nodes"),
            ("(ReqNodeNotAvail, UnavailableNodes:a100-2)", "ReqNodeNotAvail: the nodes it could use are down or reserved"),
            ("QOSMaxJobsPerUserLimit", "QOSMaxJobsPerUserLimit: at your limit; starts when one of your jobs ends"),
            ("AssocGrpGRESMinutes", "AssocGrpGRESMinutes: the allocation is used up, or nearly so"),
            ("SomethingNew", "SomethingNew"),
            ("None", "just submitted"),
        ],
    )
    def test_slurms_word_stays_and_plain_words_follow(self, reason: str, words: str) -> None:
        assert explain_reason(reason).startswith(words)

    @pytest.mark.parametrize(
        ("reason", "never"),
        [
            ("BadConstraints", True),
            ("QOSMaxWallDurationPerJobLimit", True),
            ("PartitionTimeLimit", True),
            ("Resources", False),
            ("QOSGrpGRES", False),
        ],
    )
    def test_what_can_never_start_is_told_from_what_waits(self, reason: str, never: bool) -> None:
        assert never_starts(reason) is never
