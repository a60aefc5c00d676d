"""A dashboard on a backstage of its own: every call is recorded, every answer can be changed."""

import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest

from evsctl.errors import SlurmError
from evsctl.jobs.overrides import NO_OVERRIDES
from evsctl.jobs.types import Advice, JobRequest
from evsctl.status.check import judge_answers
from evsctl.tui.dashboard import Dashboard
from evsctl.tui.sample import SAMPLE_LOG, sample_snapshot

ASKED = JobRequest(memory_gb=48, walltime_minutes=240, constraint="a100|l40s|h100", partition="gpu-preempt")
ARGV = ["sbatch", "--parsable", "--job-name=evs-study-gemma3_27b_pt", "--mem=48G", "-t", "08:00:00", "--constraint=a100|l40s|h100"]


def sample_plan(model_id="gemma3_27b_pt", **more):
    advice = Advice(
        request=replace(ASKED, walltime_minutes=480, exclude=("gpu017",)),
        reasons={
            "memory_gb": "as last time; its peak was 31.4G",
            "walltime_minutes": "job 52544124 reached its limit with 15,872 prompts left: 15,872 ÷ 0.68/s × 1.2, up to the next half hour",
            "constraint": "as last time",
            "exclude": "failed under job 52544107 within the last day",
        },
        warnings=("l40s (48 GB) cannot hold the 54 GB of bf16 weights.",),
    )
    fields = {
        "model_id": model_id,
        "attempt": 3,
        "pending": 15_872,
        "advice": advice,
        "previous": ASKED,
        "dtype": "bf16",
        "argv": ARGV,
        "backend": "cli",
        "problems": (),
    }
    return SimpleNamespace(**(fields | more))


class FakeBackstage:
    """What the dashboard sees in place of a study."""

    def __init__(self):
        self.read_only = ""
        self.commands = ["10:41:50  squeue"]
        self.answers = judge_answers("gemma3_27b_pt", [])
        self.snapshot = sample_snapshot()
        self.looks = 0
        self.polls = []
        self.plans = []
        self.submitted = []
        self.cancelled = []
        self.next_plan = sample_plan()
        self.refuse = ""
        self.hang = None

    def look(self):
        self.looks += 1
        return self.snapshot

    def poll(self, *, force=False):
        self.polls.append(force)
        if self.hang is not None:
            self.hang.wait(20)

    def plan(self, model_id, overrides=NO_OVERRIDES):
        self.plans.append(model_id)
        self.overrides = overrides.given
        return SimpleNamespace(**(vars(self.next_plan) | {"model_id": model_id}))

    def plan_all(self):
        return [sample_plan("gemma3_27b_pt"), sample_plan("qwen3235b", problems=("'qwen3235b' has a job already: 7.",))]

    def submit_all(self, plans):
        return [self.submit(plan) for plan in plans]

    def check(self, model_id):
        return replace(self.answers, model_id=model_id)

    def submit(self, plan):
        if self.refuse:
            raise SlurmError(self.refuse)
        self.submitted.append(plan.model_id)
        return SimpleNamespace(model_id=plan.model_id, job_id="52560000", attempt=plan.attempt)

    def cancel(self, row):
        self.cancelled.append(row.job_id)
        return [row.job_id]

    def tail(self, path, lines):
        return list(SAMPLE_LOG)[-lines:]


@pytest.fixture
def backstage():
    fake = FakeBackstage()
    yield fake
    if fake.hang is not None:
        fake.hang.set()


@pytest.fixture
def hang(backstage):
    backstage.hang = threading.Event()
    return backstage.hang


@pytest.fixture
def dashboard(backstage):
    return Dashboard(backstage, place="survey.db", look_seconds=0.05)


SIZES = [(80, 24), (200, 50)]


def screen_text(app):
    """What the terminal shows now, line by line."""
    return "\n".join("".join(segment.text for segment in strip) for strip in app.screen._compositor.render_strips())


async def settle(pilot, condition, seconds=5.0):
    """Wait until `condition` holds; fails with the screen where it never does."""
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await pilot.pause(0.02)
    raise AssertionError(f"it never came to that:\n{screen_text(pilot.app)}")


@pytest.fixture
def shown():
    return screen_text


@pytest.fixture
def until():
    return settle


@pytest.fixture
def make_plan():
    return sample_plan
