"""The Models screen on the smallest and on a large terminal."""

from dataclasses import replace

import pytest

from evsctl.status.snapshot import SlurmHealth, Snapshot
from evsctl.tui.sample import sample_snapshot
from evsctl.tui.screens.log import LogScreen
from evsctl.tui.screens.models import ModelsScreen

SIZES = [(80, 24), (200, 50)]


def changed(snapshot, model_id, **fields):
    return replace(snapshot, models=tuple(replace(row, **fields) if row.model_id == model_id else row for row in snapshot.models))


@pytest.mark.parametrize("size", SIZES)
async def test_the_study_is_told_at_a_glance(dashboard, until, shown, size):
    async with dashboard.run_test(size=size) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None and "s: 4h → 8h" in shown(dashboard))
        text = shown(dashboard)
        for part in (
            "✖ timeout",
            "▶ running",
            "◌ pending",
            "· idle",
            "✔ done",
            "▸ hplt2c 22/22",
            "41/s",
            "4m17",
            "queue 12 s ago · 18 calls/h",
            "⚠ 1",
        ):
            assert part in text
        assert "22 of 25 done · 1 running · 1 pending · 1 needs you · 47,311 of 83,452 left" in text
        assert text.index("gemma3_27b_pt") < text.index("eurollm22b") < text.index("qwen3235b")
        assert ("PROMPTS" in text) == (size[0] >= 120)


@pytest.mark.parametrize("size", SIZES)
async def test_progress_moves_when_the_snapshot_changes(dashboard, backstage, until, shown, size):
    async with dashboard.run_test(size=size) as pilot:
        await until(pilot, lambda: " 49 %" in shown(dashboard))
        backstage.snapshot = changed(backstage.snapshot, "eurollm22b", done=15_000, eta_s=60.0)
        await until(pilot, lambda: " 72 %" in shown(dashboard) and "1m00" in shown(dashboard))


@pytest.mark.parametrize("size", SIZES)
async def test_the_detail_follows_the_cursor(dashboard, backstage, until, shown, size):
    backstage.snapshot = sample_snapshot("/logs/1.log")
    async with dashboard.run_test(size=size) as pilot:
        await until(pilot, lambda: "gemma3_27b_pt · job 52544124" in shown(dashboard))
        await pilot.press("j")
        await until(pilot, lambda: "eurollm22b · job 52554809" in shown(dashboard) and "pack 148/251" in shown(dashboard))
        assert "61 of 96 GB" in shown(dashboard)
        await pilot.press("up")
        await until(pilot, lambda: "gemma3_27b_pt · job 52544124" in shown(dashboard))


async def test_the_cursor_stays_on_its_model_when_rows_move(dashboard, backstage, until):
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("j")
        assert dashboard.screen.selected.model_id == "eurollm22b"
        rows = backstage.snapshot.models
        backstage.snapshot = replace(backstage.snapshot, models=(rows[2], rows[0], rows[1], *rows[3:]))
        before = backstage.looks
        await until(pilot, lambda: backstage.looks > before + 2)
        assert dashboard.screen.selected.model_id == "eurollm22b"


async def test_enter_unfolds_a_finished_family_and_folds_it_again(dashboard, until, shown):
    async with dashboard.run_test(size=(80, 40)) as pilot:
        await until(pilot, lambda: "▸ hplt2c 22/22" in shown(dashboard))
        assert "  hplt2c_bul" not in dashboard.screen.table.plain_lines
        await pilot.press("G", "enter")
        await until(pilot, lambda: "▾ hplt2c 22/22" in shown(dashboard) and "hplt2c_bul" in shown(dashboard))
        assert len(dashboard.screen.table.plain_lines) == 27
        await pilot.press("enter")
        await until(pilot, lambda: "▸ hplt2c 22/22" in shown(dashboard))


async def test_tab_gives_the_table_the_whole_height_and_takes_it_back(dashboard, until, shown):
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "▸ hplt2c 22/22" in shown(dashboard))
        await pilot.press("G", "enter")
        await until(pilot, lambda: "hplt2c_bul" in shown(dashboard))
        few = shown(dashboard).count("✔ done")
        await pilot.press("tab")
        await until(pilot, lambda: shown(dashboard).count("✔ done") > few + 5)
        await pilot.press("tab")
        await until(pilot, lambda: shown(dashboard).count("✔ done") == few)


async def test_enter_on_a_model_opens_its_log(dashboard, until):
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(dashboard.screen, LogScreen))


async def test_a_filter_narrows_the_table_and_escape_clears_it(dashboard, until, shown):
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("slash", *"swe")
        await until(pilot, lambda: [line.split()[0] for line in dashboard.screen.table.plain_lines] == ["hplt2c_swe"])
        await pilot.press("enter", "j")
        assert dashboard.screen.selected.model_id == "hplt2c_swe"
        await pilot.press("slash", *"zzz")
        await until(pilot, lambda: "No model matches 'zzz'" in shown(dashboard))
        await pilot.press("escape")
        await until(pilot, lambda: "▸ hplt2c 22/22" in shown(dashboard))


async def test_a_filter_finds_states_too(dashboard, until):
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("slash", *"pending")
        await until(pilot, lambda: [line.split()[0] for line in dashboard.screen.table.plain_lines] == ["qwen3235b"])


