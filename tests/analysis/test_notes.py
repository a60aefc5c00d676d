"""What is left out is counted on the figure itself, and where people are drawn the note about them is too."""

from importlib import import_module

import pytest

from evsctl.analysis.drawing import Drawing
from evsctl.analysis.loading import load_study
from evsctl.analysis.names import FIGURES
from evsctl.analysis.study import Study
from evsctl.analysis.style import house_style
from tests.analysis.factories import human_rows, prompt_rows, rephrase_rows, sketch_humans, sketch_rows, sketch_study, wide_study


def drawn(name: str, study: Study) -> Drawing:
    with house_style():
        drawing = import_module(FIGURES[name]).draw(study)
    assert isinstance(drawing, Drawing)
    return drawing


def text_on(drawing: Drawing) -> str:
    """The text that stands on the figure beside its panels, line breaks taken out."""
    return " ".join(" ".join(text.get_text().split()) for text in drawing.figure.texts)


@pytest.mark.parametrize("name", list(FIGURES))
def test_title_and_notes_stand_on_the_figure(name: str) -> None:
    drawing = drawn(name, sketch_study())
    shown = text_on(drawing)
    assert import_module(FIGURES[name]).TITLE in shown
    for note in drawing.notes:
        assert note in shown


@pytest.mark.parametrize("name", list(FIGURES))
def test_every_caption_names_its_baseline(name: str) -> None:
    assert "aseline" in import_module(FIGURES[name]).CAPTION


@pytest.mark.parametrize("name", ["summary", "examples", "human_heatmap", "human_scatter"])
def test_a_note_about_people_stands_on_every_figure_that_draws_them(name: str) -> None:
    assert drawn(name, sketch_study("The human answers are invented.")).notes[0] == "The human answers are invented."


@pytest.mark.parametrize("name", ["quality", "bias", "distance", "rephrase"])
def test_a_note_about_people_stands_on_no_other_figure(name: str) -> None:
    assert "invented" not in text_on(drawn(name, sketch_study("The human answers are invented.")))


def test_weak_prompts_are_counted_and_kept() -> None:
    rows = [*prompt_rows((0.5, 0.5), p_valid=0.2), *prompt_rows((0.5, 0.5), question="v2", p_valid=0.8)]
    notes = drawn("quality", load_study(rows)).notes
    assert "1 of 2 answered prompts put less than 50% of the next-token mass on valid answers; they are kept." in notes


def test_unlabelled_scales_are_counted() -> None:
    rows = [row for order in (0, 1) for row in prompt_rows([0.1] * 10, question="v20", response_type="likert10", labels=False, order=order)]
    study = load_study([*rows, *sketch_rows()])
    alone = "1 model-language-question counts by the questionnaire's order alone"
    assert f"{alone}, as all option orders are one and the same text (no labels)." in drawn("distance", study).notes
    wanted = "Left out: 1 model-language-question whose option orders are one and the same text (no labels)."
    assert wanted in drawn("bias", study).notes


def test_incomplete_models_are_named() -> None:
    rows = [
        row
        for row in sketch_rows()
        if row.model_id == "alpha" or row.question_id in ("v1", "v2") or (row.lang == "eng" and row.permutation_idx == 0)
    ]
    wanted = "Incomplete: beta deu (2 of 6 questions), beta eng (4 questions without some option orders)."
    assert wanted in drawn("summary", load_study(rows)).notes


def test_answer_codes_that_differ_are_counted() -> None:
    rows = [*prompt_rows((0.5, 0.5)), *prompt_rows((0.2, 0.3, 0.5), lang="deu"), *prompt_rows((0.5, 0.5), lang="fra")]
    notes = drawn("distance", load_study(rows)).notes
    assert notes[:3] == (
        "Compared: 1 pair of model-languages on a question.",
        "Left out: 2 such pairs whose prompts offer different answer codes.",
        "2 pairs share no question and stay white.",
    )


def test_what_the_human_comparison_leaves_out_is_counted() -> None:
    rows = [
        *prompt_rows((0.5, 0.5)),
        *prompt_rows((0.2, 0.3, 0.5), question="v2"),
        *prompt_rows((0.5, 0.5), question="v3"),
        *prompt_rows((0.5, 0.5), question="v4"),
        *prompt_rows((0.5, 0.5), lang="ell"),
    ]
    people = [*human_rows((0.3, 0.7)), *human_rows((0.3, 0.7), question="v2"), *human_rows((0.3, 0.3), question="v4")]
    assert drawn("human_heatmap", load_study(rows, people)).notes[:6] == (
        "Left out: 1 language-question whose human probabilities do not sum to 1.",
        "Compared: 1 model-language-question.",
        "Left out: 1 model-language-question whose prompt offers other codes than the human survey.",
        "Left out: 2 model-language-questions without human answers to that question.",
        "No human answers in: ell.",
        "There is no European mean: only one language has human answers.",
    )


def test_few_languages_have_no_within_question_correlation() -> None:
    assert "No within-question r for any model: no question has 5 languages that differ." in drawn("human_scatter", sketch_study()).notes
    assert not any("within-question" in note for note in drawn("human_scatter", wide_study()).notes)


def test_one_model_language_has_its_distance_to_uniform_only() -> None:
    notes = drawn("distance", load_study(prompt_rows((0.25, 0.75)))).notes
    assert notes[0] == "There is one model-language only: all that can be shown is its distance to uniform."


def test_means_on_too_few_questions_are_counted() -> None:
    notes = drawn("quality", load_study(prompt_rows((0.25, 0.75)))).notes
    assert notes[-1].endswith("1 mean rests on fewer than 5 independent questions and has no interval.")


def test_wordings_whose_original_is_missing_are_counted() -> None:
    rows = [r for r in rephrase_rows() if not (r.model_id == "beta" and r.question_id == "v1" and r.variant_type == "original")]
    assert drawn("rephrase", load_study(rows)).notes[:2] == (
        "Compared: 3 wordings of a question by a model, 2 questions.",
        "Left out: 1 answered wording whose original is not answered.",
    )


def test_shared_prompts_are_counted_as_kept_or_left_out() -> None:
    shared = "Which of these?\n1. this\n2. that\nAnswer: "
    rows = [*prompt_rows((0.5, 0.5), question="v8", text=shared), *prompt_rows((0.5, 0.5), question="v9", text=shared), *sketch_rows()]
    assert "Kept: 2 of 14 language-questions whose prompt is another question's too." in drawn("quality", load_study(rows)).notes
    clean = drawn("quality", load_study(rows, sketch_humans(), items="clean")).notes
    reason = "whose prompt is another question's too or labels fewer than two answers"
    assert f"Left out (items: clean): 2 of 14 language-questions {reason}." in clean
