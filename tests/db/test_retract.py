"""Answers that were taken back: kept aside with the reason, pending again, and never back by themselves."""

import shutil
from dataclasses import replace

import pytest

from evsctl.db.pending import fixed_identity, pending_prompts
from evsctl.db.progress import read_progress
from evsctl.db.retract import count_left_alone, count_retractable, retract
from evsctl.db.sync import SyncReport, rebuild_results
from evsctl.errors import InputError
from evsctl.journal.retractions import read_retractions
from evsctl.survey.types import Prompt
from tests.db.factories import CONFIGS, IDENTITY, REGISTRY, Study, a_failure, an_answer, append_lines, dump
from tests.db.field import make_field_database


@pytest.fixture
def prompts(study: Study) -> list[Prompt]:
    """A study whose twelve prompts the run 1-r0 answered."""
    prompts = study.populate()
    study.journal("1-r0", [an_answer(prompt) for prompt in prompts])
    study.sync()
    return prompts


def take_back(study: Study, *, model_id: str = "tiny", reason: str = "wrong template", **choice: list[str]) -> int:
    """Retract, and hold the number against what was announced."""
    with study.open() as db:
        announced = count_retractable(db, study.runs, model_id, **choice)
        taken = retract(db, study.runs, model_id, **choice, reason=reason)
    assert taken == announced
    return taken


def progress(study: Study) -> tuple[int, int]:
    """(done, pending) of the model `tiny`, from both counts."""
    with study.open(write=False) as db:
        row = read_progress(db, CONFIGS, REGISTRY)[0]
        pending = pending_prompts(db, "tiny", CONFIGS, REGISTRY)
    assert row.total - row.done == len(pending)
    return row.done, len(pending)


def test_rows_move_aside_with_run_and_reason_and_the_prompts_are_pending(study: Study, prompts: list[Prompt]) -> None:
    before = {row[1:] for row in dump(study.file)["evaluations"][1]}
    assert take_back(study, langs=["fra"]) == 6
    after = {row[1:] for row in dump(study.file)["evaluations"][1]}
    aside = study.rows("SELECT prompt_id, model_id, response_value, prob, p_valid, run_id, reason FROM superseded")
    assert {row[:5] for row in aside} == before - after
    assert {row[5:] for row in aside} == {("1-r0", "wrong template")}
    assert progress(study) == (6, 6)


def test_the_choice_can_be_narrowed_in_every_way(study: Study, prompts: list[Prompt]) -> None:
    assert take_back(study, langs=["deu"]) == 0
    assert take_back(study, question_ids=["v0"], langs=["eng"]) == 2
    assert take_back(study, question_ids=["v0", "v1"]) == 6
    assert take_back(study, configs=["rephrase"]) == 0
    assert take_back(study, configs=["legacy"], run_ids=["1-r0"]) == 4
    assert progress(study) == (0, 12)


def test_what_takes_nothing_back_writes_nothing(study: Study, prompts: list[Prompt]) -> None:
    assert take_back(study, langs=["deu"]) == 0
    assert not study.runs.model("tiny").retractions.exists()


def test_taken_back_answers_do_not_return_with_a_sync_or_a_rebuild(study: Study, prompts: list[Prompt]) -> None:
    take_back(study, langs=["fra"])
    kept = study.answers()
    assert study.sync() == SyncReport(0, {}, (), {}, True)
    with study.open() as db:
        assert rebuild_results(db, study.runs) == SyncReport(6, {"retracted": 6}, (), {"tiny": 6}, True)
    assert study.answers() == kept
    study.file.unlink()
    study.populate()
    assert study.sync().merged == 6
    assert study.answers() == kept