async def test_faults_only_shows_what_needs_a_person(dashboard, backstage, until, shown):
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("f")
        await until(pilot, lambda: [line.split()[0] for line in dashboard.screen.table.plain_lines] == ["gemma3_27b_pt"])
        backstage.snapshot = changed(backstage.snapshot, "gemma3_27b_pt", needs_attention=False)
        await until(pilot, lambda: "No model needs you." in shown(dashboard))
        await pilot.press("f")
        await until(pilot, lambda: "gemma3_27b_pt" in shown(dashboard))


async def test_keys_pasted_by_mistake_do_nothing(dashboard, backstage, until):
    from textual import events

    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        dashboard.post_message(events.Paste("sx\ny\nq"))
        await pilot.pause(0.3)
        assert isinstance(dashboard.screen, ModelsScreen)
        assert (backstage.plans, backstage.submitted, backstage.cancelled) == ([], [], [])


async def test_refresh_asks_slurm_at_once(dashboard, backstage, until):
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("r")
        await until(pilot, lambda: True in backstage.polls)


async def test_leaving_says_what_runs_on(dashboard, until):
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: dashboard.snapshot is not None)
        await pilot.press("q")
        await pilot.pause(0.1)
    assert dashboard.return_value == (
        "2 jobs go on without the dashboard: eurollm22b (running, job 52554809), qwen3235b (pending, job 52544634). "
        "`evsctl status` tells how they are."
    )


# -- every state has a face


def empty(**more):
    fields = {
        "as_of": 0.0,
        "db": "/study/survey.db",
        "study": "study",
        "prompts": 0,
        "models": (),
        "slurm": SlurmHealth("cli", True, 1.0),
        "db_age_seconds": 0.0,
    }
    return Snapshot(**(fields | more))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("snapshot", "words"),
    [
        (empty(), "holds no prompts yet. `evsctl survey populate"),
        (empty(prompts=10), "No models are registered in this database. `evsctl models add"),
        (empty(db_age_seconds=None, errors=("survey.db is locked.",)), "Nothing to show yet: survey.db is locked."),
    ],
)
async def test_an_empty_study_says_what_fills_it(dashboard, backstage, until, shown, size, snapshot, words):
    backstage.snapshot = snapshot
    async with dashboard.run_test(size=size) as pilot:
        await until(pilot, lambda: words in " ".join(shown(dashboard).split()))


async def test_before_the_first_look_it_says_what_it_reads(dashboard, backstage, until, shown):
    import threading

    gate = threading.Event()
    backstage.look = lambda: gate.wait(10) and sample_snapshot()
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "Reading survey.db" in shown(dashboard))
        gate.set()
        await until(pilot, lambda: "gemma3_27b_pt" in shown(dashboard))


@pytest.mark.parametrize("size", SIZES)
async def test_with_the_controller_down_the_table_stays_and_its_age_is_shown(dashboard, backstage, until, shown, size):
    down = SlurmHealth("cli", False, 190.0, 18, error="squeue does not answer.")
    backstage.snapshot = replace(backstage.snapshot, slurm=down, errors=("squeue does not answer.",))
    async with dashboard.run_test(size=size) as pilot:
        await until(pilot, lambda: "SLURM down, queue 3 min ago" in shown(dashboard))
        assert "▶ running" in shown(dashboard)
        assert "⚠ squeue does not answer." in shown(dashboard)


async def test_a_locked_database_keeps_the_table_and_shows_its_age(dashboard, backstage, until, shown):
    backstage.snapshot = replace(backstage.snapshot, db_age_seconds=65.0, errors=("The database cannot be read now: it is locked.",))
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "database 1 min ago" in shown(dashboard))
        assert "▶ running" in shown(dashboard)
        assert "it is locked" in shown(dashboard)


async def test_without_slurm_it_says_that_jobs_run_here(dashboard, backstage, until, shown):
    backstage.snapshot = replace(backstage.snapshot, slurm=SlurmHealth("local", True, 0.0))
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "no SLURM: local jobs" in shown(dashboard))


async def test_when_everything_is_finished_it_names_the_next_step(dashboard, backstage, until, shown):
    rows = tuple(replace(row, state="done", done=row.total, next_action="", needs_attention=False) for row in backstage.snapshot.models)
    backstage.snapshot = replace(backstage.snapshot, models=rows)
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "next: evsctl figures all" in shown(dashboard))


async def test_a_slurm_that_hangs_never_stops_the_interface(dashboard, backstage, hang, until, shown):
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: backstage.polls and "gemma3_27b_pt" in shown(dashboard))
        looks = backstage.looks
        await pilot.press("j")
        await until(pilot, lambda: backstage.looks > looks + 2)
        assert backstage.polls == [False]
        assert dashboard.screen.selected.model_id == "eurollm22b"


async def test_a_failed_look_leaves_the_screen_as_it_was(dashboard, backstage, until, shown):
    async with dashboard.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "gemma3_27b_pt" in shown(dashboard))

        def fail():
            raise OSError("stale file handle")

        backstage.look = fail
        await until(pilot, lambda: "stale file handle" in shown(dashboard))
        assert "gemma3_27b_pt" in shown(dashboard)
