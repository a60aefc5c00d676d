"""What readers make of a journal: whole lines count, whatever was torn, garbled or is still being written."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evsctl.journal.reader import read_journal
from evsctl.journal.records import JournalFooter
from evsctl.journal.writer import JournalWriter
from tests.journal.factories import a_header, a_result, write_journal


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a journal of three answers with its footer."""
    path = tmp_path_factory.mktemp("journal") / "11-r0.jsonl"
    write_journal(path, 3, footer=True)
    return path.read_bytes()


def test_a_journal_cut_at_any_byte_keeps_every_line_before_the_cut_and_nothing_else(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "11-r0.jsonl"
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        lines = whole[:cut].count(b"\n")
        content = read_journal(path)
        assert content.header == (a_header() if lines else None)
        assert [line.result for line in content.lines] == [a_result(number) for number in range(min(max(lines - 1, 0), 3))]
        assert content.footer == (JournalFooter(3, 0, "finished", 2000.0) if lines == 5 else None)
        assert content.end == (whole[:cut].rfind(b"\n") + 1 if lines else 0)
        assert content.problems == []


@given(st.data())
def test_reading_on_from_a_former_end_gives_exactly_the_remainder(whole: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "11-r0.jsonl"
        found, end = [], 0
        for cut in [*cuts, len(whole)]:
            path.write_bytes(whole[:cut])
            content = read_journal(path, end)
            found += content.lines
            end = content.end
        assert found == read_journal(path).lines
        assert end == len(whole)


def test_every_line_knows_the_byte_it_begins_at(tmp_path: Path) -> None:
    path = tmp_path / "11-r0.jsonl"
    write_journal(path, 3)
    raw = path.read_bytes()
    assert [json.loads(raw[line.offset :].splitlines()[0])["question_id"] for line in read_journal(path).lines] == ["v0", "v1", "v2"]


@pytest.mark.parametrize(
    ("garbage", "why"),
    [
        (b"\x00\xff\x00\xfe\x00", "'utf-8' codec can't decode byte 0xff in position 1: invalid start byte"),
        (b"not json", "Expecting value: line 1 column 1 (char 0)"),
        (b"", "Expecting value: line 1 column 1 (char 0)"),
        (b"[1, 2]", "b'[1, 2]' is not an object"),
        (b'"event"', "b'\"event\"' is not an object"),
        (b"{}", "'question_id' is missing"),
        (
            b'{"footer": {"done": 1}}',
            "JournalFooter.__init__() missing 3 required positional arguments: 'failed', 'reason', and 'ended_at'",
        ),
    ],
)
def test_a_bad_line_is_named_by_file_and_line_and_the_rest_is_kept(tmp_path: Path, garbage: bytes, why: str) -> None:
    path = tmp_path / "11-r0.jsonl"
    write_journal(path, 4)
    lines = path.read_bytes().splitlines()
    lines[2] = garbage
    path.write_bytes(b"\n".join(lines) + b"\n")
    content = read_journal(path)
    assert [line.result for line in content.lines] == [a_result(0), a_result(2), a_result(3)]
    assert content.problems == [f"{path}, line 3: not a result ({why}); the line is left aside."]


BAD_VALUES: dict[str, list[object]] = {
    "question_id": [[], None, 3],
    "lang": [{}, 1],
    "permutation_idx": ["0", 0.5, True, None, float("inf")],
    "variant_id": [7, []],
    "prompt_hash": [None, 12],
    "p_valid": [None, "high", 1.1, -0.1, float("nan"), 10**400],
    "probs": [None, {}, [], {"1": None}, {"x": 0.5}, {"1": float("inf")}, {"1": -1.0}],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD_VALUES.items() for value in values], ids=repr)
def test_a_line_of_wrong_types_is_no_result(tmp_path: Path, name: str, value: object) -> None:
    path = tmp_path / "11-r0.jsonl"
    write_journal(path, 1)
    with path.open("a") as stream:
        stream.write(json.dumps({**a_result(1).to_json(), name: value}) + "\n")
    content = read_journal(path)
    assert [line.result for line in content.lines] == [a_result(0)]
    assert [problem.startswith(f"{path}, line 3: not a result (") for problem in content.problems] == [True]


@settings(max_examples=60)
@given(st.binary(max_size=60))
def test_no_garbage_makes_a_reader_fail(garbage: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "11-r0.jsonl"
        write_journal(path, 1)
        with path.open("ab") as stream:
            stream.write(garbage + b"\n" + json.dumps(a_result(1).to_json()).encode() + b"\n")
        content = read_journal(path)
        assert [line.result for line in content.lines] == [a_result(0), a_result(1)]
        assert content.end == path.stat().st_size
        assert len(content.problems) == garbage.count(b"\n") + 1


def test_nested_garbage_is_one_bad_line(tmp_path: Path) -> None:
    path = tmp_path / "11-r0.jsonl"
    write_journal(path, 1)
    with path.open("ab") as stream:
        stream.write(b"[" * 200_000 + b"\n")
    assert len(read_journal(path).problems) == 1


def test_a_bad_line_is_named_by_its_number_in_the_file_also_when_read_from_an_offset(tmp_path: Path) -> None:
    path = tmp_path / "11-r0.jsonl"
    write_journal(path, 5)
    end = read_journal(path).end
    with path.open("ab") as stream:
        stream.write(json.dumps(a_result(5).to_json()).encode() + b"\nrubbish\n")
    content = read_journal(path, end)
    assert [line.result for line in content.lines] == [a_result(5)]
    assert content.problems == [f"{path}, line 8: not a result (Expecting value: line 1 column 1 (char 0)); the line is left aside."]


def test_events_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "11-r0.jsonl"
    writer = JournalWriter(path, a_header())
    writer.event(kind="pack size halved", tokens=4096)
    writer.commit([a_result(0)])
    writer.close()
    content = read_journal(path)
    assert [line.result for line in content.lines] == [a_result(0)]
    assert content.problems == []


def test_a_file_without_a_journal_header_is_left_aside_whole(tmp_path: Path) -> None:
    path = tmp_path / "11-r0.jsonl"
    path.write_text(json.dumps(a_result(0).to_json()) + "\n" + json.dumps(a_result(1).to_json()) + "\n")
    content = read_journal(path)
    assert (content.header, content.lines, content.end) == (None, [], 0)
    assert content.problems == [f"{path}, line 1: not a journal header ('format' is missing); the whole file is left aside."]


def test_a_journal_of_another_format_is_left_aside_by_name(tmp_path: Path) -> None:
    path = tmp_path / "11-r0.jsonl"
    path.write_text(json.dumps({**a_header().to_json(), "format": "evsctl-journal/9"}) + "\n")
    assert read_journal(path).problems == [
        f"{path}, line 1: not a journal header (its format is 'evsctl-journal/9', not evsctl-journal/1); the whole file is left aside."
    ]


@pytest.mark.parametrize("stale", [1, 40, 10**6])
def test_an_end_that_is_no_line_start_any_more_is_read_from_the_first_result(tmp_path: Path, stale: int) -> None:
    """A reader may have seen whole lines of a commit that failed on a full disk and was cut off again."""
    path = tmp_path / "11-r0.jsonl"
    write_journal(path, 4)
    first_line = path.read_bytes().index(b"\n") + 1
    content = read_journal(path, first_line + stale)
    assert [line.result for line in content.lines] == [a_result(number) for number in range(4)]
    assert content.end == path.stat().st_size


def test_a_missing_journal_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_journal(tmp_path / "none.jsonl")


@settings(max_examples=40)
@given(st.lists(st.integers(1, 900), min_size=1))
def test_a_reading_limited_in_bytes_stops_at_a_line_and_the_next_goes_on_there(whole: bytes, limits: list[int]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "11-r0.jsonl"
        path.write_bytes(whole)
        found, end = [], 0
        for limit in limits * 5:
            content = read_journal(path, end, max_bytes=limit)
            assert len(content.lines) <= limit // 2 + 1
            found += content.lines
            end = content.end
        assert found == read_journal(path).lines[: len(found)]
        assert end == len(whole)
