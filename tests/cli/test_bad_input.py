"""Bad input gets one sentence, the fix and the right exit code; nothing is lost."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command_line import DEMO_QUESTIONS, Done, a_study, evsctl


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_study(tmp_path_factory.mktemp("bad") / "study")


def one_sentence(done: Done) -> str:
    """The only line on standard error; a traceback or a second line is a defect."""
    lines = done.err.strip().splitlines()
    assert len(lines) == 1, done.err
    assert done.out == ""
    return lines[0]


class TestQuestions:
    def test_a_missing_file_ends_with_2_and_creates_no_database(self, tmp_path: Path) -> None:
        done = evsctl("survey", "populate", "--questions", "nowhere.json", cwd=tmp_path)
        assert (done.code, one_sentence(done)) == (2, "evsctl: No questions file at nowhere.json. Check the path.")
        assert not (tmp_path / "survey.db").exists()

    def test_a_truncated_file_ends_with_2_and_leaves_the_database_as_it_was(self, study: Path, tmp_path: Path) -> None:
        cut = tmp_path / "cut.json"
        cut.write_text(DEMO_QUESTIONS.read_text(encoding="utf-8")[:2_000], encoding="utf-8")
        before = (study / "survey.db").read_bytes()
        done = evsctl("survey", "populate", "--questions", cut, cwd=study)
        assert done.code == 2
        assert one_sentence(done).endswith("It seems cut short. Fetch the file again.")
        assert (study / "survey.db").read_bytes() == before


class TestModels:
    @pytest.mark.parametrize("command", [("submit", "eurolm22b", "--dry-run"), ("engine", "run", "eurolm22b")])
    def test_an_unknown_model_names_the_nearest(self, study: Path, command: tuple[str, ...]) -> None:
        done = evsctl(*command, cwd=study)
        assert (done.code, one_sentence(done)) == (2, "evsctl: Unknown model 'eurolm22b'. Did you mean 'eurollm22b'?")

    def test_a_folder_without_a_config_is_no_model(self, study: Path, tmp_path: Path) -> None:
        done = evsctl("models", "add", "mine_eng", "--path", tmp_path, cwd=study)
        assert done.code == 2
        assert one_sentence(done) == (
            f"evsctl: {tmp_path} is no model folder: it has no config.json. Give the folder that holds config.json and *.safetensors."
        )

    def test_a_model_path_without_weights_is_named_and_leaves_no_journal(self, study: Path, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text('{"model_type": "llama"}')
        done = evsctl("engine", "run", "hplt2c_eng", "--model-path", tmp_path, cwd=study)
        assert done.code == 2
        assert str(tmp_path) in one_sentence(done)
        runs = study / "survey.runs" / "hplt2c_eng"
        assert [path.name for path in runs.glob("*.jsonl") if not path.name.startswith("manifest-")] == []
        assert not (runs / "claim.json").exists()

    def test_an_unknown_language_names_the_nearest(self, study: Path, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text("{}")
        done = evsctl("models", "add", "mine", "--path", tmp_path, "--lang", "engl", cwd=study)
        assert (done.code, one_sentence(done)) == (2, "evsctl: Unknown language 'engl'. Languages are ISO 639-3 codes such as 'deu'.")


class TestDatabase:
    READERS = (("status",), ("figures", "all"), ("jobs",), ("submit", "eurollm22b", "--dry-run"))

    @pytest.mark.parametrize("command", READERS)
    def test_a_wrong_folder_says_where_it_looked_and_what_to_do(self, tmp_path: Path, command: tuple[str, ...]) -> None:
        done = evsctl(*command, cwd=tmp_path)
        sentence = one_sentence(done)
        assert done.code == 2
        assert str(tmp_path / "survey.db") in sentence
        assert "evsctl survey populate" in sentence
        assert list(tmp_path.glob("*.db")) == []

    @pytest.mark.parametrize("command", READERS)
    def test_a_file_that_is_no_database_ends_with_2_and_stays(self, tmp_path: Path, command: tuple[str, ...]) -> None:
        file = tmp_path / "survey.db"
        file.write_bytes(b"this is a letter, not a database\n" * 100)
        done = evsctl(*command, cwd=tmp_path)
        assert done.code == 2
        assert str(file) in one_sentence(done)
        assert file.read_bytes() == b"this is a letter, not a database\n" * 100

    def test_a_database_of_something_else_ends_with_2(self, tmp_path: Path) -> None:
        with sqlite3.connect(tmp_path / "survey.db") as other:
            other.execute("CREATE TABLE cats (name TEXT)")
        done = evsctl("status", cwd=tmp_path)
        assert done.code == 2
        assert "is no survey database" in one_sentence(done)

    @pytest.fixture
    def locked(self, study: Path) -> Iterator[Path]:
        holder = sqlite3.connect(study / "survey.db", isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        yield study
        holder.execute("ROLLBACK")
        holder.close()

    def test_a_locked_database_ends_with_3(self, locked: Path) -> None:
        done = evsctl("sync", cwd=locked)
        assert done.code == 3
        assert "locked" in one_sentence(done)

    def test_a_terminal_is_needed_for_the_dashboard(self, study: Path) -> None:
        done = evsctl("dashboard", cwd=study)
        expected = "evsctl: The dashboard needs a terminal. `evsctl status` prints the same as a table, `evsctl status --json` as data."
        assert (done.code, one_sentence(done)) == (2, expected)


class TestSlurm:
    """Stand-ins on PATH say what SLURM's own commands say (recorded from 22.05); the real ones are asked in tests/jobs."""

    @staticmethod
    def stand_in(folder: Path, **scripts: str) -> dict[str, str]:
        folder.mkdir()
        for name, body in scripts.items():
            program = folder / name
            program.write_text(f"#!/bin/sh\n{body}\n")
            program.chmod(0o755)
        return {"PATH": f"{folder}:/usr/bin:/bin", "EVSCTL_CLUSTER_BACKEND": "cli"}

    def test_slurm_that_is_not_installed_is_said_with_the_way_without_it(self, study: Path, tmp_path: Path) -> None:
        (tmp_path / "bin").mkdir()
        done = evsctl("submit", "hplt2c_eng", cwd=study, env={"PATH": str(tmp_path / "bin"), "EVSCTL_CLUSTER_BACKEND": "cli"})
        assert done.code == 3
        assert "not installed" in one_sentence(done)
        assert "--local" in one_sentence(done)

    def test_a_controller_that_is_down_ends_a_submission_with_3(self, study: Path, tmp_path: Path) -> None:
        down = "echo 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)' >&2; exit 1"
        env = self.stand_in(tmp_path / "bin", sbatch=down, squeue=down, sinfo=down, sacct=down, scancel=down)
        done = evsctl("submit", "hplt2c_eng", cwd=study, env=env)
        assert done.code == 3
        assert "Unable to contact slurm controller" in done.err
        assert evsctl("jobs", "--json", cwd=study, env=env).data == []

    def test_a_controller_that_is_down_leaves_status_readable_with_reachable_false(self, study: Path, tmp_path: Path) -> None:
        down = "echo 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)' >&2; exit 1"
        env = self.stand_in(tmp_path / "bin", sbatch=down, squeue=down, sinfo=down, sacct=down)
        done = evsctl("status", "--json", cwd=study, env=env)
        assert done.code == 1
        assert done.data["slurm"] == {"reachable": False, "age_s": None}
        assert len(done.data["models"]) == 26

    def test_a_refusal_shows_slurms_own_words_and_leaves_no_ledger_row(self, study: Path, tmp_path: Path) -> None:
        words = "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified"
        env = self.stand_in(
            tmp_path / "bin", sbatch=f"echo '{words}' >&2; exit 1", squeue="exit 0", sinfo="exit 0", sacct="exit 0", scontrol="exit 0"
        )
        done = evsctl("submit", "hplt2c_eng", cwd=study, env=env)
        assert done.code == 2
        assert "Invalid account or account/partition combination specified" in done.err
        assert evsctl("jobs", "--json", cwd=study, env=env).data == []


