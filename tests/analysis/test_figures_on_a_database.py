"""From a database on disk to the figures folder: what is read, chosen and refused."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from evsctl.analysis.report import NO_RESULTS, draw_figures
from evsctl.db.connection import Database, open_database
from evsctl.db.results import HumanRow, ResultRow
from evsctl.errors import InputError
from evsctl.settings import Settings, database_location
from tests.analysis.factories import prompt_rows, rephrase_rows, sketch_humans, sketch_rows
from tests.analysis.golden import GOLDEN
from tests.db.field import field_connection


def store(path: Path, rows: Sequence[ResultRow], people: Sequence[HumanRow]) -> None:
    """A field database that holds these rows and nothing else."""
    with closing(field_connection(path, "delete")) as conn:
        _store_about(conn, rows)
        prompts: dict[tuple[object, ...], int] = {}
        for row in rows:
            key = (row.question_id, row.lang, row.config, row.permutation_idx, row.variant_id)
            if key not in prompts:
                prompts[key] = len(prompts) + 1
                values = (prompts[key], *key[:4], row.prompt_text, "", "[]", "{}", row.is_likert10, 0, row.variant_id, row.variant_type)
                conn.execute(f"INSERT INTO prompts VALUES ({','.join('?' * 13)})", values)
            answer = (prompts[key], row.model_id, row.response_value, row.prob, row.p_valid)
            conn.execute("INSERT INTO evaluations VALUES (?,?,?,?,?)", answer)
        conn.executemany("INSERT INTO human_distributions VALUES (?,?,?,?,?,?)", people)
        conn.commit()


def _store_about(conn: sqlite3.Connection, rows: Sequence[ResultRow]) -> None:
    conn.executemany("INSERT INTO questions VALUES (?,?)", sorted({(r.question_id, r.response_type) for r in rows if not r.variant_id}))
    models = sorted({(row.model_id, "org/model", row.model_family) for row in rows})
    conn.executemany("INSERT INTO models VALUES (?,?,?,1,'bf16',0,NULL)", models)


def settings_for(path: Path) -> Settings:
    return Settings(folder=path.parent, database=database_location(str(path), path.parent, "--db"))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """The small study as a field database."""
    path = tmp_path / "survey.db"
    store(path, [*sketch_rows(), *rephrase_rows()], sketch_humans())
    with open_database(database_location(str(path), tmp_path, "--db")) as db:
        yield db


def draw(db: Database, out: Path, names: Sequence[str], **options: object) -> list[str]:
    assert db.path is not None
    results = draw_figures(db, settings_for(db.path), names, out, **options)  # type: ignore[arg-type]
    return [f"{result.name}: {result.status}" for result in results]


def test_figures_of_a_database_are_those_of_its_rows(database: Database, tmp_path: Path) -> None:
    out = tmp_path / "figures"
    assert draw(database, out, ["human_heatmap", "rephrase"]) == ["rephrase: drawn", "human_heatmap: drawn"]
    for name in ("rephrase.csv", "human_heatmap.csv", "human_heatmap_above_uniform.csv"):
        assert (out / name).read_text(encoding="utf-8") == (GOLDEN / name).read_text(encoding="utf-8")
    assert (out / "index.html").is_file()


def test_models_can_be_chosen_by_id_or_family(database: Database, tmp_path: Path) -> None:
    draw(database, tmp_path / "figures", ["quality"], models=["beta"])
    assert (tmp_path / "figures" / "quality.csv").read_text(encoding="utf-8").splitlines()[1:] == [
        "beta,deu,6,0.65,0.65,0.65",
        "beta,eng,6,0.65,0.65,0.65",
    ]
    listed = json.loads((tmp_path / "figures" / "figures.json").read_text(encoding="utf-8"))
    assert listed["figures"][0]["selection"] == "Models: beta."


def test_a_configuration_without_results_that_the_study_lists_is_no_error(database: Database, tmp_path: Path) -> None:
    assert draw(database, tmp_path / "figures", ["rephrase"], configs=["legacy"]) == ["rephrase: no data"]
    assert "their configuration &#x27;rephrase&#x27; was not asked for" in (tmp_path / "figures" / "index.html").read_text(encoding="utf-8")


def test_results_in_other_configurations_are_named_not_mixed_in(tmp_path: Path) -> None:
    path = tmp_path / "survey.db"
    others = [row._replace(config="cue_hint") for row in prompt_rows((0.9, 0.1), response_type="categorical", question="v10")]
    store(path, [*sketch_rows(), *others], [])
    with open_database(database_location(str(path), tmp_path, "--db")) as db:
        draw(db, tmp_path / "one", ["quality"])
        draw(db, tmp_path / "two", ["quality"], configs=["cue_hint"])
    assert (tmp_path / "one" / "quality.csv").read_text(encoding="utf-8") == (GOLDEN / "quality.csv").read_text(encoding="utf-8")
    listed = json.loads((tmp_path / "one" / "figures.json").read_text(encoding="utf-8"))
    assert "Not asked for: results in the configuration cue_hint." in listed["figures"][0]["notes"]
    assert (tmp_path / "two" / "quality.csv").read_text(encoding="utf-8").splitlines()[1:] == ["alpha,eng,1,0.9,,"]


def test_results_in_other_configurations_alone_say_how_to_draw_them(tmp_path: Path) -> None:
    path = tmp_path / "survey.db"
    store(path, [row._replace(config="cue_hint") for row in prompt_rows((0.9, 0.1))], [])
    with open_database(database_location(str(path), tmp_path, "--db")) as db:
        results = draw_figures(db, settings_for(path), ["quality"], tmp_path / "figures")
    assert results[0].sentence == "All results are in other configurations; `--config cue_hint` draws them."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"models": ["betta"]}, "There are no results of the model 'betta'. Did you mean 'beta'?"),
        ({"models": ["zzzzz"]}, "There are no results of the model 'zzzzz'. With results: alpha, beta."),
        ({"configs": ["legaci"]}, "There are no results of the configuration 'legaci'. Did you mean 'legacy'?"),
        ({"items": "some"}, "Unknown choice of items 'some'. Known: all, clean."),
    ],
)
def test_a_wrong_choice_is_refused_with_what_there_is(database: Database, tmp_path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        draw(database, tmp_path / "figures", ["quality"], **options)
    assert str(caught.value) == message
    assert not (tmp_path / "figures").exists()


def test_a_database_without_results_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "survey.db"
    store(path, [], [])
    with open_database(database_location(str(path), tmp_path, "--db")) as db:
        results = draw_figures(db, settings_for(path), ["distance"], tmp_path / "figures")
    assert [(result.status, result.sentence) for result in results] == [("no data", NO_RESULTS)]


def test_a_half_answered_unlabelled_scale_is_known_by_the_prompts_of_the_database(tmp_path: Path) -> None:
    """Only permutation 1 is answered: its rows alone do not show that all six are one text."""
    path = tmp_path / "survey.db"
    rows = [row for order in (0, 1) for row in prompt_rows([0.1] * 10, response_type="likert10", labels=False, order=order)]
    store(path, rows, [])
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("DELETE FROM evaluations WHERE prompt_id = 1")
        conn.commit()
    with open_database(database_location(str(path), tmp_path, "--db")) as db:
        results = draw_figures(db, settings_for(path), ["summary"], tmp_path / "figures")
    assert results[0].status == "no data"
    assert results[0].sentence.endswith("unlabelled scales wait for the questionnaire's order.")
