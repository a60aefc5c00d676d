"""NEXT and attention: the rules of what a person is told to do."""

from dataclasses import replace

import pytest

from evsctl.jobs.types import Advice, JobRequest
from evsctl.status.words import Situation, needs_attention, next_action, request_changes

NOW = 1_780_000_000.0
ASKED = JobRequest(memory_gb=48, walltime_minutes=240, constraint="a100|h100")


def advised(stop=None, **changes):
    return Advice(replace(ASKED, **changes), {}, stop=stop)


def after(state, advice, **more):
    return Situation(state=state, done=100, total=20_863, attempts=1, advice=advice, previous=ASKED, **more)


@pytest.mark.parametrize(
    ("situation", "words", "attention"),
    [
        (Situation("idle", 0, 20_863), "s submit", False),
        (Situation("idle", 0, 0), "no prompts for it yet", False),
        (Situation("idle", 0, 20_863, in_study=False), "not in the study", False),
        (Situation("done", 20_863, 20_863), "", False),
        (Situation("done", 20_863, 20_863, p_valid=0.031), "p_valid 0.03: c check", False),
        (Situation("running", 250, 20_863, p_valid=0.09), "p_valid 0.09: c check", False),
        (Situation("running", 199, 20_863, p_valid=0.03), "", False),
        (Situation("running", 9, 99, eta_s=257, time_left_s=257 + 7200), "ends 2h before limit", False),
        (Situation("running", 9, 99, eta_s=9000, time_left_s=9000 - 2400), "limit hits 40m early", False),
        (Situation("running", 9, 99, silent_s=240.0), "silent for 4m: l log", False),
        (Situation("running", 9, 99, silent_s=700.0), "silent for 12m: l log", True),
        (Situation("completing", 9, 99), "ending", False),
        (Situation("pending", 0, 99, pending_reason="Resources"), "wait: Resources", False),
        (Situation("pending", 0, 99, pending_reason="(Priority)", start_estimate=NOW - 5), "wait: Priority", False),
        (Situation("pending", 0, 99, pending_reason="BadConstraints"), "BadConstraints: w why", True),
        (Situation("pending", 99, 99, pending_reason="Resources"), "nothing left: x cancel", False),
        (Situation("unknown", 0, 99, attempts=1, unknown_s=30), "wait for accounting", False),
        (Situation("unknown", 0, 99, attempts=1, unknown_s=601), "vanished: w why", True),
        (Situation("unknown", 0, 99, attempts=1, unknown_s=601, slurm_reachable=False), "wait for accounting", False),
        (Situation("unknown", 0, 99, attempts=1, slurm_reachable=False, is_asked=False), "asking SLURM", False),
        (Situation("preempted", 0, 99, attempts=1, is_final=False), "wait: may be requeued", False),
        (after("preempted", advised()), "s: the same again", True),
        (after("oom", advised(memory_gb=96)), "s: 48G → 96G", True),
        (after("timeout", advised(walltime_minutes=480)), "s: 4h → 8h", True),
        (after("oom", advised(memory_gb=96, walltime_minutes=480)), "s: 48G → 96G, 4h → 8h", True),
        (after("failed", advised(exclude=("gpu017",))), "s: without gpu017", True),
        (after("oom", advised(constraint="h100")), "s: on h100", True),
        (after("failed", advised(stop="the same failure twice")), "stopped: w why", True),
        (after("idle", advised()), "s: the rest", False),
        (after("idle", advised(stop="ended without a new answer")), "stopped: w why", True),
        (after("cancelled", advised(stop="cancelled")), "s submit", False),
    ],
)
def test_each_situation_has_its_words(situation, words, attention):
    assert (next_action(situation, NOW), needs_attention(situation)) == (words, attention)


def test_a_start_estimate_is_told_as_a_time_of_day():
    soon = Situation("pending", 0, 99, pending_reason="Resources", start_estimate=NOW + 3600)
    assert next_action(soon, NOW).startswith("wait: Resources, ~")
    assert len(next_action(soon, NOW)) == len("wait: Resources, ~14:20")
    in_days = replace(soon, start_estimate=NOW + 3 * 86_400)
    assert next_action(in_days, NOW)[-1] == "h"


def test_words_fit_the_narrow_column():
    longest = [
        after("oom", advised(memory_gb=384, walltime_minutes=480)),
        Situation("pending", 0, 99, pending_reason="Resources", start_estimate=NOW + 3600),
        Situation("running", 9, 99, eta_s=257, time_left_s=257 + 86_400 * 2),
    ]
    assert max(len(next_action(situation, NOW)) for situation in longest) <= 24


def test_changes_are_told_from_old_to_new():
    assert request_changes(ASKED, replace(ASKED, gpus=2, constraint=None, exclude=("a", "b"))) == [
        "1 → 2 GPUs",
        "on any GPU",
        "without a,b",
    ]
    assert request_changes(ASKED, ASKED) == []
