"""Submitting: files first, then SLURM, then the ledger; never twice."""

import json

import pytest

from evsctl.db.connection import Database
from evsctl.db.ledger import list_submissions
from evsctl.errors import DatabaseError, InputError, SlurmError, SubmissionRefusedError
from evsctl.jobs import submit
from evsctl.jobs.adopt import adopt_job
from evsctl.jobs.cancel import cancel_jobs, plan_cancel
from evsctl.jobs.cli_port import SubmissionUnclearError
from evsctl.jobs.plan import SubmissionPlan, plan_submission
from evsctl.jobs.submit import submit_plan, write_caps
from evsctl.jobs.types import JobSpec, QueueRow
from evsctl.journal.manifest import read_manifest
from evsctl.journal.paths import RunsFolder
from evsctl.models.registry import load_registry
from evsctl.settings import Caps, Settings
from tests.jobs.fakes import REGISTRY, FakePort


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submit, "LOOK_AGAIN_SECONDS", (0.0, 0.0, 0.0))


@pytest.fixture
def plan(db: Database, settings: Settings, port: FakePort) -> SubmissionPlan:
    return plan_submission(db, settings, REGISTRY, port, "tiny")


def test_everything_the_job_needs_is_there_before_sbatch(db: Database, settings: Settings, plan: SubmissionPlan) -> None:
    class Watching(FakePort):
        def submit(self, spec: JobSpec) -> str:
            assert spec.script.read_text() == plan.script_text
            assert read_manifest(plan.manifest_path).prompts == plan.manifest.prompts
            assert json.loads((spec.script.parent / "auto.json").read_text())["caps"]["on"] is True
            return super().submit(spec)

    submit_plan(db, settings, Watching(), plan)


def test_the_ledger_keeps_what_was_asked_and_why(db: Database, settings: Settings, port: FakePort, plan: SubmissionPlan) -> None:
    submission = submit_plan(db, settings, port, plan)
    (stored,) = list_submissions(db)
    assert stored == submission
    assert (stored.job_id, stored.backend, stored.attempt, stored.pending, stored.dtype) == ("101", "cli", 1, 8, "bf16")
    assert list(stored.argv) == plan.argv
    assert stored.request["memory_gb"] == 48
    assert stored.reasons == plan.advice.reasons
    assert stored.log_path == str(plan.spec.script.parent / "101.log")


def test_nothing_it_writes_is_readable_by_the_world(db: Database, settings: Settings, port: FakePort, plan: SubmissionPlan) -> None:
    submit_plan(db, settings, port, plan)
    written = list(plan.spec.script.parent.rglob("*"))
    assert len(written) == 3
    assert [path for path in written if path.stat().st_mode & 0o007] == []


def test_a_plan_with_problems_is_not_submitted(db: Database, settings: Settings, port: FakePort, plan: SubmissionPlan) -> None:
    submit_plan(db, settings, port, plan)
    again = plan_submission(db, settings, REGISTRY, port, "tiny", hypothetical=True)
    with pytest.raises(InputError, match="has a job already: 101"):
        submit_plan(db, settings, port, again)
    assert len(port.submitted) == 1


def test_a_job_that_came_between_plan_and_submission_is_seen(
    db: Database, settings: Settings, port: FakePort, plan: SubmissionPlan
) -> None:
    submit_plan(db, settings, port, plan)
    with pytest.raises(InputError, match="has a job already: 101"):
        submit_plan(db, settings, port, plan)
    assert len(port.submitted) == 1


def test_two_windows_cannot_submit_at_the_same_moment(db: Database, settings: Settings, plan: SubmissionPlan) -> None:
    class Slow(FakePort):
        def submit(self, spec: JobSpec) -> str:
            with pytest.raises(InputError, match="from another window"):
                submit_plan(db, settings, FakePort(), plan)
            return super().submit(spec)

    submit_plan(db, settings, Slow(), plan)
    assert not (plan.spec.script.parent / ".submitting").exists()


def test_a_refusal_leaves_no_row_and_can_be_repeated(db: Database, settings: Settings, port: FakePort, plan: SubmissionPlan) -> None:
    port.refusals = [SubmissionRefusedError("SLURM refused: Invalid account.")]
    with pytest.raises(SubmissionRefusedError):
        submit_plan(db, settings, port, plan)
    assert list_submissions(db) == ()
    assert submit_plan(db, settings, port, plan).job_id == "101"


def test_an_sbatch_without_answer_that_did_submit_is_found_by_its_name(db: Database, settings: Settings, plan: SubmissionPlan) -> None:
    class Lossy(FakePort):
        def submit(self, spec: JobSpec) -> str:
            self.accept(spec)
            raise SubmissionUnclearError("SLURM does not answer: sbatch says 'Socket timed out'.")

    port = Lossy()
    assert submit_plan(db, settings, port, plan).job_id == "101"
    assert len(port.submitted) == 1


