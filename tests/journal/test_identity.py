"""What must not change between two answers of one model."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evsctl.journal.identity import ModelIdentity, folder_fingerprint
from tests.journal.factories import IDENTITY

NAMES = st.sampled_from(["a", "b"])
IDENTITIES = st.builds(ModelIdentity, NAMES, NAMES, st.none() | NAMES, st.sampled_from(["bf16", "int4"]), st.booleans(), st.none() | NAMES)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, ()),
        ({"model_id": "other"}, ("model_id",)),
        ({"dtype": "int4"}, ("dtype",)),
        ({"chat_template": True}, ("chat_template",)),
        ({"revision": "v2"}, ("revision",)),
        ({"revision": None}, ()),
        ({"fingerprint": "feed"}, ("fingerprint",)),
        ({"fingerprint": None}, ()),
        ({"hub_id": "org/renamed"}, ()),
        ({"hub_id": "org/other", "fingerprint": None}, ("hub_id",)),
        ({"dtype": "int8", "revision": "v2", "fingerprint": "feed"}, ("dtype", "revision", "fingerprint")),
    ],
    ids=str,
)
def test_the_parts_that_differ_are_named(change: dict[str, object], found: tuple[str, ...]) -> None:
    assert IDENTITY.differences(replace(IDENTITY, **change)) == found  # type: ignore[arg-type]


@given(IDENTITIES, IDENTITIES)
def test_differences_are_mutual_and_nothing_differs_from_itself(one: ModelIdentity, other: ModelIdentity) -> None:
    assert one.differences(other) == other.differences(one)
    assert one.differences(one) == ()


@given(IDENTITIES)
def test_identities_round_trip(identity: ModelIdentity) -> None:
    assert ModelIdentity.from_json(json.loads(json.dumps(identity.to_json()))) == identity


def a_model_folder(folder: Path) -> Path:
    """A folder with config, tokenizer and one weight file of 40 kB."""
    folder.mkdir(parents=True)
    header = json.dumps({"w": {"dtype": "BF16", "shape": [20_000], "data_offsets": [0, 40_000]}}).encode()
    (folder / "config.json").write_text('{"model_type": "llama", "hidden_size": 8}')
    (folder / "tokenizer.json").write_text('{"version": "1.0"}')
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(40_000))
    return folder


def test_the_same_files_have_the_same_fingerprint_wherever_they_lie(tmp_path: Path) -> None:
    one, other = a_model_folder(tmp_path / "a"), a_model_folder(tmp_path / "b" / "c")
    (other / "README.md").write_text("of no importance")
    (other / "config.json").write_text('{"hidden_size":8,\n"model_type":"llama"}\n')
    assert folder_fingerprint(one) == folder_fingerprint(other)
    assert len(folder_fingerprint(one)) == 16


@pytest.mark.parametrize(
    "name", ["config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"]
)
def test_whatever_decides_the_answers_changes_the_fingerprint(tmp_path: Path, name: str) -> None:
    folder = a_model_folder(tmp_path / "a")
    before = folder_fingerprint(folder)
    (folder / name).write_text('{"changed": true}')
    assert folder_fingerprint(folder) != before


@pytest.mark.parametrize("position", [0, 10, -1])
def test_another_checkpoint_of_the_same_shape_has_another_fingerprint(tmp_path: Path, position: int) -> None:
    """The tensors of two checkpoints have the same names, types and sizes; only the numbers differ, and they differ everywhere."""
    folder = a_model_folder(tmp_path / "a")
    before = folder_fingerprint(folder)
    path = folder / "model.safetensors"
    raw = bytearray(path.read_bytes())
    raw[len(raw) - 40_000 + position if position >= 0 else position] ^= 1
    path.write_bytes(raw)
    assert folder_fingerprint(folder) != before


def test_a_weight_file_that_is_cut_short_or_empty_has_a_fingerprint_of_its_own(tmp_path: Path) -> None:
    folder = a_model_folder(tmp_path / "a")
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    found = {folder_fingerprint(folder)}
    for size in (0, 5, 50, 200, len(whole) - 1):
        path.write_bytes(whole[:size])
        found.add(folder_fingerprint(folder))
    assert len(found) == 6


def test_a_folder_without_any_of_them_has_a_fingerprint_too(tmp_path: Path) -> None:
    assert folder_fingerprint(tmp_path) == folder_fingerprint(tmp_path / "missing")