def test_a_later_answer_counts_again(study: Study, prompts: list[Prompt]) -> None:
    take_back(study, langs=["fra"])
    again = [prompt for prompt in prompts if prompt.lang == "fra"]
    append_lines(study.runs.model("tiny").journal("1-r0"), [an_answer(again[0], 0.5)])
    study.journal("2-r0", [an_answer(prompt, 0.75) for prompt in again[1:]], started_at=2000)
    assert study.sync().merged == 6
    assert progress(study) == (12, 0)
    assert {row[4] for row in study.answers() if row[1] == "fra" and row[3] == 1} == {0.5, 0.75}
    with study.open() as db:
        before = study.answers()
        rebuild_results(db, study.runs)
        assert study.answers() == before


def test_a_second_retraction_takes_the_later_answers_back_too(study: Study, prompts: list[Prompt]) -> None:
    take_back(study)
    study.journal("2-r0", [an_answer(prompt) for prompt in prompts], started_at=2000)
    study.sync()
    assert take_back(study, reason="again") == 12
    assert study.rows("SELECT run_id, reason, count(*) FROM superseded GROUP BY 1, 2") == [
        ("1-r0", "wrong template", 24),
        ("2-r0", "again", 24),
    ]


def test_another_run_s_answer_that_was_passed_over_takes_the_place(study: Study, prompts: list[Prompt]) -> None:
    """Resume would count it as an answer: were it not merged, the prompt would stay pending for ever."""
    study.journal("2-r0", [an_answer(prompt, 0.5) for prompt in prompts[:4]], started_at=2000)
    assert study.sync().merged == 0
    assert take_back(study, run_ids=["1-r0"]) == 12
    assert study.sync().merged == 4
    assert {row[4] for row in study.answers()} == {0.5}


def test_journals_are_merged_first_so_that_all_that_stands_in_them_is_meant(study: Study, prompts: list[Prompt]) -> None:
    take_back(study)
    study.journal("2-r0", [an_answer(prompt) for prompt in prompts], started_at=2000)
    with study.open() as db:
        assert count_retractable(db, study.runs, "tiny") == 0
        assert retract(db, study.runs, "tiny", reason="all of it") == 12
    assert study.sync().merged == 0


def test_a_torn_tail_is_not_covered(study: Study, prompts: list[Prompt]) -> None:
    path = study.runs.model("tiny").journal("1-r0")
    whole = path.read_bytes()
    append_lines(path, [an_answer(prompts[0], 0.5)])
    line = path.read_bytes()[len(whole) :]
    path.write_bytes(whole + line[:30])
    take_back(study)
    path.write_bytes(whole + line)
    assert study.sync().merged == 1


