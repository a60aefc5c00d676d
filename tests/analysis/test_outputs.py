"""What is written: whole CSV files, the same bytes every time, and numbers that agree with a plain loop over the rows."""

import csv
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from evsctl.analysis.names import FIGURES
from evsctl.analysis.report import draw_study
from tests.analysis.factories import SKETCH, sketch_humans, sketch_rows, sketch_study
from tests.analysis.golden import GOLDEN


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All figures of the small study."""
    folder = tmp_path_factory.mktemp("figures")
    draw_study(sketch_study(), tuple(FIGURES), folder)
    return folder


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def averaged() -> dict[tuple[str, str, str], list[float]]:
    """(model, language, question) → mean over option orders, by a plain loop."""
    sums: dict[tuple[str, str, str], dict[int, float]] = {}
    for row in sketch_rows():
        by_code = sums.setdefault((row.model_id, row.lang, row.question_id), {})
        by_code[row.response_value] = by_code.get(row.response_value, 0.0) + row.prob / 2
    return {key: [by_code[code] for code in sorted(by_code)] for key, by_code in sums.items()}


def test_every_csv_file_is_as_it_was_read_and_kept(out: Path) -> None:
    assert sorted(path.name for path in out.glob("*.csv")) == sorted(path.name for path in GOLDEN.glob("*.csv"))
    for path in sorted(GOLDEN.glob("*.csv")):
        assert (out / path.name).read_text(encoding="utf-8") == path.read_text(encoding="utf-8"), path.name


def test_every_figure_has_a_pdf_a_png_and_a_csv(out: Path) -> None:
    assert {path.name for path in out.iterdir()} >= {f"{name}.{kind}" for name in FIGURES for kind in ("pdf", "png", "csv")}


def test_the_same_answers_give_the_same_bytes(out: Path, tmp_path: Path) -> None:
    draw_study(sketch_study(), tuple(FIGURES), tmp_path)
    assert {path.name for path in out.iterdir()} == {path.name for path in tmp_path.iterdir()}
    for path in sorted(out.iterdir()):
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


def test_the_order_of_the_rows_does_not_matter(out: Path, tmp_path: Path) -> None:
    from evsctl.analysis.loading import load_study

    draw_study(load_study(sketch_rows()[::-1], sketch_humans()[::-1]), ("distance", "human_heatmap"), tmp_path)
    for name in ("distance.csv", "human_heatmap.csv"):
        assert (tmp_path / name).read_bytes() == (out / name).read_bytes()


def test_no_machine_or_time_stands_in_a_pdf(out: Path) -> None:
    for name in FIGURES:
        content = (out / f"{name}.pdf").read_bytes()
        assert b"CreationDate" not in content
        assert b"/Type3" not in content, "text must stay text"


def test_distances_agree_with_scipy_over_a_plain_loop(out: Path) -> None:
    answers = averaged()
    units = sorted({key[:2] for key in answers})
    wanted = []
    for a, b in combinations(units, 2):
        wanted.append(np.mean([jensenshannon(answers[*a, q], answers[*b, q], base=2) for q in SKETCH]))
    for unit in units:
        flat = [jensenshannon(answers[*unit, q], [1 / len(answers[*unit, q])] * len(answers[*unit, q]), base=2) for q in SKETCH]
        wanted.append(np.mean(flat))
    assert [float(row["js_distance_mean"]) for row in table(out / "distance.csv")] == pytest.approx(wanted, rel=1e-5)


def test_similarities_agree_with_scipy_over_a_plain_loop(out: Path) -> None:
    answers = averaged()
    people: dict[tuple[str, str], list[float]] = {}
    for row in sketch_humans():
        people.setdefault((row.lang, row.question_id), []).append(row.prob_human)
    wanted = {}
    for model in ("alpha", "beta"):
        for lang in ("deu", "eng"):
            asked = [q for q in SKETCH if (lang, q) in people]
            wanted[model, lang] = 1 - np.mean([jensenshannon(answers[model, lang, q], people[lang, q], base=2) for q in asked])
    found = {(row["model"], row["lang"]): float(row["similarity_mean"]) for row in table(out / "human_heatmap.csv")}
    assert {key: found[key] for key in wanted} == pytest.approx(wanted, rel=1e-5)


def test_the_stated_number_of_questions_is_that_of_the_mean(out: Path) -> None:
    found = {(row["model"], row["lang"]): int(row["n_questions"]) for row in table(out / "human_heatmap.csv")}
    assert found == {
        ("alpha", "deu"): 4,
        ("alpha", "eng"): 5,
        ("beta", "deu"): 4,
        ("beta", "eng"): 5,
        ("uniform", "deu"): 4,
        ("uniform", "eng"): 5,
        ("European mean (others)", "deu"): 4,
        ("European mean (others)", "eng"): 4,
    }
