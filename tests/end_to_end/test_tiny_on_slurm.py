"""A tiny model through a real SLURM, from the command line: submitted, watched, cancelled, refused, out of reach."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.command_line import DEMO_QUESTIONS, DEMO_REPHRASINGS, Done, evsctl
from tests.slurm_cluster import SlurmCluster

pytestmark = [pytest.mark.slow, pytest.mark.slurm, pytest.mark.xdist_group("slurm")]

MODEL = "tiny_multi"
TOTAL = 280 + 12
BUILD = """
import sys; from pathlib import Path
from evsctl.engine.tiny_model import build_tiny_model
build_tiny_model(Path(sys.argv[1]), kind="llama", texts=[Path(sys.argv[2]).read_text(encoding="utf-8")], seed=5)
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / MODEL
    subprocess.run([sys.executable, "-c", BUILD, str(folder), str(DEMO_QUESTIONS)], check=True)
    return folder


@pytest.fixture
def study(tmp_path: Path, weights: Path) -> Path:
    folder = tmp_path / "a study"  # a blank in every path: what is not quoted breaks
    folder.mkdir()
    (folder / "evsctl.toml").write_text(
        f'[study]\nname = "tiny"\nmodels = ["{MODEL}"]\n\n[cluster]\nbackend = "cli"\ncpus = 1\npoll = 10\n'
    )
    populate = ("survey", "populate", "--questions", DEMO_QUESTIONS, "--rephrasings", DEMO_REPHRASINGS)
    for command in (populate, ("models", "add", MODEL, "--path", weights, "--multilingual", "--dtype", "fp32")):
        done = evsctl(*command, cwd=folder)
        assert done.code == 0, done.err
    return folder


@pytest.fixture
def run(slurm: SlurmCluster, study: Path) -> Callable[..., Done]:
    environment = {**slurm.environment, "CUDA_VISIBLE_DEVICES": ""}
    return lambda *args: evsctl(*args, cwd=study, env=environment)


def row(run: Callable[..., Done]) -> dict[str, Any]:
    done = run("status", "--json")
    assert done.out, done.err
    found: dict[str, Any] = next(row for row in done.data["models"] if row["model_id"] == MODEL)
    return found


def wait_for_state(run: Callable[..., Done], *states: str, seconds: float = 180) -> dict[str, Any]:
    end = time.monotonic() + seconds
    while (found := row(run))["state"] not in states:
        assert time.monotonic() < end, found
        time.sleep(1)
    return found


def test_a_job_never_opens_the_database(run: Callable[..., Done], study: Path, slurm: SlurmCluster) -> None:
    """The file is taken away while the job runs: it ends well all the same, and nothing is lost."""
    submitted = run("submit", MODEL)
    assert submitted.code == 0, submitted.err
    job_id = submitted.out.split()[0]
    hidden = study.parent / "hidden.db"
    (study / "survey.db").rename(hidden)
    slurm.wait_for_state(job_id, "COMPLETED", timeout=180)
    assert not (study / "survey.db").exists()
    hidden.rename(study / "survey.db")
    found = wait_for_state(run, "done")
    assert {name: found[name] for name in ("done", "total", "failed", "percent", "attempt", "job_id")} == {
        "done": TOTAL,
        "total": TOTAL,
        "failed": 0,
        "percent": 100.0,
        "attempt": 1,
        "job_id": job_id,
    }
    assert run("logs", MODEL).out.startswith(f"== evsctl: {MODEL}, job {job_id}, restart 0,")
    again = run("submit", MODEL)
    assert (again.code, f"'{MODEL}' is done: all {TOTAL} prompts are answered." in again.err) == (2, True)


def test_two_front_ends_at_once_merge_every_prompt_once(run: Callable[..., Done], study: Path, slurm: SlurmCluster) -> None:
    job_id = run("submit", MODEL).out.split()[0]
    slurm.wait_for_state(job_id, "COMPLETED", timeout=180)
    environment = {**slurm.environment, "PYTHONPATH": str(Path(__file__).resolve().parents[2]), "HOME": str(study)}
    commands = [("sync",), ("status", "--json"), ("sync",), ("status", "--json")]
    windows = [
        subprocess.Popen([sys.executable, "-m", "evsctl", *c], cwd=study, env=environment, stdout=subprocess.DEVNULL) for c in commands
    ]
    assert [window.wait(120) for window in windows] == [0, 0, 0, 0]
    with sqlite3.connect(f"file:{study / 'survey.db'}?mode=ro", uri=True) as db:
        sums = db.execute(
            "SELECT count(DISTINCT prompt_id), max(abs(total - 1)) FROM (SELECT prompt_id, sum(prob) AS total FROM evaluations GROUP BY 1)"
        )
        prompts, worst = sums.fetchone()
    assert prompts == TOTAL
    assert worst < 1e-6


def test_a_cancelled_job_is_cancelled_and_stays_so(run: Callable[..., Done], slurm: SlurmCluster) -> None:
    submitted = run("submit", MODEL, "--constraint", "h100", "--gpus", "4")
    job_id = submitted.out.split()[0]
    second = run("submit", MODEL)
    assert (second.code, f"has a job already: {job_id}" in second.err) == (2, True)
    done = run("cancel", MODEL)
    assert (done.code, done.out) == (0, f"{job_id}\tcancelled\n")
    slurm.wait_for_record(job_id)
    found = wait_for_state(run, "cancelled", "idle", seconds=60)
    assert found["state"] == "cancelled"
    assert run("cancel", MODEL).code == 2


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--partition", "nowhere"), "Invalid partition name specified"),
        (("--constraint", "b300"), "Invalid feature specification"),
        (("--mem", "9T"), "Memory specification can not be satisfied"),
        (("--partition", "short", "--time", "10:00:00"), "Requested time limit is invalid"),
    ],
)
def test_what_slurm_refuses_is_said_in_its_own_words(run: Callable[..., Done], flags: tuple[str, ...], words: str) -> None:
    done = run("submit", MODEL, *flags)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert run("jobs", "--json").data == []


def test_a_dead_controller_leaves_status_readable_and_a_submission_undone(run: Callable[..., Done], slurm: SlurmCluster) -> None:
    slurm.stop_controller()
    try:
        status = run("status", "--json")
        submitted = run("submit", MODEL)
    finally:
        slurm.start_controller()
    assert (status.code, status.data["slurm"]["reachable"]) == (1, False)
    assert (submitted.code, submitted.out) == (3, "")
    assert "Unable to contact slurm controller" in submitted.err
    assert run("jobs", "--json").data == []
    # All windows together ask once per poll: the failed answer stands until the next one is due.
    slurm.wait_until(lambda: bool(run("status", "--json").data["slurm"]["reachable"]), "the next poll", 60)
