"""From plan to answers and back: a submission's whole life, on this machine and on a real SLURM, with a stub for the engine."""

import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from evsctl.db.connection import Database
from evsctl.db.ledger import list_submissions, outcomes
from evsctl.db.sync import sync_journals
from evsctl.errors import InputError
from evsctl.jobs.cancel import cancel_jobs
from evsctl.jobs.cli_port import CliPort
from evsctl.jobs.local_port import LocalPort
from evsctl.jobs.outcomes import read_outcomes
from evsctl.jobs.overrides import RequestOverrides
from evsctl.jobs.plan import SubmissionPlan, plan_submission
from evsctl.jobs.submit import submit_plan
from evsctl.jobs.types import ACTIVE_STATES, UNKNOWN, JobOutcome, JobPort
from evsctl.journal.paths import RunsFolder
from evsctl.settings import ClusterSettings, Settings
from tests.jobs.fakes import REGISTRY
from tests.slurm_cluster import SlurmCluster

ROOT = Path(__file__).resolve().parents[2]
SMALL = RequestOverrides(memory_gb=1, walltime_minutes=10, gpus=0, constraint="", cpus=1)


@pytest.fixture
def stubbed(settings: Settings) -> Settings:
    """The study with the packaged script, whose python is given the stub instead of evsctl."""
    folder = settings.folder / "templates"
    folder.mkdir()
    shutil.copy(Path(__file__).parent / "stub_engine.py", folder / "stub_engine.py")
    packaged = (ROOT / "templates/sbatch/run.sbatch").read_text()
    stub = f'exec env PYTHONPATH={ROOT} {sys.executable} "{folder}/stub_engine.py" %%{{command}} "$@"'
    (folder / "run.sbatch").write_text(packaged.replace('exec %%{command} "$@"', stub))
    return replace(
        settings, study=replace(settings.study, templates="templates"), cluster=ClusterSettings(), job=replace(settings.job, prelude=())
    )


@pytest.fixture
def end_as(stubbed: Settings) -> Callable[..., None]:
    def write(*lines: str) -> None:
        (stubbed.folder / "templates" / "ending").write_text("\n".join(lines))

    return write


def submit(db: Database, settings: Settings, port: JobPort, overrides: RequestOverrides = SMALL) -> tuple[SubmissionPlan, str]:
    plan = plan_submission(db, settings, REGISTRY, port, "tiny", overrides=overrides)
    return plan, submit_plan(db, settings, port, plan).job_id


