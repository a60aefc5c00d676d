"""However many windows are open, squeue is asked once per poll interval; a failure keeps the last answer."""

import json
import stat

import pytest

from evsctl.errors import SlurmError
from evsctl.jobs.types import QueueRow
from evsctl.status.queue_cache import ASKING_SECONDS, QueueAnswer, QueueCache, cache_folder, queue_cache
from evsctl.status.queue_feed import LONGEST_PAUSE_SECONDS, QueueFeed, is_due, pause_seconds

ROW = QueueRow("17", "evs-study-m", "RUNNING", "None", "gpu1", 60.0, 3600.0, 1000.0)


class Clock:
    def __init__(self, now=10_000.0):
        self.now = now

    def __call__(self):
        return self.now


class CountingPort:
    name = "cli"

    def __init__(self, *answers):
        self.calls = 0
        self.answers = list(answers) or [(ROW,)]

    def queue(self):
        self.calls += 1
        answer = self.answers[min(self.calls, len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def cache(tmp_path):
    return QueueCache(tmp_path / "evsctl" / "queue.json")


def test_n_windows_ask_once_per_interval(cache):
    port, clock = CountingPort(), Clock()
    windows = [QueueFeed(port, 30.0, cache, clock) for _ in range(5)]
    for _ in range(3):
        answers = [window.ask() for window in windows]
        assert {answer.rows for answer in answers} == {(ROW,)}
        clock.now += 5
    assert port.calls == 1
    clock.now += 30
    for window in windows:
        window.ask()
    assert port.calls == 2
    assert windows[3].newest().calls_within_hour(clock.now) == 2


def test_a_job_handed_in_after_the_last_poll_makes_the_next_one_due(cache):
    port, clock = CountingPort(), Clock()
    feed = QueueFeed(port, 30.0, cache, clock)
    feed.ask()
    clock.now += 5
    feed.ask(since=clock.now - 10)
    assert port.calls == 1
    feed.ask(since=clock.now - 1)
    assert port.calls == 2


def test_a_failure_keeps_the_rows_and_their_age_and_backs_off(cache):
    port, clock = CountingPort((ROW,), SlurmError("The controller does not answer.")), Clock()
    feed = QueueFeed(port, 30.0, cache, clock)
    feed.ask()
    pauses = []
    for _ in range(5):
        before = clock.now
        calls = port.calls
        while port.calls == calls:
            clock.now += 5
            answer = feed.ask()
        pauses.append(clock.now - before)
    assert answer.rows == (ROW,)
    assert answer.error == "The controller does not answer."
    assert answer.age_seconds(clock.now) == clock.now - 10_000.0
    assert pauses == [30, 60, 120, 180, 180]


def test_an_empty_queue_is_asked_more_and_more_rarely_and_a_job_ends_that(cache):
    port, clock = CountingPort(()), Clock()
    feed = QueueFeed(port, 30.0, cache, clock)
    for _ in range(20):
        clock.now += 200
        feed.ask()
    assert pause_seconds(feed.newest(), 30.0) == LONGEST_PAUSE_SECONDS
    port.answers = [(ROW,)]
    clock.now += 200
    assert pause_seconds(feed.ask(), 30.0) == 30.0


def test_a_site_that_wants_fewer_polls_than_the_longest_pause_gets_them():
    assert pause_seconds(QueueAnswer(failures=3), 600.0) == 600.0


def test_a_clock_set_back_does_not_stop_the_polls():
    assert is_due(QueueAnswer(attempted_at=2000.0), 30.0, now=1000.0)


def test_while_another_window_asks_this_one_shows_the_old_answer(cache):
    port, clock = CountingPort(), Clock()
    feed = QueueFeed(port, 30.0, cache, clock)
    feed.ask()
    clock.now += 60
    with cache.asking() as mine:
        assert mine
        assert feed.ask().rows == (ROW,)
    assert port.calls == 1
    feed.ask()
    assert port.calls == 2


def test_a_window_that_died_while_asking_is_waited_for_no_longer_than_its_patience(cache, monkeypatch):
    with cache.asking():
        monkeypatch.setattr(
            "evsctl.status.queue_cache.time.time", lambda: cache.path.with_suffix(".asking").stat().st_mtime + ASKING_SECONDS + 1
        )
        with cache.asking() as mine:
            assert mine


@pytest.mark.parametrize("content", ["", "{", "[]", '{"rows": [{"x": 1}], "calls": []}', '{"rows": [], "calls": [], "new": 1}'])
def test_a_broken_cache_is_no_answer(cache, content):
    cache.path.parent.mkdir()
    cache.path.write_text(content)
    assert cache.read() is None
    assert QueueFeed(CountingPort(), 30.0, cache, Clock()).ask().rows == (ROW,)


def test_a_cache_that_cannot_be_written_leaves_each_window_on_its_own(tmp_path):
    (tmp_path / "file").write_text("")
    cache = QueueCache(tmp_path / "file" / "queue.json")
    assert QueueFeed(CountingPort(), 30.0, cache, Clock()).ask().rows == (ROW,)


def test_the_cache_is_private_and_whole(cache):
    answer = QueueAnswer().answered((ROW,), 5.0)
    cache.write(answer)
    assert cache.read() == answer
    assert stat.S_IMODE(cache.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(cache.path.parent.stat().st_mode) & 0o007 == 0
    assert json.loads(cache.path.read_text())["rows"][0]["job_id"] == "17"
    assert [p.name for p in cache.path.parent.iterdir()] == ["queue.json"]


def test_the_cache_lies_where_xdg_says(tmp_path):
    assert cache_folder({"XDG_CACHE_HOME": "/x/cache"}).as_posix() == "/x/cache/evsctl"
    assert cache_folder({"XDG_CACHE_HOME": "relative", "HOME": "/home/u"}).as_posix() == "/home/u/.cache/evsctl"


def test_clusters_that_share_a_home_do_not_share_a_queue(tmp_path):
    confs = []
    for name in ("red", "blue"):
        conf = tmp_path / f"{name}.conf"
        conf.write_text(f"# site\nClusterName={name}\n")
        confs.append(queue_cache("cli", {"HOME": "/home/u", "SLURM_CONF": str(conf)}).path)
    assert confs[0] != confs[1]
