"""Log, Why, Help, and a terminal too small for any of them."""

from dataclasses import replace

import pytest

from evsctl.tui.sample import sample_snapshot
from evsctl.tui.screens.help import HelpScreen, help_sections
from evsctl.tui.screens.log import LogScreen
from evsctl.tui.screens.models import ModelsScreen
from evsctl.tui.screens.small import SmallScreen

SIZES = [(80, 24), (200, 50)]


@pytest.fixture
def log(tmp_path, backstage):
    path = tmp_path / "52554809.log"
    path.write_text("first line\nsecond \x1b[31mred\x1b[0m line\n")
    backstage.snapshot = sample_snapshot(str(path))
    return path


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("key", ["l", "3", "enter"])
async def test_the_log_follows_the_job(dashboard, log, until, shown, size, key):
    async with dashboard.run_test(size=size) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("j", key)
        await until(pilot, lambda: "second red line" in shown(dashboard))
        assert "job 52554809" in shown(dashboard)
        with log.open("a") as stream:
            stream.write("10%\r50%\r100%\nthird line\n")
        await until(pilot, lambda: "third line" in shown(dashboard) and "100%" in shown(dashboard))
        assert "50%" not in shown(dashboard)


async def test_a_long_log_shows_its_end_and_home_its_beginning(dashboard, log, until, shown):
    log.write_text("".join(f"line {n}\n" for n in range(500)))
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("j", "l")
        await until(pilot, lambda: "line 499" in shown(dashboard))
        await pilot.press("home")
        await until(pilot, lambda: "line 0 " in shown(dashboard))
        with log.open("a") as stream:
            stream.write("new\n")
        await pilot.pause(1.3)
        assert "line 0 " in shown(dashboard)
        await pilot.press("end")
        await until(pilot, lambda: "new" in shown(dashboard))


async def test_a_new_job_brings_its_own_log(dashboard, backstage, log, until, shown, tmp_path):
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("j", "l")
        await until(pilot, lambda: "first line" in shown(dashboard))
        newer = tmp_path / "52560000.log"
        newer.write_text("another job\n")
        rows = tuple(replace(row, log_path=str(newer), job_id="52560000") if row.log_path else row for row in backstage.snapshot.models)
        backstage.snapshot = replace(backstage.snapshot, models=rows)
        await until(pilot, lambda: "another job" in shown(dashboard) and "first line" not in shown(dashboard))


async def test_without_a_log_it_says_when_one_will_come(dashboard, until, shown):
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("j", "j", "l")
        await until(pilot, lambda: "Job 52544634 has not started: its log begins when it does." in shown(dashboard))
        await pilot.press("q")
        await until(pilot, lambda: isinstance(dashboard.screen, ModelsScreen))


@pytest.mark.parametrize("size", SIZES)
async def test_why_tells_every_attempt(dashboard, until, shown, size):
    async with dashboard.run_test(size=size) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("w")
        await until(pilot, lambda: "gemma3_27b_pt is timeout" in shown(dashboard))
        text = shown(dashboard)
        assert "next: s: 4h → 8h" in text
        assert "↻ preempted" in text
        assert "52544107" in text
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(dashboard.screen, ModelsScreen))


def test_help_knows_every_binding_and_each_has_words():
    listed = dict(help_sections())
    assert list(listed) == ["Everywhere", "Models", "Table", "Text", "Plan", "Plan of all", "Log", "Why", "Check", "Jobs", "Question"]
    assert all(keys and words for bindings in listed.values() for keys, words in bindings)
    assert ("x", "cancel the model's job; asks first") in listed["Models"]


async def test_question_mark_shows_all_bindings(dashboard, until, shown):
    async with dashboard.run_test(size=(200, 130)) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(dashboard.screen, HelpScreen))
        await pilot.pause(0.1)
        text = shown(dashboard)
        for title, bindings in help_sections():
            assert title in text
            for keys, words in bindings:
                assert any(keys in line and words in line for line in text.splitlines()), (keys, words)
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(dashboard.screen, ModelsScreen))


