"""The Snapshot as `evsctl status` prints it."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from evsctl.status.sentences import queue_words
from evsctl.status.snapshot import SlurmHealth, Snapshot
from evsctl.status.table import status_table
from evsctl.tui.sample import sample_snapshot


def printed(snapshot, width=80, **options):
    target = StringIO()
    Console(file=target, width=width, highlight=False).print(status_table(snapshot, width, **options))
    return [line.rstrip() for line in target.getvalue().splitlines()]


def test_the_sample_on_a_narrow_terminal():
    assert printed(sample_snapshot()) == [
        "study  survey.db   queue 12 s ago · 18 calls/h   ⚠ 1",
        "MODEL          STATE        DONE            RATE   ETA  NEXT",
        "gemma3_27b_pt  ✖ timeout    ━╸─────  24 %               s: 4h → 8h",
        "eurollm22b     ▶ running    ━━━╸───  49 %   41/s  4m17  ends 3h before limit",
        "qwen3235b      ◌ pending    ───────   0 %               wait: Resources, ~14:20",
        "gemma3_27b_it  · idle       ───────   0 %               not in the study",
        "▸ hplt2c 22/22 ✔ done       ━━━━━━━ 100 %",
        "",
        "22 of 25 done · 1 running · 1 pending · 1 needs you · 47,311 of 83,452 left",
    ]


def test_unfolded_it_has_a_line_per_model():
    lines = printed(sample_snapshot(), unfold=True)
    assert len([line for line in lines if "hplt2c_" in line]) == 22


def test_ascii_only_prints_ascii_only():
    assert all(line.isascii() for line in printed(sample_snapshot(), ascii_only=True))


def test_what_failed_is_said_below_the_table():
    snapshot = replace(sample_snapshot(), errors=("SLURM does not answer.",), slurm=SlurmHealth("cli", False, 200.0))
    lines = printed(snapshot)
    assert lines[0] == "study  survey.db   SLURM down, queue 3 min ago   ⚠ 1"
    assert lines[-1] == "⚠ SLURM does not answer."


def test_a_finished_study_names_the_next_step():
    rows = tuple(replace(row, state="done", done=row.total) for row in sample_snapshot().models)
    assert (
        printed(replace(sample_snapshot(), models=rows))[-1] == "26 models · all done · 104,315 prompts answered · next: evsctl figures all"
    )


@pytest.mark.parametrize(("prompts", "words"), [(0, "holds no prompts yet"), (5, "No models are registered")])
def test_an_empty_study_says_what_fills_it(prompts, words):
    snapshot = Snapshot(0.0, "/s/survey.db", "study", prompts, (), SlurmHealth("local", True, 0.0), db_age_seconds=0.0)
    assert any(words in line for line in printed(snapshot, 200))


@pytest.mark.parametrize(
    ("slurm", "words"),
    [
        (SlurmHealth("local", True, 0.0), "no SLURM: local jobs"),
        (SlurmHealth("cli", True, 12.0), "queue 12 s ago"),
        (SlurmHealth("cli", True, None), "queue not asked yet"),
        (SlurmHealth("cli", False, 190.0, error="x"), "SLURM down, queue 3 min ago"),
        (SlurmHealth("cli", False, None, error="x"), "SLURM does not answer"),
        (SlurmHealth("cli", False, None), "asking SLURM"),
    ],
)
def test_the_queues_age_is_said_in_words(slurm, words):
    assert queue_words(slurm) == words


def test_the_json_form_is_stable():
    data = sample_snapshot().to_json()
    assert list(data) == ["schema", "as_of", "db", "prompts", "attention", "slurm", "models"]
    assert data["slurm"] == {"reachable": True, "age_s": 12.0}
    assert data["models"][0] == {
        "model_id": "gemma3_27b_pt",
        "hub_id": "google/gemma-3-27b-pt",
        "family": "gemma3_27b_pt",
        "total": 20863,
        "done": 4991,
        "failed": 0,
        "percent": 23.9,
        "rate_per_s": None,
        "eta_s": None,
        "state": "timeout",
        "detail": "time limit of 4h reached after 4,991 of 20,863 prompts",
        "job_id": "52544124",
        "attempt": 2,
        "next_action": "s: 4h → 8h",
    }
