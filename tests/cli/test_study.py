"""The populated study, seen from the command line."""

import hashlib
import re
import sqlite3
from pathlib import Path

import pytest

from tests.command_line import a_study, evsctl
from tests.study import QUESTIONS, REPHRASINGS, needs_study
from tests.survey.test_study_prompts import PROMPTS_PER_LANGUAGE

REPHRASED = 96
PROMPTS = 20_863


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    (folder / "evsctl.toml").write_text('[cluster]\nbackend = "local"\n')
    done = evsctl("survey", "populate", "--questions", QUESTIONS, "--rephrasings", REPHRASINGS, cwd=folder)
    assert (done.code, done.err) == (0, "")
    database = folder / "survey.db"
    assert done.out == (f"{database}: 187 questions in 22 languages; prompts: 20,863 added, 0 there before; models: 26 added.\n")
    return folder


def dump_of(database: Path) -> str:
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as db:
        return hashlib.sha256("\n".join(db.iterdump()).encode()).hexdigest()


@pytest.mark.study
@needs_study
class TestTheStudy:
    def test_status_lists_26_models_with_their_totals(self, study: Path) -> None:
        done = evsctl("status", "--json", cwd=study)
        totals = {row["model_id"]: row["total"] for row in done.data["models"]}
        expected = {f"hplt2c_{lang}": count for lang, count in PROMPTS_PER_LANGUAGE.items()}
        expected["hplt2c_eng"] += REPHRASED
        expected |= dict.fromkeys(("eurollm22b", "gemma3_27b_pt", "gemma3_27b_it", "qwen3235b"), PROMPTS)
        assert done.code == 0, done.err
        assert totals == expected
        assert {name: done.data[name] for name in ("schema", "prompts", "attention", "db")} == {
            "schema": 1,
            "prompts": PROMPTS,
            "attention": 0,
            "db": str(study / "survey.db"),
        }

    def test_every_model_says_exactly_the_documented_keys(self, study: Path) -> None:
        keys = "model_id hub_id family total done failed percent rate_per_s eta_s state detail job_id attempt next_action".split()
        rows = evsctl("status", "--json", cwd=study).data["models"]
        assert {tuple(row) for row in rows} == {tuple(keys)}

    def test_populating_twice_gives_the_same_database(self, study: Path) -> None:
        before = dump_of(study / "survey.db")
        done = evsctl("survey", "populate", "--questions", QUESTIONS, "--rephrasings", REPHRASINGS, cwd=study)
        assert (done.code, done.err) == (0, "")
        assert "prompts: 0 added, 20,863 there before; models: 0 added." in done.out
        assert dump_of(study / "survey.db") == before

    def test_the_questions_are_checked_without_a_database(self, tmp_path: Path) -> None:
        done = evsctl("survey", "check", "--questions", QUESTIONS, cwd=tmp_path)
        lines = done.out.splitlines()
        assert lines[0] == "4,114 (question, language) pairs, 935 without any flag"
        assert [line.split()[:2] for line in lines[2:]][:3] == [["368", "missing"], ["13", "one-option"], ["584", "unlabelled"]]
        assert list(tmp_path.glob("survey*")) == []


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_study(tmp_path_factory.mktemp("small") / "study")


def rows_of(database: Path) -> dict[str, list[tuple[object, ...]]]:
    """The field's five tables and the ledger, whole."""
    tables = ("questions", "prompts", "models", "evaluations", "human_distributions", "submissions")
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as db:
        return {table: db.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in tables}


class TestSubmitDryRun:
    def test_it_prints_the_command_the_script_and_a_reason_per_number_and_writes_nothing(self, small: Path) -> None:
        before = rows_of(small / "survey.db"), sorted(small.rglob("*"))
        done = evsctl("submit", "qwen3235b", "--dry-run", cwd=small, env={"EVSCTL_CLUSTER_BACKEND": "cli", "PATH": "/nowhere"})
        assert "--mem=192G -t 08:00:00 -G 1 --constraint=a100-80g" in done.out
        assert re.search(r"--dependency=singleton .*--requeue .*--signal=B:USR1@120", done.out)
        assert done.out.rstrip().splitlines()[-1].startswith("exec ")
        for word in ("memory_gb", "walltime_minutes", "gpus", "constraint"):
            assert re.search(rf"^  {word} +\S+ +\S", done.err, re.MULTILINE), word
        assert (rows_of(small / "survey.db"), sorted(small.rglob("*"))) == before

    def test_the_golden_request_of_eurollm_is_the_registrys_figure(self, small: Path) -> None:
        done = evsctl("submit", "eurollm22b", "--dry-run", cwd=small, env={"EVSCTL_CLUSTER_BACKEND": "cli", "PATH": "/nowhere"})
        assert '--mem=48G -t 04:00:00 -G 1 --constraint="a100|h100"' in done.out

    def test_numbers_given_by_hand_win_and_say_so(self, small: Path) -> None:
        done = evsctl(
            "submit", "eurollm22b", "--dry-run", "--mem", "96G", cwd=small, env={"EVSCTL_CLUSTER_BACKEND": "cli", "PATH": "/nowhere"}
        )
        assert "--mem=96G" in done.out
        assert "given by hand (advice: 48)" in done.err


class TestModels:
    def test_what_is_unknown_is_shown_as_unknown(self, tmp_path: Path) -> None:
        lines = evsctl("models", "list", cwd=tmp_path).out.splitlines()
        assert len(lines) == 1 + 26
        gemma = next(line for line in lines if line.startswith("gemma3_27b_pt"))
        assert re.split(r"\s{2,}", gemma) == [
            "gemma3_27b_pt",
            "27 B",
            "bf16",
            "all",
            "base",
            "gemma",
            "yes",
            "unknown",
            "google/gemma-3-27b-pt",
        ]

    def test_a_model_added_is_in_registry_and_database(self, tmp_path: Path) -> None:
        study = a_study(tmp_path / "study")
        (tmp_path / "weights").mkdir()
        (tmp_path / "weights" / "config.json").write_text("{}")
        done = evsctl("models", "add", "mine_deu", "--path", tmp_path / "weights", "--dtype", "fp32", cwd=study)
        assert (done.code, done.err) == (0, "")
        rows = evsctl("status", "--json", cwd=study).data["models"]
        assert next(row["total"] for row in rows if row["model_id"] == "mine_deu") == 56