class TestUsage:
    def test_an_unknown_command_names_the_nearest(self, tmp_path: Path) -> None:
        done = evsctl("staus", cwd=tmp_path)
        assert done.code == 2
        assert "No such command 'staus'. Did you mean 'status'?" in done.err

    def test_an_unknown_figure_names_the_nearest(self, study: Path) -> None:
        done = evsctl("figures", "qualty", cwd=study)
        assert (done.code, one_sentence(done)) == (2, "evsctl: Unknown figure 'qualty'. Did you mean 'quality'?")

    def test_a_setting_that_does_not_exist_is_named_with_its_file(self, tmp_path: Path) -> None:
        (tmp_path / "evsctl.toml").write_text('[cluster]\npartiton = "gpu"\n')
        done = evsctl("status", cwd=tmp_path)
        expected = f"evsctl: {tmp_path / 'evsctl.toml'}: unknown key 'partiton' in [cluster]. Did you mean 'partition'?"
        assert (done.code, one_sentence(done)) == (2, expected)


class TestNames:
    """A misspelt name must not look like work that is done or prompts that are not there."""

    def test_a_language_the_survey_does_not_have_is_refused(self, study: Path) -> None:
        done = evsctl("submit", "hplt2c_eng", "--lang", "enq", "--dry-run", cwd=study)
        assert (done.code, one_sentence(done)) == (2, "evsctl: The survey has no language 'enq'. Did you mean 'eng'?")

    def test_a_configuration_the_survey_does_not_have_is_refused(self, study: Path) -> None:
        done = evsctl("submit", "hplt2c_eng", "--config", "legcy", "--dry-run", cwd=study)
        assert (done.code, one_sentence(done)) == (2, "evsctl: The survey has no prompt configuration 'legcy'. Did you mean 'legacy'?")

    def test_a_model_of_the_study_that_is_not_registered_is_named(self, tmp_path: Path) -> None:
        folder = a_study(tmp_path / "study")
        config = folder / "evsctl.toml"
        config.write_text('[study]\nmodels = ["eurolm22b"]\n\n[cluster]\nbackend = "local"\n')
        done = evsctl("status", cwd=folder)
        expected = f"evsctl: {config}: [study] models names 'eurolm22b', which is not registered. Did you mean 'eurollm22b'?"
        assert (done.code, one_sentence(done)) == (2, expected)

    def test_configurations_that_have_no_prompts_are_told_from_an_empty_survey(self, study: Path) -> None:
        done = evsctl("status", cwd=study, env={"EVSCTL_STUDY_CONFIGS": "legcy"})
        said = " ".join(done.out.split())
        assert "No prompts in the configurations of the study." in said
        assert "[study] configs asks for legcy, and the survey has prompts in legacy, rephrase only" in said

    def test_taking_back_from_an_unknown_model_names_the_nearest(self, study: Path) -> None:
        done = evsctl("redo", "eurolm22b", "--reason", "x", "--yes", cwd=study)
        assert (done.code, one_sentence(done)) == (2, "evsctl: Unknown model 'eurolm22b'. Did you mean 'eurollm22b'?")