def test_a_crash_after_the_retraction_is_on_disk_is_completed_by_the_next_sync(
    study: Study, prompts: list[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("evsctl.db.retract.apply_retractions", crash)
        with study.open() as db, pytest.raises(KeyboardInterrupt):
            retract(db, study.runs, "tiny", langs=["fra"], reason="crashed")
    assert len(read_retractions(study.runs.model("tiny").retractions).entries) == 1
    assert progress(study) == (12, 0)
    study.journal("2-r0", [an_answer(prompts[2], 0.5)], started_at=2000)
    assert prompts[2].lang == "fra"
    assert study.sync() == SyncReport(1, {}, (), {"tiny": 1}, True)
    assert progress(study) == (7, 5)
    assert study.rows("SELECT DISTINCT reason FROM superseded") == [("crashed",)]


def test_the_identity_is_open_again_once_nothing_that_fixed_it_is_left(study: Study, prompts: list[Prompt]) -> None:
    other = replace(IDENTITY, dtype="int4")
    study.journal("2-r0", [an_answer(prompt) for prompt in prompts[:3]], started_at=2000, identity=other)
    assert study.sync().refused == {"another dtype": 3}
    take_back(study, langs=["fra"])
    with study.open(write=False) as db:
        assert fixed_identity(db, "tiny") == IDENTITY
    take_back(study, run_ids=["1-r0"])
    with study.open(write=False) as db:
        assert fixed_identity(db, "tiny") is None
    assert study.sync().merged == 2
    with study.open(write=False) as db:
        assert fixed_identity(db, "tiny") == other


def test_recorded_failures_are_taken_back_with_their_run(study: Study) -> None:
    prompts = study.populate()
    study.journal("1-r0", [an_answer(prompts[0]), a_failure(prompts[1])])
    study.sync()
    take_back(study)
    assert study.rows("SELECT * FROM failures") == []
    assert study.sync().refused == {}


def test_an_unknown_run_is_named(study: Study, prompts: list[Prompt]) -> None:
    with study.open() as db, pytest.raises(InputError, match=r"There is no run '1-r1' of evsctl's own\. Did you mean '1-r0'\?"):
        retract(db, study.runs, "tiny", run_ids=["1-r1"], reason="typo")


def test_rows_of_the_field_are_counted_and_left_alone(study: Study) -> None:
    prompts = make_field_database(study.file)
    study.open().close()
    study.journal("1-r0", [an_answer(prompts[100])], model_id="eurollm22b")
    study.sync()
    with study.open() as db:
        assert count_left_alone(db, "eurollm22b") == 100
        assert count_left_alone(db, "eurollm22b", langs=["eng"]) == sum(prompt.lang == "eng" for prompt in prompts[:100])
        assert count_retractable(db, study.runs, "eurollm22b") == 1
        assert retract(db, study.runs, "eurollm22b", reason="all of it") == 1
    assert study.rows("SELECT count(*) FROM evaluations WHERE model_id = 'eurollm22b'") == [(200,)]
    (retraction,) = read_retractions(study.runs.model("eurollm22b").retractions).entries
    assert list(retraction.upto) == ["1-r0"]


def test_before_adoption_nothing_is_evsctl_s_own(study: Study) -> None:
    make_field_database(study.file)
    with study.open(write=False) as db:
        assert count_retractable(db, study.runs, "eurollm22b") == 0
        assert count_left_alone(db, "eurollm22b") == 100


def test_rows_that_came_back_from_the_field_s_journals_are_evsctl_s_own(study: Study) -> None:
    prompts = make_field_database(study.file)
    study.open().close()
    study.file.unlink()
    from evsctl.db.connection import open_database
    from evsctl.db.populate import populate_survey
    from evsctl.models.registry import load_registry
    from tests.db.factories import a_survey
    from tests.db.field import LANGS

    with open_database(study.location, create=True) as db:
        populate_survey(db, a_survey(6, LANGS)[0], prompts, load_registry())
        rebuild_results(db, study.runs)
        assert count_left_alone(db, "eurollm22b") == 0
    assert take_back(study, model_id="eurollm22b") == 100
    assert study.sync().merged == 0


def test_without_its_retractions_nothing_of_a_model_is_merged(study: Study, prompts: list[Prompt]) -> None:
    take_back(study)
    path = study.runs.model("tiny").retractions
    text = path.read_text()
    path.unlink()
    path.mkdir()
    study.journal("2-r0", [an_answer(prompts[0])], started_at=2000)
    assert study.sync() == SyncReport(
        0, {}, (f"{path} cannot be read: Is a directory; nothing of the model is merged without it.",), {}, True
    )
    path.rmdir()
    path.write_text(text)
    assert study.sync().merged == 1


def test_retractions_of_a_study_without_its_database_are_honoured(study: Study, prompts: list[Prompt]) -> None:
    take_back(study, langs=["eng"])
    study.file.unlink()
    study.populate()
    assert study.sync() == SyncReport(6, {"retracted": 6}, (), {"tiny": 6}, True)


def test_a_retraction_that_arrives_from_elsewhere_is_applied(study: Study, prompts: list[Prompt]) -> None:
    other = Study(study.folder / "other")
    other.folder.mkdir()
    shutil.copy(study.file, other.file)
    shutil.copytree(study.runs.root, other.runs.root)
    take_back(other, langs=["fra"])
    shutil.copy(other.runs.model("tiny").retractions, study.runs.model("tiny").retractions)
    study.sync()
    assert study.answers() == other.answers()
