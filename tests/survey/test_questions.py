"""Every fault of a question file gets one sentence that names the file, the question and the key."""

import json
from pathlib import Path
from typing import Any

import pytest

from evsctl.errors import ExitCode, InputError
from evsctl.survey.prompts import build_prompts
from evsctl.survey.questions import read_questions, read_rephrasings


def a_translation(**changes: Any) -> dict[str, Any]:
    return {
        "text": "Do you like it?",
        "stem": "",
        "item": "",
        "options": [{"value": 1, "label": "yes"}, {"value": 2, "label": "no"}],
    } | changes


def a_question(**changes: Any) -> dict[str, Any]:
    return {"canonical_id": "q1", "response_type": "categorical", "translations": {"eng": a_translation()}} | changes


def refusal_of(tmp_path: Path, text: str) -> str:
    path = tmp_path / "questions.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_questions(path)
    assert caught.value.exit_code is ExitCode.BAD_INPUT
    return str(caught.value).replace(str(path), "FILE")


def refusal_of_question(tmp_path: Path, question: Any) -> str:
    return refusal_of(tmp_path, json.dumps({"questions": [question]}))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_questions(tmp_path / "nowhere.json")
    assert str(caught.value) == f"No questions file at {tmp_path / 'nowhere.json'}. Check the path."


def test_a_truncated_file_says_that_it_seems_cut_short(tmp_path: Path) -> None:
    whole = json.dumps({"questions": [a_question()]})
    assert refusal_of(tmp_path, whole[:60]).endswith("It seems cut short. Fetch the file again.")


def test_a_file_that_is_not_json_says_where(tmp_path: Path) -> None:
    assert refusal_of(tmp_path, "{'a': 1}").startswith(
        "FILE is not JSON: Expecting property name enclosed in double quotes: line 1 column 2"
    )


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "questions.json"
    path.write_bytes(b"\xff\xfe\x00garbage")
    with pytest.raises(InputError, match="cannot be read"):
        read_questions(path)


@pytest.mark.parametrize("text", ["[]", "{}", '{"questions": []}', '{"questions": 3}', "7"])
def test_a_file_without_questions_is_refused(tmp_path: Path, text: str) -> None:
    assert refusal_of(tmp_path, text) == "FILE: no list 'questions' with at least one question. Is it the survey's questions.json?"


def test_a_question_without_translations_is_named(tmp_path: Path) -> None:
    expected = "FILE: question 'q1' has no translations. Give it at least one language."
    assert refusal_of_question(tmp_path, a_question(translations={})) == expected


def test_a_question_without_an_id_is_named_by_its_number(tmp_path: Path) -> None:
    expected = "FILE: question number 1 has no 'canonical_id'. Every question needs one."
    assert refusal_of_question(tmp_path, {"response_type": "likert4"}) == expected


def test_a_question_that_stands_twice_is_named(tmp_path: Path) -> None:
    text = json.dumps({"questions": [a_question(), a_question()]})
    assert refusal_of(tmp_path, text) == "FILE: question 'q1' stands there twice. Remove one of them."


def test_an_unknown_response_type_says_the_nearest(tmp_path: Path) -> None:
    expected = "FILE: question 'q1' has response_type 'likert-4'. Did you mean 'likert4'?"
    assert refusal_of_question(tmp_path, a_question(response_type="likert-4")) == expected


def test_an_unknown_language_says_the_nearest(tmp_path: Path) -> None:
    expected = "FILE: question 'q1' has the unknown language 'engl'. Did you mean 'eng'?"
    assert refusal_of_question(tmp_path, a_question(translations={"engl": a_translation()})) == expected


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"text": None}, "no 'text'. Every translation needs text and options."),
        ({"options": None}, "no list 'options'. Give an empty list where there are none."),
        ({"options": [{"value": "1", "label": "x"}]}, "an option's value is '1'. Values are whole numbers."),
        ({"options": [{"label": "x"}]}, "an option's value is None. Values are whole numbers."),
        ({"options": ["x"]}, "an option's value is None. Values are whole numbers."),
        ({"options": [{"value": 1, "label": 5}]}, "the label of option 1 is 5. Labels are text or null."),
        (
            {"options": [{"value": 1, "label": "a"}, {"value": 1, "label": "b"}]},
            "two options have the same value. Give every option its own.",
        ),
    ],
)
def test_a_faulty_translation_is_named_by_question_and_language(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    question = a_question(translations={"deu": a_translation(**changes)})
    assert refusal_of_question(tmp_path, question) == f"FILE: question 'q1', language 'deu': {sentence}"


def prompts_of(tmp_path: Path, question: dict[str, Any]) -> list[tuple[str, tuple[str, ...], dict[str, str]]]:
    path = tmp_path / "questions.json"
    path.write_text(json.dumps({"questions": [question]}), encoding="utf-8")
    return [(p.prompt_text, p.valid_values, dict(p.value_map)) for p in build_prompts(read_questions(path))]


def test_no_option_gives_no_prompt(tmp_path: Path) -> None:
    assert prompts_of(tmp_path, a_question(translations={"eng": a_translation(options=[])})) == []


def test_one_option_gives_one_prompt(tmp_path: Path) -> None:
    question = a_question(translations={"eng": a_translation(options=[{"value": 3, "label": "only"}])})
    assert prompts_of(tmp_path, question) == [("Do you like it?\n3. only\nAnswer: ", ("3",), {"3": "3"})]


def test_labels_of_none_print_the_bare_number(tmp_path: Path) -> None:
    options = [{"value": 1, "label": None}, {"value": 2, "label": ""}]
    question = a_question(translations={"eng": a_translation(options=options)})
    assert prompts_of(tmp_path, question) == [
        ("Do you like it?\n1.\n2.\nAnswer: ", ("1", "2"), {"1": "1", "2": "2"}),
        ("Do you like it?\n1.\n2.\nAnswer: ", ("1", "2"), {"1": "2", "2": "1"}),
    ]


def test_values_that_are_not_1_to_n_print_themselves_in_the_questionnaires_order_only(tmp_path: Path) -> None:
    options = [{"value": 5, "label": "often"}, {"value": 0, "label": "never"}]
    question = a_question(translations={"eng": a_translation(options=options)})
    assert prompts_of(tmp_path, question) == [
        ("Do you like it?\n5. often\n0. never\nAnswer: ", ("5", "0"), {"5": "5", "0": "0"}),
        ("Do you like it?\n1. never\n2. often\nAnswer: ", ("1", "2"), {"1": "0", "2": "5"}),
    ]


def test_a_rephrasing_without_its_parts_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rephrasings.json"
    path.write_text(json.dumps([{"canonical_id": "q1", "variants": []}]))
    with pytest.raises(InputError) as caught:
        read_rephrasings(path)
    assert str(caught.value) == f"{path}: rephrasing 1 lacks 'original_text'. Each needs canonical_id, original_text and variants."
