"""Reads human answer distributions from a parquet file, and refuses what would mislead."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evsctl.db.results import HumanRow
from evsctl.errors import InputError

COLUMNS = ("lang", "question_id", "response_value", "prob_human", "n_respondents", "n_valid")
SUM_TOLERANCE = 0.01
"""How far from 1 the probabilities of one (language, question) may sum."""
SHOWN = 3
"""Offending entries that a message names."""


def read_human_parquet(path: Path) -> list[HumanRow]:
    """One row per language, question and answer code, in the order of the file; further columns are ignored.

    Raises InputError naming file, column and what to do: unreadable file, missing or mistyped columns, empty cells (the two
    counts may be empty: unknown), duplicates, probabilities outside 0..1 or not summing to 1 per language and question.
    """
    columns = _read_columns(path)
    rows = _typed_rows(path, columns)
    if not rows:
        raise InputError(f"{path} has no rows.", "Export the human distributions again.")
    _check_duplicates(path, rows)
    _check_probabilities(path, rows)
    return rows


def _read_columns(path: Path) -> dict[str, list[Any]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise InputError("Reading parquet needs the analysis extra.", "Install it: pip install 'evsctl[analysis]'.") from error
    if not path.is_file():
        raise InputError(f"{path} is not a file.", "Check the name.")
    try:
        present = parquet.read_schema(path).names
        missing = [name for name in COLUMNS if name not in present]
        if missing:
            has = ", ".join(present) or "none"
            raise InputError(f"{path} lacks {_the_columns(missing)}; it has {has}.", f"Wanted: {', '.join(COLUMNS)}.")
        table = parquet.read_table(path, columns=list(COLUMNS))
        return {name: table.column(name).to_pylist() for name in COLUMNS}
    except (ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path} cannot be read as a parquet file: {reason}", "Check that the file is whole.") from error


def _the_columns(names: Sequence[str]) -> str:
    return f"the column{'s' if len(names) > 1 else ''} {', '.join(names)}"


def _typed_rows(path: Path, columns: dict[str, list[Any]]) -> list[HumanRow]:
    texts = [_texts(path, name, columns[name]) for name in ("lang", "question_id")]
    values = _integers(path, "response_value", columns["response_value"])
    probabilities = _numbers(path, "prob_human", columns["prob_human"])
    counts = [_counts(path, name, columns[name]) for name in ("n_respondents", "n_valid")]
    return [HumanRow(*row) for row in zip(*texts, values, probabilities, *counts, strict=True)]


def _texts(path: Path, name: str, column: list[Any]) -> list[str]:
    for place, value in enumerate(column):
        if not isinstance(value, str) or not value.strip():
            raise _bad_cell(path, name, place, value, "text that is not empty")
    return column


def _integers(path: Path, name: str, column: list[Any]) -> list[int]:
    for place, value in enumerate(column):
        if not _is_whole(value):
            raise _bad_cell(path, name, place, value, "a whole number")
    return [int(value) for value in column]


def _counts(path: Path, name: str, column: list[Any]) -> list[int | None]:
    """Numbers of people; an empty cell means unknown."""
    for place, value in enumerate(column):
        if value is not None and (not _is_whole(value) or value < 0):
            raise _bad_cell(path, name, place, value, "a whole number, 0 or more")
    return [None if value is None else int(value) for value in column]


def _is_whole(value: object) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())


def _numbers(path: Path, name: str, column: list[Any]) -> list[float]:
    for place, value in enumerate(column):
        if not isinstance(value, int | float) or isinstance(value, bool) or value != value:
            raise _bad_cell(path, name, place, value, "a number")
    return [float(value) for value in column]


def _bad_cell(path: Path, name: str, place: int, value: object, wanted: str) -> InputError:
    shown = "empty" if value is None else repr(value)[:40]
    return InputError(f"{path}: column '{name}', row {place + 1} is {shown}, not {wanted}.", "Correct the file and import it again.")


def _check_duplicates(path: Path, rows: Sequence[HumanRow]) -> None:
    counts = Counter((row.lang, row.question_id, row.response_value) for row in rows)
    doubles = [key for key, count in counts.items() if count > 1]
    if doubles:
        shown = "; ".join(f"{lang} {question} answer {value}" for lang, question, value in doubles[:SHOWN])
        what = "(lang, question_id, response_value) keys"
        raise InputError(f"{path}: {len(doubles)} {what} occur more than once: {shown}.", "Keep one row of each.")


def _check_probabilities(path: Path, rows: Sequence[HumanRow]) -> None:
    outside = [row for row in rows if not 0.0 <= row.prob_human <= 1.0]
    if outside:
        shown = "; ".join(f"{row.lang} {row.question_id} answer {row.response_value}: {row.prob_human:g}" for row in outside[:SHOWN])
        fix = "prob_human is a share, not a percentage."
        raise InputError(f"{path}: {len(outside)} probabilities are not between 0 and 1: {shown}.", fix)
    sums: dict[tuple[str, str], float] = defaultdict(float)
    for row in rows:
        sums[row.lang, row.question_id] += row.prob_human
    off = [(key, total) for key, total in sums.items() if abs(total - 1) > SUM_TOLERANCE]
    if off:
        shown = "; ".join(f"{lang} {question}: {total:.4f}" for (lang, question), total in off[:SHOWN])
        what = f"the probabilities of {len(off)} of {len(sums)} (lang, question_id) pairs"
        fix = "Renormalise over valid answers, or drop those pairs."
        raise InputError(f"{path}: {what} do not sum to 1 within {SUM_TOLERANCE:g}: {shown}.", fix)
