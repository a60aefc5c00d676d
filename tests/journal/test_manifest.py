"""A manifest: the same work is the same file, and a file that is not what was written is refused."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evsctl.errors import InputError
from evsctl.journal.keys import PromptKey
from evsctl.journal.manifest import Manifest, ManifestPrompt, newest_covering, read_manifest, write_manifest
from evsctl.journal.paths import ModelRuns, RunsFolder
from tests.journal.factories import IDENTITY, a_manifest, a_prompt

TEXTS = st.text(max_size=30)
PROMPTS = st.builds(
    ManifestPrompt,
    key=st.builds(PromptKey, TEXTS, TEXTS, TEXTS, st.integers(0, 9), st.none() | TEXTS),
    response_type=TEXTS,
    prompt_id=st.integers(0),
    text=TEXTS,
    valid_values=st.lists(TEXTS, max_size=3).map(tuple),
    value_map=st.dictionaries(TEXTS, TEXTS, max_size=3),
    is_likert10=st.booleans(),
)


@pytest.fixture
def runs(tmp_path: Path) -> ModelRuns:
    """The folder of model `tiny`."""
    return RunsFolder(tmp_path / "survey.runs").model("tiny")


def wanted(manifest: Manifest) -> list[tuple[PromptKey, str]]:
    return list(manifest.expected.items())


def change_line(path: Path, number: int, **values: object) -> None:
    lines = path.read_text(encoding="utf-8").split("\n")
    lines[number - 1] = json.dumps({**json.loads(lines[number - 1]), **values})
    path.write_text("\n".join(lines), encoding="utf-8")


@settings(max_examples=40)
@given(st.lists(PROMPTS, max_size=4, unique_by=lambda prompt: prompt.key))
def test_a_manifest_is_read_back_as_it_was_written_whatever_the_texts_hold(
    tmp_path_factory: pytest.TempPathFactory, prompts: list[ManifestPrompt]
) -> None:
    runs = RunsFolder(tmp_path_factory.getbasetemp() / "round trip").model("tiny")
    manifest = Manifest(IDENTITY, ("legacy", "rephrase"), 20_863, tuple(prompts))
    assert read_manifest(write_manifest(runs, manifest)) == manifest


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\u0085", "\r", "\r\n", "\x0b", "\x1e"])
def test_a_line_separator_in_a_text_does_not_cut_its_line(runs: ModelRuns, separator: str) -> None:
    manifest = Manifest(IDENTITY, ("legacy",), 1, (a_prompt(text=f"How{separator}are you?"),))
    assert read_manifest(write_manifest(runs, manifest)) == manifest


def test_the_same_work_has_the_same_hash_on_every_machine() -> None:
    assert a_manifest().hash == a_manifest().hash == "5ab6db1e9f07261d"


def test_the_hash_does_not_depend_on_the_order_in_which_a_value_map_was_built() -> None:
    one, other = a_prompt(), replace(a_prompt(), value_map={"2": "2", "1": "1"})
    assert Manifest(IDENTITY, (), 1, (one,)).hash == Manifest(IDENTITY, (), 1, (other,)).hash


def test_other_work_has_another_hash() -> None:
    manifest = a_manifest()
    others = [
        a_manifest(2),
        a_manifest(identity=replace(IDENTITY, dtype="int4")),
        replace(manifest, prompts=manifest.prompts[::-1]),
        replace(manifest, configs=("legacy", "rephrase")),
    ]
    assert len({other.hash for other in [manifest, *others]}) == 5


def test_writing_the_same_work_again_changes_no_byte_and_makes_it_the_newest(runs: ModelRuns) -> None:
    first = write_manifest(runs, a_manifest(3))
    before = first.read_bytes()
    os.utime(first, (1000, 1000))
    second = write_manifest(runs, a_manifest(2))
    os.utime(second, (2000, 2000))
    assert runs.manifests() == (second, first)
    assert write_manifest(runs, a_manifest(3)) == first
    assert runs.manifests() == (first, second)
    assert first.read_bytes() == before


def test_a_damaged_manifest_of_the_same_work_is_written_again(runs: ModelRuns) -> None:
    path = write_manifest(runs, a_manifest())
    path.write_text("")
    assert read_manifest(write_manifest(runs, a_manifest())) == a_manifest()


def test_a_manifest_cut_short_anywhere_is_refused(runs: ModelRuns) -> None:
    path = write_manifest(runs, a_manifest(2))
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with pytest.raises(InputError, match="Manifest"):
            read_manifest(path)


def test_a_manifest_that_lost_its_last_lines_is_refused_by_name(runs: ModelRuns, tmp_path: Path) -> None:
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(b"".join(write_manifest(runs, a_manifest(3)).read_bytes().splitlines(keepends=True)[:-1]))
    with pytest.raises(InputError) as caught:
        read_manifest(copy)
    assert str(caught.value) == (
        f"Manifest {copy}, line 1: it promises 3 prompts, 2 follow. Manifests never change: `evsctl submit` writes a new one."
    )


@pytest.mark.parametrize(
    "values", [{"text": "How old are you?"}, {"value_map": {"1": "2", "2": "1"}}, {"valid_values": ["1"]}, {"is_likert10": True}]
)
def test_a_changed_prompt_is_refused_by_file_and_line(runs: ModelRuns, values: dict[str, object]) -> None:
    path = write_manifest(runs, a_manifest())
    change_line(path, 3, **values)
    with pytest.raises(InputError) as caught:
        read_manifest(path)
    assert caught.value.message == f"Manifest {path}, line 3: its hash does not fit its text and values."


@pytest.mark.parametrize(
    ("number", "values"), [(1, {"model_total": 9}), (1, {"configs": []}), (2, {"lang": "deu"}), (4, {"response_type": "?"})]
)
def test_any_other_change_is_refused_by_the_hash_in_the_name(runs: ModelRuns, number: int, values: dict[str, object]) -> None:
    path = write_manifest(runs, a_manifest())
    change_line(path, number, **values)
    with pytest.raises(InputError) as caught:
        read_manifest(path)
    assert caught.value.message == f"Manifest {path} was changed since it was written: its hash is not that of its name."


def test_a_manifest_that_asks_twice_is_refused(runs: ModelRuns) -> None:
    path = write_manifest(runs, Manifest(IDENTITY, ("legacy",), 2, (a_prompt(), a_prompt())))
    with pytest.raises(InputError, match="asks for one prompt twice"):
        read_manifest(path)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "line 1: Expecting value: line 1 column 1 (char 0)."),
        (b'{"count": 1}\n', "line 1: 'format' is missing."),
        (b'{"format": "evsctl-journal/1"}\n', "line 1: its format is evsctl-journal/1, not evsctl-manifest/1."),
        (b'{"format": "evsctl-manifest/1", "count": 1}\n{}\n', "line 1: 'identity' is missing."),
    ],
)
def test_what_is_no_manifest_is_refused_by_file_and_line(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "work.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_manifest(path)
    assert caught.value.message == f"Manifest {path}, {why}"


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_manifest_that_cannot_be_read_says_so(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "work.jsonl").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        read_manifest(tmp_path / "work.jsonl")


def test_the_newest_manifest_covers_what_it_asks_for_and_any_part_of_it(runs: ModelRuns) -> None:
    path = write_manifest(runs, a_manifest(3))
    assert newest_covering(runs, wanted(a_manifest(3)), IDENTITY) == (path, a_manifest(3))
    assert newest_covering(runs, wanted(a_manifest(1)), IDENTITY) == (path, a_manifest(3))


def test_more_prompts_changed_texts_and_another_identity_are_not_covered(runs: ModelRuns) -> None:
    write_manifest(runs, a_manifest(3))
    assert newest_covering(runs, wanted(a_manifest(4)), IDENTITY) is None
    assert newest_covering(runs, [(a_prompt().key, a_prompt(text="Other").hash)], IDENTITY) is None
    assert newest_covering(runs, wanted(a_manifest(3)), replace(IDENTITY, dtype="int8")) is None


def test_only_the_newest_manifest_is_asked_and_a_broken_one_covers_nothing(runs: ModelRuns) -> None:
    assert newest_covering(runs, [], IDENTITY) is None
    older, newer = write_manifest(runs, a_manifest(3)), write_manifest(runs, a_manifest(1))
    os.utime(older, (1000, 1000))
    assert newest_covering(runs, wanted(a_manifest(3)), IDENTITY) is None
    newer.write_text("rubbish")
    assert newest_covering(runs, wanted(a_manifest(1)), IDENTITY) is None
