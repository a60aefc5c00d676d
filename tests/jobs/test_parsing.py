"""What SLURM 22.05 really printed, into rows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evsctl.jobs.facts import satisfies
from evsctl.jobs.parsing import parse_job_id, parse_sacct, parse_sinfo, parse_size_gb, parse_squeue, parse_time
from evsctl.jobs.types import HistoryRow, QueueRow

SQUEUE = """\
7|RUNNING|None|h100-1|0:02|4:00:00|1795353248|evs-study-eurollm22b
8|PENDING|ReqNodeNotAvail, UnavailableNodes:a100-2||0:00|1-00:00:00|N/A|evs|we ird
18_[2-5%2]|PENDING|JobArrayTaskLimit||0:00|UNLIMITED|1795353371|array
slurm_load_jobs: something else entirely
"""

SACCT = """\
1|REQUEUED|0:0|2||96G|4|240|1795353248|1795353250|h100-1|evs|we ird
1.batch|CANCELLED|0:15|2|498K||4||1795353248|1795353250|h100-1|batch
1|CANCELLED by 1000|0:0|3||96G|4|240|1795353251|1795353254|h100-1|evs|we ird
1.batch|CANCELLED|0:15|3|211219K||4||1795353251|1795353254|h100-1|batch
2|PENDING|0:0|0||16?|0||Unknown|Unknown|None assigned|later
3|OUT_OF_MEMORY|0:125|9||4Gc|4|60|1795353251|1795353260|a100-1|old site
"""

SINFO = """\
main*|2-00:00:00|1|64|512000|gpu:a100:4|a100,gpu|a100-1
main*|2-00:00:00|2|64+|1024000+|gpu:a100:4(S:0-1),gpu:t4:2|a100,a100-80g,gpu|a100-[2-3]
short|30:00|1|64|256000|(null)|(null)|cpu-1
free|infinite|1|8|16000|gpu:2|cpu|cpu-2
"""


def test_squeue_lines_become_rows_and_a_separator_in_a_name_stays_in_the_name() -> None:
    assert parse_squeue(SQUEUE) == (
        QueueRow("7", "evs-study-eurollm22b", "RUNNING", "None", "h100-1", 2.0, 14400.0, 1795353248.0),
        QueueRow("8", "evs|we ird", "PENDING", "ReqNodeNotAvail, UnavailableNodes:a100-2", "", 0.0, 86400.0, None),
        QueueRow("18_[2-5%2]", "array", "PENDING", "JobArrayTaskLimit", "", 0.0, None, 1795353371.0),
    )


def test_sacct_lines_become_jobs_and_steps_with_earlier_runs_kept() -> None:
    rows = parse_sacct(SACCT)
    assert [(row.job_id, row.step, row.state) for row in rows] == [
        ("1", "", "REQUEUED"),
        ("1", "batch", "CANCELLED"),
        ("1", "", "CANCELLED"),
        ("1", "batch", "CANCELLED"),
        ("2", "", "PENDING"),
        ("3", "", "OUT_OF_MEMORY"),
    ]
    assert rows[2] == HistoryRow("1", "", "CANCELLED", "0:0", 1000, 3.0, None, 96.0, 14400.0, 1795353251.0, 1795353254.0, "h100-1")
    assert rows[3].max_rss_gb == pytest.approx(211219 / 2**20)
    assert rows[4].requested_memory_gb is None
    assert rows[4].nodes == ""
    assert rows[5].requested_memory_gb == 16.0


def test_sinfo_lines_become_groups_of_nodes() -> None:
    facts = parse_sinfo(SINFO)
    assert [(g.partition, g.is_default, g.time_limit_minutes, g.nodes, g.cpus, g.memory_gb) for g in facts.groups] == [
        ("main", True, 2880, 1, 64, 500),
        ("main", True, 2880, 2, 64, 1000),
        ("short", False, 30, 1, 64, 250),
        ("free", False, None, 1, 8, 15),
    ]
    assert facts.groups[1].gpus == {"a100": 4, "t4": 2}
    assert facts.groups[3].gpus == {"": 2}
    assert facts.memory_limit_gb(None, "a100|h100") == 1000
    assert facts.memory_limit_gb("main", "a100&a100-80g") == 1000
    assert facts.memory_limit_gb("main", "h100") is None
    assert facts.time_limit_minutes("short") == 30
    assert facts.time_limit_minutes("free") is None
    assert facts.features() == {"a100", "a100-80g", "gpu"}


@pytest.mark.parametrize(
    ("text", "job_id"),
    [("52554809\n", "52554809"), ("7;cluster\n", "7"), ("a site's greeting\n52\n", "52"), ("", None), ("no number", None)],
)
def test_sbatch_answers_an_id_perhaps_with_a_cluster(text: str, job_id: str | None) -> None:
    assert parse_job_id(text) == job_id


@pytest.mark.parametrize(
    ("text", "size"), [("211219K", 211219 / 2**20), ("96G", 96.0), ("1.50M", 1.5 / 1024), ("0", 0.0), ("", None), ("16?", None)]
)
def test_sizes_are_in_g(text: str, size: float | None) -> None:
    assert parse_size_gb(text) == (None if size is None else pytest.approx(size))


def test_times_are_epoch_seconds_or_local_or_nothing() -> None:
    assert parse_time("1795353248") == 1795353248.0
    assert parse_time("2026-11-22T13:14:10") is not None
    assert [parse_time(text) for text in ("N/A", "Unknown", "None", "", "0")] == [None] * 5


@pytest.mark.parametrize(
    ("constraint", "fits"),
    [
        (None, True),
        ("a100|h100", True),
        ("h100|l40s", False),
        ("a100&gpu", True),
        ("a100&ib", False),
        ("[a100|h100]", True),
        ("a100*2", True),
    ],
)
def test_a_constraint_is_alternatives_of_features(constraint: str | None, fits: bool) -> None:
    assert satisfies(frozenset({"a100", "gpu"}), constraint) is fits


@given(st.text())
def test_no_text_makes_a_parser_fail(text: str) -> None:
    parse_squeue(text)
    parse_sacct(text)
    parse_sinfo(text)
    parse_job_id(text)
