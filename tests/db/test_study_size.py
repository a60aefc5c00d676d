"""The study itself, from its own question files, in the database: its counts, and how long things take."""

import shutil
from pathlib import Path

import pytest

from evsctl.db.connection import open_database
from evsctl.db.pending import model_identity, model_total, pending_prompts
from evsctl.db.populate import PopulateReport, populate_survey
from evsctl.db.progress import count_prompts, read_progress, survey_languages
from evsctl.db.results import likert10_unlabelled
from evsctl.db.sync import sync_journals
from evsctl.journal.records import PromptResult
from evsctl.models.registry import load_registry
from evsctl.survey.prompts import build_prompts, rephrase_prompts
from evsctl.survey.questions import read_questions, read_rephrasings
from tests.db.factories import CONFIGS, Study, whole_dump
from tests.study import QUESTIONS, REPHRASINGS, needs_study

pytestmark = [pytest.mark.study, needs_study]
REGISTRY = load_registry()


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The whole study, populated."""
    study = Study(tmp_path_factory.mktemp("study"))
    assert populate(study) == PopulateReport(187, 20863, 0, (), 26)
    return study


def populate(study: Study) -> PopulateReport:
    """Fill the database with all there is."""
    questions = read_questions(QUESTIONS)
    prompts = [*build_prompts(questions), *rephrase_prompts(questions, read_rephrasings(REPHRASINGS))]
    with open_database(study.location, create=True) as db:
        return populate_survey(db, questions, prompts, REGISTRY)


def test_populating_again_adds_nothing_and_differs_in_nothing(study: Study) -> None:
    before = whole_dump(study.file)
    assert populate(study) == PopulateReport(0, 0, 20863, (), 0)
    assert whole_dump(study.file) == before


def test_two_databases_of_the_study_are_one_dump(study: Study, tmp_path: Path) -> None:
    other = Study(tmp_path)
    populate(other)
    assert whole_dump(other.file) == whole_dump(study.file)


def test_totals_are_those_of_the_study(study: Study) -> None:
    with study.open(write=False) as db:
        totals = {row.model_id: row.total for row in read_progress(db, CONFIGS, REGISTRY)}
        assert (count_prompts(db, CONFIGS), count_prompts(db, ["legacy"]), len(survey_languages(db))) == (20863, 20767, 22)
        assert (totals["eurollm22b"], totals["hplt2c_eng"], totals["hplt2c_dan"], len(totals)) == (20863, 1042 + 96, 708, 26)
        assert model_total(db, "hplt2c_eng", ["legacy"], REGISTRY) == 1042


def test_of_804_likert10_pairs_577_have_permutations_of_one_text(study: Study) -> None:
    """575 without any label, and two whose only label stands beyond the scale, where no permutation prints it."""
    with study.open(write=False) as db:
        pairs = likert10_unlabelled(db)
    assert len([pair for pair in pairs if pair[2] == "legacy"]) == 577


def test_a_whole_model_is_merged(study: Study, tmp_path: Path) -> None:
    own = Study(tmp_path)
    shutil.copy(study.file, own.file)
    with own.open() as db:
        pending = pending_prompts(db, "eurollm22b", CONFIGS, REGISTRY)
        identity = model_identity(db, "eurollm22b", REGISTRY)
        results = [
            PromptResult(p.key, p.hash, 0.5, {value: 1 / len(set(p.value_map.values())) for value in p.value_map.values()}) for p in pending
        ]
        own.journal("1-r0", results, "eurollm22b", identity=identity)
        assert sync_journals(db, own.runs).merged == 20863
        assert [row.done for row in read_progress(db, CONFIGS, REGISTRY) if row.model_id == "eurollm22b"] == [20863]
