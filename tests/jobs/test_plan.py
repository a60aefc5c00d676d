"""A plan shows everything and writes nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from evsctl.db.connection import Database
from evsctl.db.sync import sync_journals
from evsctl.errors import InputError, SlurmError
from evsctl.jobs.overrides import RequestOverrides
from evsctl.jobs.plan import look_around, plan_submission
from evsctl.jobs.submit import submit_plan
from evsctl.jobs.types import JobRequest
from evsctl.journal.paths import RunsFolder
from evsctl.settings import Settings
from tests.jobs.fakes import REGISTRY, FakePort, answer


def all_files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_plan_writes_nothing(db: Database, settings: Settings, port: FakePort) -> None:
    before = all_files(settings.folder)
    plan_submission(db, settings, REGISTRY, port, "tiny")
    assert all_files(settings.folder) == before
    assert port.calls == ["squeue", "sinfo"]


def test_the_first_plan_is_the_registrys_request_on_this_site(db: Database, settings: Settings, port: FakePort) -> None:
    plan = plan_submission(db, settings, REGISTRY, port, "tiny")
    runs = settings.folder / "survey.runs" / "tiny"
    assert plan.argv == [
        "sbatch",
        "--parsable",
        "--job-name=evs-test-tiny",
        "--dependency=singleton",
        "--requeue",
        "--open-mode=append",
        "--signal=B:USR1@120",
        f"--output={runs}/%j.log",
        f"--chdir={settings.folder}",
        "--mem=48G",
        "-t",
        "04:00:00",
        "-G",
        "1",
        "--constraint=a100|h100",
        "--partition=gpu",
        "--account=lab",
        "--cpus-per-task=4",
        f"{runs}/attempt-1.sbatch",
    ]
    assert (plan.attempt, plan.pending, plan.dtype, plan.previous, plan.problems) == (1, 8, "bf16", None, ())
    assert plan.manifest_path == runs / f"manifest-{plan.manifest.hash}.jsonl"
    assert f"engine run tiny --manifest '{plan.manifest_path}'" in plan.script_text
    assert "module load cuda\n" in plan.script_text


def test_a_dtype_that_is_not_the_default_is_said_to_the_engine(db: Database, settings: Settings, port: FakePort) -> None:
    assert plan_submission(db, settings, REGISTRY, port, "big").argv[-2:] == ["--dtype", "int4"]


def test_what_is_given_by_hand_wins_and_says_so(db: Database, settings: Settings, port: FakePort) -> None:
    plan = plan_submission(db, settings, REGISTRY, port, "tiny", overrides=RequestOverrides(memory_gb=96, partition=""))
    assert (plan.request.memory_gb, plan.request.partition) == (96, None)
    assert plan.advice.reasons["memory_gb"] == "given by hand (advice: 48)"


def test_a_percent_sign_in_the_folder_is_not_a_pattern(tmp_path: Path, settings: Settings, db: Database, port: FakePort) -> None:
    odd = replace(settings, database=replace(settings.database, runs_dir=tmp_path / "50%j" / "survey.runs"))
    plan = plan_submission(db, odd, REGISTRY, port, "tiny")
    assert plan.spec.log_pattern == f"{tmp_path}/50%%j/survey.runs/tiny/%j.log"


def test_filters_narrow_the_work(db: Database, settings: Settings, port: FakePort) -> None:
    assert plan_submission(db, settings, REGISTRY, port, "tiny", langs=["deu"]).pending == 4


def test_a_filter_is_not_widened_by_an_older_manifest(db: Database, settings: Settings, port: FakePort) -> None:
    submit_plan(db, settings, port, plan_submission(db, settings, REGISTRY, port, "tiny"))
    port.rows.clear()
    plan = plan_submission(db, settings, REGISTRY, port, "tiny", langs=["deu"], hypothetical=True)
    assert {prompt.key.lang for prompt in plan.manifest.prompts} == {"deu"}


def test_the_newest_manifest_is_used_again_while_it_covers_what_is_pending(db: Database, settings: Settings, port: FakePort) -> None:
    first = plan_submission(db, settings, REGISTRY, port, "tiny")
    submit_plan(db, settings, port, first)
    runs = RunsFolder(settings.database.runs_dir)
    answer(runs.model("tiny"), first.manifest, 3, "101")
    sync_journals(db, runs)
    port.end("101", "FAILED", "1:0")
    second = plan_submission(db, settings, REGISTRY, port, "tiny", hypothetical=True)
    assert (second.pending, second.attempt) == (5, 2)
    assert second.manifest_path == first.manifest_path
    assert second.previous == first.request


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "COMPLETING"])
def test_a_model_with_a_job_in_the_queue_is_refused(db: Database, settings: Settings, port: FakePort, state: str) -> None:
    submit_plan(db, settings, port, plan_submission(db, settings, REGISTRY, port, "tiny"))
    port.rows["101"] = replace(port.rows["101"], state=state)
    with pytest.raises(InputError, match="'tiny' has a job already: 101"):
        plan_submission(db, settings, REGISTRY, port, "tiny")
    plan = plan_submission(db, settings, REGISTRY, port, "tiny", hypothetical=True)
    assert plan.problems == ("'tiny' has a job already: 101. `evsctl cancel 101` ends it.",)


@pytest.mark.usefixtures("old_jobs")
def test_a_job_that_left_the_queue_before_accounting_knows_is_no_job_in_the_queue(db: Database, settings: Settings, port: FakePort) -> None:
    submit_plan(db, settings, port, plan_submission(db, settings, REGISTRY, port, "tiny"))
    port.rows.clear()
    plan = plan_submission(db, settings, REGISTRY, port, "tiny")
    assert plan.advice.stop == "it is not known what became of job 101"


def test_a_model_that_is_done_is_refused_with_its_number(db: Database, settings: Settings, port: FakePort) -> None:
    plan = plan_submission(db, settings, REGISTRY, port, "tiny_eng")
    runs = RunsFolder(settings.database.runs_dir)
    answer(runs.model("tiny_eng"), plan.manifest, 4, "7")
    sync_journals(db, runs)
    with pytest.raises(InputError, match="'tiny_eng' is done: all 4 prompts are answered"):
        plan_submission(db, settings, REGISTRY, port, "tiny_eng")


def test_another_dtype_than_the_answers_have_takes_a_new_id(db: Database, settings: Settings, port: FakePort) -> None:
    plan = plan_submission(db, settings, REGISTRY, port, "tiny_eng")
    runs = RunsFolder(settings.database.runs_dir)
    answer(runs.model("tiny_eng"), plan.manifest, 2, "7")
    sync_journals(db, runs)
    with pytest.raises(InputError, match=r"made with another dtype \(dtype bf16 → fp32\)\. `--as NEW_ID` keeps the two apart"):
        plan_submission(db, settings, REGISTRY, port, "tiny_eng", dtype="fp32")
    other = plan_submission(db, settings, REGISTRY, port, "tiny_eng", dtype="fp32", new_id="tiny_eng_fp32")
    assert (other.model_id, other.pending, other.dtype, other.identity.hub_id) == ("tiny_eng_fp32", 4, "fp32", "org/tiny-eng")
    assert other.argv[-2:] == ["--dtype", "fp32"]


def test_an_unknown_model_is_named_with_the_nearest_one(db: Database, settings: Settings, port: FakePort) -> None:
    with pytest.raises(InputError, match=r"Unknown model 'tinny'.*tiny"):
        plan_submission(db, settings, REGISTRY, port, "tinny")


def test_slurm_out_of_reach_stops_a_submission_but_not_a_dry_run(db: Database, settings: Settings, port: FakePort) -> None:
    port.down = True
    with pytest.raises(SlurmError, match="does not answer"):
        plan_submission(db, settings, REGISTRY, port, "tiny")
    plan = plan_submission(db, settings, REGISTRY, port, "tiny", hypothetical=True)
    assert plan.problems == ()
    assert plan.advice.warnings[-1].startswith("SLURM does not answer")
    assert plan.request.memory_gb == 48


def test_one_look_around_serves_the_plans_of_many_models(db: Database, settings: Settings, port: FakePort) -> None:
    around = look_around(db, settings, port)
    for spec in REGISTRY:
        plan_submission(db, settings, REGISTRY, port, spec.model_id, surroundings=around)
    assert port.calls == ["squeue", "sinfo"]


def test_memory_lost_on_the_cluster_doubles_in_the_next_plan(db: Database, settings: Settings, port: FakePort) -> None:
    submit_plan(db, settings, port, plan_submission(db, settings, REGISTRY, port, "tiny"))
    port.end("101", "OUT_OF_MEMORY", "0:125")
    plan = plan_submission(db, settings, REGISTRY, port, "tiny")
    assert plan.request == JobRequest(96, 240, 1, "a100|h100", "gpu", "lab")
    assert plan.advice.reasons["memory_gb"] == "job 101 ran out of memory at 48G: twice that"


def test_the_same_state_gives_the_same_plan(db: Database, settings: Settings, port: FakePort) -> None:
    first, second = (plan_submission(db, settings, REGISTRY, port, "tiny") for _ in range(2))
    assert (first.argv, first.script_text, first.manifest.hash) == (second.argv, second.script_text, second.manifest.hash)
