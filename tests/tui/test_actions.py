"""Submitting and cancelling: only what was meant, once, and never by accident."""

from types import SimpleNamespace

import pytest

from evsctl.tui.screens import plan as plan_screen
from evsctl.tui.screens.confirm import ConfirmScreen
from evsctl.tui.screens.models import ModelsScreen
from evsctl.tui.screens.plan import PlanScreen

SIZES = [(80, 24), (200, 50)]


@pytest.fixture
def quick(monkeypatch):
    """Enter is heard at once."""
    monkeypatch.setattr(plan_screen, "DEAF_SECONDS", 0.0)


@pytest.fixture
def slow_machine(monkeypatch):
    """Whatever the test does, it does within the time that enter is not heard."""
    monkeypatch.setattr(plan_screen, "DEAF_SECONDS", 60.0)


def test_enter_is_not_heard_for_300_ms():
    assert plan_screen.DEAF_SECONDS == 0.3


@pytest.mark.parametrize("size", SIZES)
async def test_the_plan_shows_last_time_now_and_why(dashboard, until, shown, size):
    async with dashboard.run_test(size=size) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("s")
        await until(pilot, lambda: "attempt 3 · 15,872 prompts left" in shown(dashboard))
        text = shown(dashboard)
        time_line = next(line for line in text.splitlines() if line.startswith(" time"))
        assert time_line.split()[:3] == ["time", "04:00:00", "08:00:00"]
        assert "15,872 ÷ 0.68/s × 1.2" in " ".join(text.split())
        assert "exclude      -" in text
        assert "gpu017" in text
        assert "! l40s (48 GB) cannot hold the 54 GB" in text
        assert '--constraint="a100|l40s|h100"' in " ".join(text.split())
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(dashboard.screen, ModelsScreen))


async def test_s_and_enter_submit_exactly_once(dashboard, backstage, until, quick):
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("s")
        await until(pilot, lambda: isinstance(dashboard.screen, PlanScreen) and dashboard.screen.plan is not None)
        await pilot.press("enter", "enter", "enter")
        await until(pilot, lambda: True in backstage.polls)
        await pilot.pause(0.2)
        assert backstage.submitted == ["gemma3_27b_pt"]
        assert dashboard.said == ["Submitted gemma3_27b_pt as job 52560000, attempt 3."]


async def test_enter_counts_again_once_the_time_is_over(dashboard, backstage, until, monkeypatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(plan_screen, "time", SimpleNamespace(monotonic=lambda: clock.now))
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("s")
        await until(pilot, lambda: isinstance(dashboard.screen, PlanScreen) and dashboard.screen.plan is not None)
        clock.now += 0.29
        await pilot.press("enter")
        await pilot.pause(0.1)
        assert backstage.submitted == []
        clock.now += 0.02
        await pilot.press("enter")
        await until(pilot, lambda: backstage.submitted == ["gemma3_27b_pt"])


async def test_enter_right_after_the_plan_opened_is_not_heard(dashboard, backstage, until, slow_machine):
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("s", "enter")
        await until(pilot, lambda: isinstance(dashboard.screen, PlanScreen) and dashboard.screen.plan is not None)
        await pilot.press("enter")
        await pilot.pause(0.1)
        assert backstage.submitted == []
        assert isinstance(dashboard.screen, PlanScreen)


async def test_a_slow_plan_keeps_enter_deaf_until_it_can_be_read(dashboard, backstage, until, make_plan, slow_machine):
    import threading

    gate = threading.Event()
    backstage.plan = lambda model_id, overrides: gate.wait(10) and make_plan(model_id)
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("s")
        await pilot.press("enter")
        gate.set()
        await until(pilot, lambda: dashboard.screen.plan is not None)
        await pilot.press("enter")
        await pilot.pause(0.1)
        assert backstage.submitted == []


async def test_a_refused_submission_stays_on_the_plan_with_slurms_words(dashboard, backstage, until, shown, quick):
    backstage.refuse = "sbatch: error: QOSMaxSubmitJobPerUserLimit"
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("s")
        await until(pilot, lambda: isinstance(dashboard.screen, PlanScreen) and dashboard.screen.plan is not None)
        await pilot.press("enter")
        await until(pilot, lambda: "QOSMaxSubmitJobPerUserLimit" in shown(dashboard))
        backstage.refuse = ""
        await pilot.press("enter")
        await until(pilot, lambda: backstage.submitted == ["gemma3_27b_pt"])


async def test_a_plan_with_problems_is_shown_and_not_submitted(dashboard, backstage, until, shown, make_plan, quick):
    backstage.next_plan = make_plan(problems=("'gemma3_27b_pt' has a job already: 7.",))
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("s")
        await until(pilot, lambda: "has a job already: 7." in shown(dashboard))
        await pilot.press("enter")
        await pilot.pause(0.1)
        assert backstage.submitted == []


async def test_a_plan_that_cannot_be_made_says_why(dashboard, backstage, until, shown):
    def fail(model_id, overrides):
        raise OSError("survey.db is locked")

    backstage.plan = fail
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("s")
        await until(pilot, lambda: "survey.db is locked" in shown(dashboard))


@pytest.mark.parametrize("size", SIZES)
async def test_cancelling_asks_first_and_enter_leaves_the_job(dashboard, backstage, until, shown, size):
    async with dashboard.run_test(size=size) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("j", "x")
        await until(pilot, lambda: "Cancel job 52554809 of eurollm22b?" in shown(dashboard))
        assert "10,576 are left to do" in shown(dashboard)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(dashboard.screen, ModelsScreen))
        await pilot.press("x")
        await until(pilot, lambda: isinstance(dashboard.screen, ConfirmScreen))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(dashboard.screen, ModelsScreen))
        assert backstage.cancelled == []


