"""A field database is not adopted while a job of the old scripts will still write it."""

import sqlite3
from pathlib import Path

import pytest

from evsctl.jobs.legacy import names_database
from tests.command_line import a_study, evsctl
from tests.slurm_cluster import SlurmCluster

FOLDER = Path("/home/somebody/project")


@pytest.mark.parametrize(
    ("command", "database", "expected"),
    [
        ("eurollm/slurm/run_db.sh eurollm22b utter-project/EuroLLM-22B-2512", "eurollm/data/survey.db", True),
        ("eurollm/slurm/run_db.sh eurollm22b utter-project/EuroLLM-22B-2512", "other/survey.db", False),
        ("run_db.sh qwen3235b Qwen/Qwen3-235B other/survey.db --dtype int4", "other/survey.db", True),
        ("run_db.sh qwen3235b Qwen/Qwen3-235B other/survey.db --dtype int4", "eurollm/data/survey.db", False),
        ("train.sh /home/somebody/project/eurollm/data/survey.db", "eurollm/data/survey.db", True),
        ("train.sh", "eurollm/data/survey.db", False),
        ("", "eurollm/data/survey.db", False),
    ],
)
def test_a_job_names_a_database_by_argument_or_by_the_old_scripts_default(command: str, database: str, expected: bool) -> None:
    assert names_database(command.split(), FOLDER, FOLDER / database) is expected


@pytest.mark.slurm
@pytest.mark.xdist_group("slurm")
def test_adoption_waits_for_a_queued_job_of_the_old_scripts(slurm: SlurmCluster, tmp_path: Path) -> None:
    field = a_field_database(tmp_path)
    before = field.read_bytes()
    script = tmp_path / "run_db.sh"
    script.write_text("#!/bin/bash\nsleep 60\n")
    job_id = slurm.run("sbatch", "--parsable", "--hold", "--chdir", str(tmp_path), str(script), "eurollm22b", "x/y", "survey.db").strip()
    refused = evsctl("sync", cwd=tmp_path, env=slurm.environment)
    assert (refused.code, refused.out) == (3, "")
    assert f"is still written by job {job_id} of the scripts that came before evsctl" in refused.err
    assert field.read_bytes() == before
    slurm.run("scancel", job_id)
    slurm.wait_until(lambda: not slurm.run("squeue", "-h").strip(), "the queue to empty")
    adopted = evsctl("sync", cwd=tmp_path, env=slurm.environment)
    assert (adopted.code, adopted.out) == (0, "0 prompts merged.\n")
    assert list(tmp_path.glob("survey.db.backup-*")) != []


def a_field_database(folder: Path) -> Path:
    """The five tables of a populated study, and nothing of evsctl's own."""
    made = a_study(folder / "made") / "survey.db"
    field = folder / "survey.db"
    with sqlite3.connect(made) as source, sqlite3.connect(field) as target:
        for table in ("questions", "prompts", "models", "evaluations", "human_distributions"):
            target.execute(source.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0])
            rows = source.execute(f"SELECT * FROM {table}").fetchall()
            if rows:
                target.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * len(rows[0]))})", rows)
    return field
