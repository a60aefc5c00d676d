"""The ledger gives back what was recorded."""

from dataclasses import replace
from pathlib import Path

from evsctl.db.ledger import StoredOutcome, Submission, list_submissions, outcomes, record_outcomes, record_submission
from tests.db.factories import Study
from tests.db.field import make_field_database

SUBMISSION = Submission(
    submission_id=None,
    model_id="tiny",
    job_id="4711",
    backend="cli",
    attempt=1,
    submitted_at=1700000000.25,
    job_name="evs-study-tiny",
    argv=("sbatch", "--mem=48G", "ein Pfad/mit Leerzeichen"),
    request={"memory_gb": 48, "constraint": "a100|h100", "exclude": ["n1"]},
    reasons={"memory_gb": "the registry’s figure"},
    inputs={"pending": 20763, "rate": None, "path": Path("x")},
    manifest="manifest-ff.jsonl",
    script="#!/bin/sh\nexec true\n",
    log_path="survey.runs/tiny/4711.log",
    dtype="bf16",
    user="ann",
    pending=20763,
)
OUTCOME = StoredOutcome("4711", "cli", "oom", "48G were not enough", "abc", "0:125", 47.9, 3600.5, 1.0, 2.0, "n1", True, False, 0, 100, 3.0)


def test_submissions_come_back_oldest_first_and_numbered(study: Study) -> None:
    study.populate()
    with study.open() as db:
        assert record_submission(db, SUBMISSION) == 1
        assert record_submission(db, replace(SUBMISSION, model_id="mono_eng", submitted_at=5.0, dtype=None)) == 2
        assert record_submission(db, replace(SUBMISSION, attempt=2, job_id="4712")) == 3
        stored = replace(SUBMISSION, inputs={"pending": 20763, "rate": None, "path": "x"})
        assert list_submissions(db) == (
            replace(stored, submission_id=1),
            replace(stored, submission_id=2, model_id="mono_eng", submitted_at=5.0, dtype=None),
            replace(stored, submission_id=3, attempt=2, job_id="4712"),
        )
        assert [item.submission_id for item in list_submissions(db, "tiny")] == [1, 3]
        assert list_submissions(db, "nobody") == ()


def test_an_outcome_replaces_the_one_before(study: Study) -> None:
    study.populate()
    other = replace(
        OUTCOME, job_id="4712", fingerprint=None, exit_code=None, max_rss_gb=None, rows_after=None, is_final=False, cancelled_by_user=True
    )
    with study.open() as db:
        record_outcomes(db, [])
        assert outcomes(db) == {}
        record_outcomes(db, [replace(OUTCOME, state="unknown", is_final=False), other])
        record_outcomes(db, [OUTCOME])
        assert outcomes(db) == {("cli", "4711"): OUTCOME, ("cli", "4712"): other}


def test_the_same_job_number_of_two_backends_is_two_jobs(study: Study) -> None:
    study.populate()
    local = replace(OUTCOME, backend="local", state="done")
    with study.open() as db:
        record_outcomes(db, [OUTCOME, local, replace(local, state="failed")])
        assert outcomes(db) == {("cli", "4711"): OUTCOME, ("local", "4711"): replace(local, state="failed")}


def test_a_field_database_has_an_empty_ledger(study: Study) -> None:
    make_field_database(study.file)
    with study.open(write=False) as db:
        assert (list_submissions(db), outcomes(db)) == ((), {})