@pytest.mark.parametrize("keys", [("y",), ("tab", "enter"), ("right", "enter")])
async def test_a_confirmed_cancellation_cancels_that_job_once(dashboard, backstage, until, keys):
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("j", "x")
        await until(pilot, lambda: isinstance(dashboard.screen, ConfirmScreen))
        await pilot.press(*keys)
        await until(pilot, lambda: backstage.cancelled == ["52554809"])
        await until(pilot, lambda: True in backstage.polls)


async def test_a_model_without_a_job_has_nothing_to_cancel(dashboard, backstage, until, shown):
    async with dashboard.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("x")
        await until(pilot, lambda: dashboard.said == ["gemma3_27b_pt has no job in the queue."])
        assert isinstance(dashboard.screen, ModelsScreen)


@pytest.mark.parametrize("key", ["s", "x"])
async def test_read_only_refuses_with_a_sentence(dashboard, backstage, until, shown, key):
    backstage.read_only = "Read-only: nothing is submitted or cancelled here."
    async with dashboard.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: "READ-ONLY" in shown(dashboard))
        await pilot.press("j", key)
        await until(pilot, lambda: dashboard.said == ["Read-only: nothing is submitted or cancelled here."])
        assert isinstance(dashboard.screen, ModelsScreen)
        assert backstage.plans == []


async def test_a_family_is_no_model_to_submit(dashboard, backstage, until, shown):
    async with dashboard.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("G", "s")
        await until(pilot, lambda: dashboard.said == ["Move to a model first: enter unfolds the family."])
        assert backstage.plans == []


def test_a_plan_on_this_machine_names_no_limit(make_plan):
    from dataclasses import replace

    from evsctl.tui.plan_text import plan_lines

    plan = make_plan(previous=None)
    plan.advice = replace(plan.advice, request=replace(plan.advice.request, walltime_minutes=0, exclude=()), warnings=())
    text = "\n".join(line.plain for line in plan_lines(SimpleNamespace(**vars(plan)), 80))
    assert "no limit" in text
    assert "on this machine" in text


async def test_all_incomplete_models_are_listed_and_submitted_once(dashboard, backstage, until, shown, quick):
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("A")
        await until(pilot, lambda: "1 job · 15,872 prompts · up to 8 GPU-h" in shown(dashboard))
        assert "qwen3235b: 'qwen3235b' has a job already: 7." in shown(dashboard)
        await pilot.press("enter", "enter")
        await until(pilot, lambda: True in backstage.polls)
        assert backstage.submitted == ["gemma3_27b_pt"]
        assert dashboard.said == ["Submitted 1 job."]


async def test_enter_right_after_all_plans_opened_is_not_heard(dashboard, backstage, until, shown, slow_machine):
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("A")
        await until(pilot, lambda: "1 job" in shown(dashboard))
        await pilot.press("enter")
        await pilot.pause(0.1)
        assert backstage.submitted == []


async def test_a_request_can_be_edited_and_is_planned_again(dashboard, backstage, until, shown, quick):
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("s")
        await until(pilot, lambda: isinstance(dashboard.screen, PlanScreen) and dashboard.screen.plan is not None)
        await pilot.press("e")
        await until(pilot, lambda: "--mem 48G --time 08:00:00" in shown(dashboard))
        dashboard.screen.box.value = "--mem 96 --gpus 2"
        await pilot.press("enter")
        await until(pilot, lambda: "--mem '96' is not a size with its unit" in shown(dashboard))
        dashboard.screen.box.value = "--mem 96G --gpus=2"
        await pilot.press("enter")
        await until(pilot, lambda: backstage.overrides == {"memory_gb": 96, "gpus": 2})
        assert backstage.submitted == []
        await pilot.press("e")
        await until(pilot, lambda: dashboard.screen.box.display)
        await pilot.press("escape")
        assert isinstance(dashboard.screen, PlanScreen)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(dashboard.screen, ModelsScreen))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("--mem", "--mem lacks its value."),
        ("--mme 4G", "Unknown flag '--mme'. Did you mean 'mem'?"),
        ("mem 4G", "Unknown flag 'mem'."),
        ("--gpus two", "--gpus 'two' is not a whole number."),
        ("--time '", "The flags cannot be read"),
        ("--time soon", "--time 'soon' is not a time."),
    ],
)
def test_a_wrong_flag_is_named(text, words):
    from evsctl.errors import InputError
    from evsctl.tui.editing import parse_flags

    with pytest.raises(InputError) as error:
        parse_flags(text)
    assert words in str(error.value)


def test_flags_are_read_as_they_are_written(make_plan):
    from evsctl.tui.editing import parse_flags, request_flags

    request = make_plan().advice.request
    assert request_flags(request) == "--mem 48G --time 08:00:00 --constraint 'a100|l40s|h100' --exclude gpu017"
    assert parse_flags(request_flags(request)).apply(request) == request
    assert parse_flags("").given == {}