def outcome_of(db: Database, settings: Settings, port: JobPort, job_id: str, seconds: float = 60) -> JobOutcome:
    """Wait until a job has ended for certain."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        outcome = read_outcomes(db, settings, port, store=False)[job_id]
        if outcome.state not in (*ACTIVE_STATES, UNKNOWN) and outcome.is_final:
            read_outcomes(db, settings, port)
            return outcome
        time.sleep(0.2)
    raise AssertionError(f"job {job_id} did not end: {outcome}")


def life(db: Database, settings: Settings, port: JobPort, end_as: Callable[..., None]) -> None:
    """Three answers and a wish to go on; the rest in a second attempt; then nothing is left to do."""
    end_as("3 75", "5 0")
    first, job_id = submit(db, settings, port)
    outcome = outcome_of(db, settings, port, job_id)
    assert (outcome.state, outcome.detail) == ("done", "stopped early and wants to go on")
    stored = outcomes(db)[port.name, job_id]
    assert (stored.rows_before, stored.rows_after, stored.exit_code) == (0, 3, "75:0")
    sync_journals(db, RunsFolder(settings.database.runs_dir))
    second, second_id = submit(db, settings, port)
    assert (second.attempt, second.pending, second.manifest_path) == (2, 5, first.manifest_path)
    assert second.advice.stop is None
    assert outcome_of(db, settings, port, second_id).detail == "ended well"
    sync_journals(db, RunsFolder(settings.database.runs_dir))
    with pytest.raises(InputError, match="'tiny' is done: all 8 prompts are answered"):
        plan_submission(db, settings, REGISTRY, port, "tiny")
    logs = [Path(s.log_path).read_text() for s in list_submissions(db)]
    assert [log.splitlines()[0].startswith("== evsctl: tiny, job ") for log in logs] == [True, True]
    assert ["answered 3" in logs[0], "answered 5" in logs[1]] == [True, True]


class TestOnThisMachine:
    @pytest.fixture
    def here(self, stubbed: Settings) -> LocalPort:
        return LocalPort(RunsFolder(stubbed.database.runs_dir))

    def test_a_models_whole_life(self, db: Database, stubbed: Settings, here: LocalPort, end_as: Callable[..., None]) -> None:
        life(db, stubbed, here, end_as)

    def test_no_time_limit_unless_one_is_given(self, db: Database, stubbed: Settings, here: LocalPort) -> None:
        plan = plan_submission(db, stubbed, REGISTRY, here, "tiny")
        assert plan.request.walltime_minutes == 0
        assert plan.advice.reasons["walltime_minutes"] == "no limit on this machine"
        assert plan.argv == ["/bin/bash", str(plan.spec.script)]

    def test_a_running_model_is_refused_and_its_job_can_be_cancelled(
        self, db: Database, stubbed: Settings, here: LocalPort, end_as: Callable[..., None]
    ) -> None:
        end_as("1 wait")
        _, job_id = submit(db, stubbed, here)
        with pytest.raises(InputError, match=f"'tiny' has a job already: {job_id}"):
            submit(db, stubbed, here)
        assert cancel_jobs(db, stubbed, here, ["tiny"]) == [job_id]
        assert outcome_of(db, stubbed, here, job_id).detail == "cancelled by you"
        plan = plan_submission(db, stubbed, REGISTRY, here, "tiny")
        assert plan.advice.stop == f"job {job_id} was cancelled: submit it again by hand when you want"

    def test_a_local_job_is_seen_beside_slurms(self, db: Database, stubbed: Settings, here: LocalPort, end_as: Callable[..., None]) -> None:
        from tests.jobs.fakes import FakePort

        end_as("8 0")
        _, job_id = submit(db, stubbed, here)
        assert outcome_of(db, stubbed, FakePort(), job_id).state == "done"


@pytest.mark.slurm
@pytest.mark.xdist_group("slurm")
class TestOnSlurm:
    def test_a_models_whole_life(self, slurm: SlurmCluster, db: Database, stubbed: Settings, end_as: Callable[..., None]) -> None:
        life(db, stubbed, CliPort(), end_as)

    def test_memory_lost_for_real_doubles_in_the_next_plan(
        self, slurm: SlurmCluster, db: Database, stubbed: Settings, end_as: Callable[..., None]
    ) -> None:
        end_as("2 eat")
        _, job_id = submit(db, stubbed, CliPort())
        assert outcome_of(db, stubbed, CliPort(), job_id).state == "oom"
        plan = plan_submission(db, stubbed, REGISTRY, CliPort(), "tiny")
        assert (plan.request.memory_gb, plan.advice.reasons["memory_gb"]) == (2, f"job {job_id} ran out of memory at 1G: twice that")
        assert plan.advice.stop is None

    def test_a_job_is_told_its_end_and_stops_when_usr1_comes(
        self, slurm: SlurmCluster, db: Database, stubbed: Settings, end_as: Callable[..., None]
    ) -> None:
        end_as("2 wait")
        plan, job_id = submit(db, stubbed, CliPort())
        log = plan.spec.script.parent / f"{job_id}.log"
        slurm.wait_until(lambda: log.exists() and "answered 2" in log.read_text(), "the stub to answer")
        told = int(log.read_text().split("--stop-before ")[1].split()[0])
        assert abs(told - (time.time() + 600 - 90)) < 60
        slurm.run("scancel", "--signal=USR1", "--batch", job_id)
        assert outcome_of(db, stubbed, CliPort(), job_id).detail == "stopped early and wants to go on"

    def test_the_failed_node_is_left_out_of_the_next_plan(
        self, slurm: SlurmCluster, db: Database, stubbed: Settings, end_as: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("evsctl.jobs.outcomes.REQUEUE_SECONDS", 0.0)
        end_as("2 wait")
        site = replace(stubbed, cluster=ClusterSettings(extra_sbatch=("--no-requeue",)))
        plan, job_id = submit(db, site, CliPort(), replace(SMALL, constraint="l40s"))
        log = plan.spec.script.parent / f"{job_id}.log"
        slurm.wait_until(lambda: log.exists() and "answered 2" in log.read_text(), "the stub to answer")
        node = slurm.node("l40s-1")
        slurm.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
        try:
            outcome_of(db, site, CliPort(), job_id)
            plan = plan_submission(db, site, REGISTRY, CliPort(), "tiny")
        finally:
            slurm.run("scontrol", "update", f"nodename={node}", "state=resume", check=False)
        assert plan.request.exclude == (node,)
        assert f"--exclude={node}" in plan.argv

    def test_a_job_whose_sbatch_lost_its_answer_is_found_and_not_submitted_twice(
        self,
        slurm: SlurmCluster,
        db: Database,
        stubbed: Settings,
        end_as: Callable[..., None],
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        monkeypatch.setattr("evsctl.jobs.submit.LOOK_AGAIN_SECONDS", (0.5,))
        end_as("1 wait")
        folder = tmp_path / "bin"
        folder.mkdir()
        lost = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"
        (folder / "sbatch").write_text(f'#!/bin/bash\n/usr/bin/sbatch "$@" >> {tmp_path}/submitted\necho "{lost}" >&2\nexit 1\n')
        (folder / "sbatch").chmod(0o755)
        monkeypatch.setenv("PATH", str(folder), prepend=":")
        _, job_id = submit(db, stubbed, CliPort())
        assert (tmp_path / "submitted").read_text() == f"{job_id}\n"
        assert [s.job_id for s in list_submissions(db)] == [job_id]

    def test_three_models_at_once_cost_one_squeue_a_look(
        self,
        slurm: SlurmCluster,
        db: Database,
        stubbed: Settings,
        end_as: Callable[..., None],
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        end_as("1 wait", "1 wait", "1 wait")
        port = CliPort()
        for model_id in REGISTRY.models:
            submit_plan(db, stubbed, port, plan_submission(db, stubbed, REGISTRY, port, model_id, overrides=SMALL))
        folder = tmp_path / "bin"
        folder.mkdir()
        for name in ("squeue", "sacct"):
            (folder / name).write_text(f'#!/bin/bash\necho {name} >> {tmp_path}/calls\nexec /usr/bin/{name} "$@"\n')
            (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(folder), prepend=":")
        found = read_outcomes(db, stubbed, port)
        assert len(found) == 3
        assert {outcome.state for outcome in found.values()} <= set(ACTIVE_STATES)
        assert (tmp_path / "calls").read_text() == "squeue\n"
