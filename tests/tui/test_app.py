"""How the dashboard starts, works beside itself, and ends."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from evsctl.errors import SlurmError
from evsctl.tui import background
from evsctl.tui.app import is_remote, spare_the_wire
from evsctl.tui.background import Background


def test_the_terminal_is_settled_before_textual_is_imported():
    code = "import sys, evsctl.tui.app; sys.exit(any(name.split('.')[0] == 'textual' for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_over_ssh_few_frames_are_sent_and_what_the_user_set_stays():
    environ = {"TEXTUAL_FPS": "3"}
    spare_the_wire(environ)
    assert environ == {"TEXTUAL_FPS": "3", "TEXTUAL_ANIMATIONS": "none", "TEXTUAL_SMOOTH_SCROLL": "0"}
    assert is_remote({"SSH_CONNECTION": "10.0.0.1 22 10.0.0.2 22"})
    assert not is_remote({})


class Inbox:
    """Takes the place of the app: messages are delivered when the test says so."""

    def __init__(self):
        self.messages = []
        self.came = threading.Event()

    def post_message(self, message):
        self.messages.append(message)
        self.came.set()

    def deliver(self):
        assert self.came.wait(10)
        self.messages.pop(0).deliver()


def test_one_kind_of_work_runs_once_at_a_time():
    inbox, told = Inbox(), []
    work = Background(inbox)
    gate = threading.Event()
    assert work.run("look", lambda: gate.wait(10), told.append, told.append)
    assert not work.run("look", lambda: None, told.append, told.append)
    gate.set()
    inbox.deliver()
    assert told == [True]
    assert not work.is_busy("look")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (SlurmError("SLURM is away.", "Wait."), "SLURM is away. Wait."),
        (OSError("stale"), "stale"),
        (KeyError("x"), "Unexpected KeyError: 'x'."),
    ],
)
def test_what_fails_is_told_in_words(error, words):
    inbox, told = Inbox(), []

    def fail():
        raise error

    Background(inbox).run("look", fail, told.append, told.append)
    inbox.deliver()
    assert told == [words]


def test_a_hang_up_in_the_middle_of_a_submission_waits_for_its_end(monkeypatch):
    ended = []
    monkeypatch.setattr(background.os, "_exit", ended.append)
    inbox, gate, order = Inbox(), threading.Event(), []

    def submit():
        gate.wait(10)
        order.append("ledger written")

    before = signal.getsignal(signal.SIGHUP)
    Background(inbox).run("submit", submit, lambda _: None, order.append, must_finish=True)
    os.kill(os.getpid(), signal.SIGHUP)
    assert ended == []
    gate.set()
    inbox.deliver()
    assert order == ["ledger written"]
    assert ended == [128 + signal.SIGHUP]
    assert signal.getsignal(signal.SIGHUP) == before


def test_a_submission_is_waited_for_when_the_program_ends_and_a_look_is_not():
    inbox = Inbox()
    work, gate = Background(inbox), threading.Event()
    work.run("submit", lambda: gate.wait(10), lambda _: None, print, must_finish=True)
    work.run("look", lambda: gate.wait(10), lambda _: None, print)
    kinds = {thread.name: thread.daemon for thread in threading.enumerate() if thread.name.startswith("evsctl-")}
    gate.set()
    assert kinds == {"evsctl-submit": False, "evsctl-look": True}
    for _ in range(2):
        inbox.came.wait(10)
        while not inbox.messages:
            pass
        inbox.deliver()
