"""How sizes and times are written."""

import pytest

from evsctl.errors import InputError
from evsctl.jobs.overrides import RequestOverrides, parse_memory, parse_walltime
from evsctl.jobs.types import JobRequest


@pytest.mark.parametrize(
    ("text", "size"), [("96G", 96), ("96GB", 96), ("96gib", 96), ("1T", 1024), ("98304M", 96), ("1.5G", 2), (" 8 G ", 8)]
)
def test_memory_is_a_number_with_its_unit(text: str, size: int) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["96", "", "G", "-1G", "0G", "lots", "96X"])
def test_memory_without_unit_or_sense_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--mem"):
        parse_memory(text)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("30", 30), ("30:00", 30), ("0:30", 1), ("4:00:00", 240), ("04:00:01", 241), ("1-0", 1440), ("1-12:30", 2190), ("1-00:00:00", 1440)],
)
def test_times_are_slurms_own_formats(text: str, minutes: int) -> None:
    assert parse_walltime(text) == minutes


@pytest.mark.parametrize("text", ["", "soon", "4h", "0", "1-", "-1", "1:2:3:4", "UNLIMITED"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--time"):
        parse_walltime(text)


def test_only_what_was_given_replaces_the_advice() -> None:
    advice = JobRequest(48, 240, 1, "a100|h100", partition="gpu", exclude=("n1",))
    given = RequestOverrides.from_text(mem="96G", constraint="h100", partition="", exclude="n2,n3")
    assert given.given == {"memory_gb": 96, "constraint": "h100", "partition": "", "exclude": ("n2", "n3")}
    assert given.apply(advice) == JobRequest(96, 240, 1, "h100", partition=None, exclude=("n2", "n3"))


def test_numbers_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InputError, match="--gpus -1"):
        RequestOverrides.from_text(gpus=-1)
    with pytest.raises(InputError, match="--cpus 0"):
        RequestOverrides.from_text(cpus=0)
