"""Each figure without data says so in a sentence that tells what would change it."""

from importlib import import_module
from pathlib import Path

from evsctl.analysis.comparison import NO_HUMANS, NO_OVERLAP
from evsctl.analysis.drawing import NoData
from evsctl.analysis.figures.rephrase import NO_PAIRS, NO_PROMPTS
from evsctl.analysis.loading import load_study
from evsctl.analysis.names import FIGURES
from evsctl.analysis.report import draw_study
from evsctl.analysis.study import Study
from evsctl.analysis.style import house_style
from tests.analysis.factories import EMPTY, human_rows, prompt_rows


def sentences(study: Study) -> dict[str, str]:
    """Name → sentence of the figures that have no data."""
    with house_style():
        found = {name: import_module(module).draw(study) for name, module in FIGURES.items()}
    return {name: drawing.sentence for name, drawing in found.items() if isinstance(drawing, NoData)}


def test_an_empty_database_has_no_figure(tmp_path: Path) -> None:
    wanted = {name: NO_PROMPTS if name == "rephrase" else EMPTY for name in FIGURES}
    found = draw_study(load_study([], why_empty=EMPTY), tuple(FIGURES), tmp_path)
    assert {result.name: result.sentence for result in found if result.status == "no data"} == wanted
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures.json", "index.html"]


def test_one_prompt_of_one_model_has_what_can_be_drawn_of_it() -> None:
    assert sentences(load_study(prompt_rows((0.25, 0.75)))) == {
        "bias": "No question has answers in two option orders yet that differ in their text: there is no order effect to measure.",
        "rephrase": NO_PROMPTS,
        "human_heatmap": NO_HUMANS,
        "human_scatter": NO_HUMANS,
    }


def test_an_unlabelled_scale_has_no_order_effect() -> None:
    rows = [row for order in (0, 1) for row in prompt_rows([0.1] * 10, response_type="likert10", labels=False, order=order)]
    assert "bias" in sentences(load_study(rows))


def test_people_of_other_languages_are_no_comparison() -> None:
    found = sentences(load_study(prompt_rows((0.25, 0.75)), human_rows((0.5, 0.5), lang="fra")))
    assert (found["human_heatmap"], found["human_scatter"]) == (NO_OVERLAP, NO_OVERLAP)


def test_answers_without_order_have_no_mean() -> None:
    found = sentences(load_study(prompt_rows((0.25, 0.75), response_type="categorical"), human_rows((0.5, 0.5))))
    wanted = "None of the questions that models and people both answered has ordered answers: there is no mean answer to compare."
    assert found["human_scatter"] == wanted
    assert "human_heatmap" not in found


def test_wordings_without_their_original_are_no_pairs() -> None:
    rows = [*prompt_rows((0.5, 0.5)), *prompt_rows((0.5, 0.5), config="rephrase", variant="v1_int", variant_type="integrated")]
    assert sentences(load_study(rows))["rephrase"] == NO_PAIRS


def test_prompts_without_any_probability_are_no_answers() -> None:
    found = sentences(load_study(prompt_rows((0.0, 0.0)), human_rows((0.5, 0.5)), why_empty=EMPTY))
    unusable = "The results hold no usable answers: 1 prompt has no probabilities."
    assert found == {name: NO_PROMPTS if name == "rephrase" else unusable for name in FIGURES}


def test_clean_items_that_leave_nothing_say_so() -> None:
    found = sentences(load_study(prompt_rows((0.5, 0.5), labels=False), items="clean"))
    wanted = "`--items clean` leaves no question: every prompt is another question's too or labels fewer than two answers."
    assert found["quality"] == wanted
