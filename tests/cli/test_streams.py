"""Pipes that close, disks that are full, terminals without letters, and looks that must change nothing."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command_line import ROOT, a_study, evsctl
from tests.jobs.test_legacy import a_field_database


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_study(tmp_path_factory.mktemp("streams") / "study")


def piped(study: Path, command: str) -> tuple[int, str]:
    """Run a shell pipeline; the exit code is evsctl's own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(study), "EVSCTL": f"{sys.executable} -m evsctl"}
    argv = ["bash", "-c", f"$EVSCTL {command}; exit ${{PIPESTATUS[0]}}"]
    done = subprocess.run(argv, cwd=study, env=environment, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("command", ["models list | head -1", "status --json | true", "models list | true"])
def test_a_reader_that_has_seen_enough_is_no_failure(study: Path, command: str) -> None:
    assert piped(study, command) == (0, "")


def test_a_full_disk_under_the_output_is_one_sentence(study: Path) -> None:
    code, said = piped(study, "models list > /dev/full")
    assert (code, said.strip().splitlines()[-1].endswith("No space left on device. Free space there.")) == (3, True)
    assert "Traceback" not in said


def test_a_terminal_without_the_letters_gets_marks(study: Path) -> None:
    done = evsctl("status", cwd=study, env={"PYTHONIOENCODING": "ascii"})
    assert (done.code, done.err) == (0, "")
    assert "? idle" in done.out


def test_looking_at_a_plan_does_not_adopt_a_field_database(tmp_path: Path) -> None:
    field = a_field_database(tmp_path)
    before, folder = field.read_bytes(), sorted(tmp_path.iterdir())
    done = evsctl("engine", "plan", "hplt2c_eng", "--model-path", tmp_path / "nowhere", cwd=tmp_path)
    assert done.code == 2
    assert (field.read_bytes(), sorted(path for path in tmp_path.iterdir() if path.name != ".cache")) == (before, folder)


def test_a_model_id_that_cannot_name_a_folder_does_not_take_the_status_away(tmp_path: Path) -> None:
    field = a_field_database(tmp_path)
    with sqlite3.connect(field) as db:
        db.execute("INSERT INTO models VALUES ('org/name', 'org/name', 'odd', 1, 'bf16', 0, NULL)")
    done = evsctl("status", "--json", cwd=tmp_path, env={"EVSCTL_CLUSTER_BACKEND": "local"})
    assert done.code == 0, done.err
    assert {row["model_id"] for row in done.data["models"]} >= {"org/name", "eurollm22b"}