@pytest.mark.usefixtures("old_jobs")
def test_an_sbatch_without_answer_that_did_not_submit_is_tried_once_more(
    db: Database, settings: Settings, port: FakePort, plan: SubmissionPlan
) -> None:
    port.refusals = [SubmissionUnclearError("Socket timed out.")]
    assert submit_plan(db, settings, port, plan).job_id == "101"
    port.rows.clear()
    port.refusals = [SubmissionUnclearError("Socket timed out.")] * 2
    with pytest.raises(SlurmError, match="No job 'evs-test-tiny' is in the queue"):
        submit_plan(db, settings, port, plan_submission(db, settings, REGISTRY, port, "tiny"))


def test_where_neither_sbatch_nor_the_queue_answers_nothing_is_tried_twice(db: Database, settings: Settings, plan: SubmissionPlan) -> None:
    class Dying(FakePort):
        def submit(self, spec: JobSpec) -> str:
            self.calls.append("sbatch")
            self.down = True
            raise SubmissionUnclearError("Socket timed out.")

    port = Dying()
    with pytest.raises(SlurmError, match="it is not known whether job 'evs-test-tiny' was submitted"):
        submit_plan(db, settings, port, plan)
    assert port.calls.count("sbatch") == 1


def test_a_ledger_that_cannot_be_written_names_the_job_and_the_way_back(
    db: Database, settings: Settings, port: FakePort, plan: SubmissionPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise DatabaseError("The study is being written by another.")

    monkeypatch.setattr(submit, "record_submission", refuse)
    with pytest.raises(DatabaseError, match=r"Job 101 of 'tiny' is submitted.*`evsctl jobs adopt 101 tiny`"):
        submit_plan(db, settings, port, plan)
    adopted = adopt_job(db, settings, REGISTRY, port, "101", "tiny")
    assert [s.job_id for s in list_submissions(db)] == [adopted.job_id] == ["101"]


def test_the_caps_travel_to_the_job_and_a_switched_off_auto_stays_off(db: Database, settings: Settings, port: FakePort) -> None:
    runs = RunsFolder(settings.database.runs_dir).model("tiny")
    write_caps(runs, Caps(attempts=3, gpu_hours=10), on=False)
    submit_plan(db, settings, port, plan_submission(db, settings, REGISTRY, port, "tiny"))
    assert json.loads(runs.auto.read_text())["caps"]["on"] is False


def test_a_new_id_is_registered_when_it_is_submitted(db: Database, settings: Settings, port: FakePort) -> None:
    plan = plan_submission(db, settings, REGISTRY, port, "tiny", dtype="fp32", new_id="tiny_fp32")
    assert load_registry(settings.folder).find("tiny_fp32") is None
    assert submit_plan(db, settings, port, plan).model_id == "tiny_fp32"
    spec = load_registry(settings.folder).get("tiny_fp32")
    assert (spec.hub_id, spec.dtype, spec.in_study) == ("org/tiny", "fp32", False)


class TestCancel:
    def test_a_model_or_a_job_id_finds_the_job(self, db: Database, settings: Settings, port: FakePort, plan: SubmissionPlan) -> None:
        submit_plan(db, settings, port, plan)
        assert plan_cancel(db, settings, port, ["tiny"]).commands == [["scancel", "101"]]
        assert port.cancelled == []
        assert cancel_jobs(db, settings, port, ["101", "tiny"]) == ["101"]
        assert port.cancelled == ["101"]

    def test_jobs_of_others_are_never_touched(self, db: Database, settings: Settings, port: FakePort) -> None:
        port.rows["7"] = QueueRow("7", "thesis", "RUNNING", "None", "n", 1.0, 60.0, 1.0)
        with pytest.raises(InputError, match="Job 7 is not one of this study's jobs"):
            cancel_jobs(db, settings, port, ["7"])
        assert port.cancelled == []

    def test_a_job_of_ours_without_ledger_row_is_known_by_its_name(self, db: Database, settings: Settings, port: FakePort) -> None:
        port.rows["7"] = QueueRow("7", "evs-test-tiny", "RUNNING", "None", "n", 1.0, 60.0, 1.0)
        assert cancel_jobs(db, settings, port, ["7"]) == ["7"]

    def test_a_model_without_a_job_is_said(self, db: Database, settings: Settings, port: FakePort) -> None:
        with pytest.raises(InputError, match="'tiny' has no job in the queue"):
            cancel_jobs(db, settings, port, ["tiny"])


class TestAdopt:
    def test_a_job_that_nobody_knows_or_the_ledger_has_is_refused(
        self, db: Database, settings: Settings, port: FakePort, plan: SubmissionPlan
    ) -> None:
        submit_plan(db, settings, port, plan)
        with pytest.raises(InputError, match="Job 101 is in the ledger already"):
            adopt_job(db, settings, REGISTRY, port, "101", "tiny")
        with pytest.raises(InputError, match="Neither queue nor accounting knows a job 102"):
            adopt_job(db, settings, REGISTRY, port, "102", "tiny")

    def test_a_job_that_has_ended_is_taken_from_accounting(self, db: Database, settings: Settings, port: FakePort) -> None:
        port.end("55", "OUT_OF_MEMORY", "0:125")
        adopt_job(db, settings, REGISTRY, port, "55", "tiny")
        assert plan_submission(db, settings, REGISTRY, port, "tiny").request.memory_gb == 96
