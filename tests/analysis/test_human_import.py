"""A parquet file of human answers is read whole or refused with the reason."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from evsctl.analysis.human_import import read_human_parquet
from evsctl.db.results import HumanRow
from evsctl.errors import InputError

GOOD: dict[str, list[Any]] = {
    "lang": ["eng", "eng", "deu", "deu"],
    "question_id": ["v1"] * 4,
    "response_value": [1, 2, 1, 2],
    "prob_human": [0.25, 0.75, 0.4, 0.6],
    "n_respondents": [100, 100, 200, 200],
    "n_valid": [90, 90, None, None],
}


def written(folder: Path, **changes: Any) -> Path:
    """A file with these columns instead; None takes a column away."""
    columns = {name: values for name, values in {**GOOD, **changes}.items() if values is not None}
    path = folder / "human.parquet"
    parquet.write_table(pa.table(columns), path)
    return path


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_human_parquet(path)
    return str(caught.value).replace(str(path), "FILE")


def test_rows_are_read_in_the_order_of_the_file_and_other_columns_are_ignored(tmp_path: Path) -> None:
    assert read_human_parquet(written(tmp_path, weight=[1.0] * 4)) == [
        HumanRow("eng", "v1", 1, 0.25, 100, 90),
        HumanRow("eng", "v1", 2, 0.75, 100, 90),
        HumanRow("deu", "v1", 1, 0.4, 200, None),
        HumanRow("deu", "v1", 2, 0.6, 200, None),
    ]


def test_whole_numbers_may_be_stored_as_floats(tmp_path: Path) -> None:
    assert read_human_parquet(written(tmp_path, response_value=[1.0, 2.0, 1.0, 2.0]))[1].response_value == 2


def test_a_sum_that_is_off_by_rounding_is_accepted(tmp_path: Path) -> None:
    assert len(read_human_parquet(written(tmp_path, prob_human=[0.254, 0.75, 0.4, 0.6]))) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"n_valid": None, "lang": None},
            "FILE lacks the columns lang, n_valid; it has question_id, response_value, prob_human, n_respondents."
            " Wanted: lang, question_id, response_value, prob_human, n_respondents, n_valid.",
        ),
        (
            {"lang": ["eng", "", "deu", "deu"]},
            "FILE: column 'lang', row 2 is '', not text that is not empty. Correct the file and import it again.",
        ),
        ({"lang": [1, 2, 3, 4]}, "FILE: column 'lang', row 1 is 1, not text that is not empty. Correct the file and import it again."),
        (
            {"response_value": ["1", "2", "1", "2"]},
            "FILE: column 'response_value', row 1 is '1', not a whole number. Correct the file and import it again.",
        ),
        (
            {"response_value": [1.5, 2, 1, 2]},
            "FILE: column 'response_value', row 1 is 1.5, not a whole number. Correct the file and import it again.",
        ),
        (
            {"prob_human": [0.25, None, 0.4, 0.6]},
            "FILE: column 'prob_human', row 2 is empty, not a number. Correct the file and import it again.",
        ),
        (
            {"prob_human": [0.25, float("nan"), 0.4, 0.6]},
            "FILE: column 'prob_human', row 2 is nan, not a number. Correct the file and import it again.",
        ),
        (
            {"n_valid": [90, -1, 90, 90]},
            "FILE: column 'n_valid', row 2 is -1, not a whole number, 0 or more. Correct the file and import it again.",
        ),
        (
            {"response_value": [1, 1, 1, 2]},
            "FILE: 1 (lang, question_id, response_value) keys occur more than once: eng v1 answer 1. Keep one row of each.",
        ),
        (
            {"prob_human": [25, 75, 40, 60]},
            "FILE: 4 probabilities are not between 0 and 1: eng v1 answer 1: 25; eng v1 answer 2: 75; deu v1 answer 1: 40."
            " prob_human is a share, not a percentage.",
        ),
        (
            {"prob_human": [0.25, 0.70, 0.4, 0.6]},
            "FILE: the probabilities of 1 of 2 (lang, question_id) pairs do not sum to 1 within 0.01: eng v1: 0.9500."
            " Renormalise over valid answers, or drop those pairs.",
        ),
        ({name: [] for name in GOOD}, "FILE has no rows. Export the human distributions again."),
    ],
)
def test_a_bad_file_is_refused_with_the_reason(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    assert refused(written(tmp_path, **changes)) == message


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "human.parquet"
    path.write_bytes(b"lang,question_id\n")
    assert refused(path).startswith("FILE cannot be read as a parquet file: ")


def test_a_torn_parquet_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    assert refused(path).startswith("FILE cannot be read as a parquet file: ")


def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.parquet") == f"{tmp_path / 'none.parquet'} is not a file. Check the name.".replace(
        str(tmp_path / "none.parquet"), "FILE"
    )
    with pytest.raises(InputError, match="is not a file"):
        read_human_parquet(tmp_path)