async def test_a_tiny_terminal_shows_one_sentence(dashboard, until, shown):
    async with dashboard.run_test(size=(40, 10)) as pilot:
        await until(pilot, lambda: isinstance(dashboard.screen, SmallScreen))
        await pilot.pause(0.1)
        words = " ".join(shown(dashboard).split())
        assert words == "evsctl needs 80x24; this terminal is 40x10. Enlarge it, or press q and use `evsctl status`."


async def test_every_screen_survives_shrinking_and_growing(dashboard, log, until, shown):
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        for key, screen in (("", ModelsScreen), ("l", LogScreen), ("question_mark", HelpScreen)):
            if key:
                await pilot.press(key)
            await until(pilot, lambda screen=screen: isinstance(dashboard.screen, screen))
            await pilot.resize_terminal(40, 10)
            await until(pilot, lambda: isinstance(dashboard.screen, SmallScreen))
            await pilot.press("s", "x", "y")
            await pilot.resize_terminal(200, 50)
            await until(pilot, lambda screen=screen: isinstance(dashboard.screen, screen) and "survey.db" in shown(dashboard))
            await pilot.resize_terminal(80, 24)
            await until(pilot, lambda screen=screen: isinstance(dashboard.screen, screen))
        assert dashboard.backstage.cancelled == []


async def test_every_key_line_fits_and_ends_with_help(dashboard, until, shown):
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        for key in ("", "l", "escape", "w", "escape", "c", "escape", "2", "escape", "A", "escape", "s"):
            if key:
                await pilot.press(key)
            await pilot.pause(0.15)
            assert shown(dashboard).splitlines()[-1].rstrip().endswith("? help")


async def test_ascii_only_shows_ascii_only(backstage, until, shown):
    from evsctl.tui.dashboard import Dashboard

    app = Dashboard(backstage, ascii_only=True, look_seconds=0.05)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "x timeout" in shown(app))
        for key in ("", "w", "escape", "c", "escape", "2", "escape", "A", "escape", "question_mark", "escape", "j", "x", "n", "s"):
            if key:
                await pilot.press(key)
            await pilot.pause(0.2)
            assert {sign for sign in shown(app) if not sign.isascii()} == set()


async def test_jobs_lists_every_job_newest_first_and_every_command(dashboard, until, shown):
    async with dashboard.run_test(size=(120, 60)) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("2")
        await until(pilot, lambda: "10:41:50  squeue" in shown(dashboard))
        text = shown(dashboard)
        assert text.index("52554809") < text.index("52544123")
        assert "✖ oom" in text
        await pilot.press("2")
        await until(pilot, lambda: isinstance(dashboard.screen, ModelsScreen))


async def test_check_tells_whether_answers_are_worth_drawing(dashboard, backstage, until, shown):
    from evsctl.status.check import AnswerCheck, GroupCheck

    languages = (GroupCheck("deu", 904, 0.62, 3), GroupCheck("eng", 1042, 0.03, 900))
    backstage.answers = AnswerCheck("x", 1946, 0.03, 903, languages, (GroupCheck("v133", 12, 0.01, 12),), 2)
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("c")
        await until(pilot, lambda: "look before you draw" in shown(dashboard))
        text = shown(dashboard)
        assert "gemma3_27b_pt · 1,946 prompts answered" in text
        assert "2 prompts have probabilities that do not add up to 1" in text
        assert "v133" in text


async def test_a_model_without_answers_has_nothing_to_check(dashboard, until, shown):
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("c")
        await until(pilot, lambda: "No answer of this model is in the database yet." in shown(dashboard))


async def test_the_palette_offers_what_the_keys_do(dashboard, until, shown):
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("colon")
        await until(pilot, lambda: "check (c)" in shown(dashboard))
        await pilot.press(*"jobs (2)")
        await pilot.pause(0.5)
        await pilot.press("enter")
        await until(pilot, lambda: "JOB        MODEL" in shown(dashboard))
