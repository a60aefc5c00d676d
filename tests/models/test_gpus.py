"""Which cards a SLURM constraint allows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evsctl.models.gpus import CATALOGUE, GpuClass, gpu_classes
from evsctl.models.registry import load_registry


@pytest.mark.parametrize(
    ("constraint", "names"),
    [
        (None, []),
        ("", []),
        ("a100", ["a100"]),
        ("a100|l40s|h100", ["a100", "l40s", "h100"]),
        (" A100 | H100 ", ["a100", "h100"]),
        ("[a100|h100]", ["a100", "h100"]),
        ("(a100|h100)&infiniband", ["a100", "h100"]),
        ("[a100*2&h100*1]", ["a100", "h100"]),
        ("a100-80g", ["a100-80g"]),
        ("a100|a100", ["a100"]),
        ("cascadelake|tpu", []),
    ],
)
def test_a_constraint_names_its_cards_in_order_and_once(constraint: str | None, names: list[str]) -> None:
    assert [gpu.name for gpu in gpu_classes(constraint)] == names
    assert gpu_classes(constraint) == tuple(CATALOGUE[name] for name in names)


@pytest.mark.parametrize("spelling", ["a100", "A100"])
def test_a_site_corrects_the_memory_of_a_card(spelling: str) -> None:
    assert gpu_classes("a100|l40s", {spelling: 85.0}) == (GpuClass("a100", 85.0, 312.0), CATALOGUE["l40s"])


def test_a_site_adds_a_card_whose_peak_is_unknown() -> None:
    assert gpu_classes("b200|a100", {"b200": 192.0}) == (GpuClass("b200", 192.0, 0.0), CATALOGUE["a100"])


def test_every_card_that_the_registry_asks_for_is_known() -> None:
    for model in load_registry():
        assert len(gpu_classes(model.constraint)) == len((model.constraint or "").split("|"))


def test_the_card_of_a_name_without_its_memory_is_the_smaller_one() -> None:
    assert CATALOGUE["a100"].memory_gb == CATALOGUE["a100-40g"].memory_gb < CATALOGUE["a100-80g"].memory_gb


@given(st.text())
def test_no_constraint_is_an_error(constraint: str) -> None:
    assert all(gpu.name in CATALOGUE for gpu in gpu_classes(constraint))
