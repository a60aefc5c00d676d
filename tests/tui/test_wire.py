"""What the dashboard sends over a slow line: nothing while nothing changes, a hundred bytes for one changed cell."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import textwrap
import time

import pytest

SCRIPT = textwrap.dedent("""
    import os
    from dataclasses import replace
    from evsctl.tui.app import spare_the_wire
    spare_the_wire(os.environ)
    from evsctl.tui.dashboard import Dashboard
    from evsctl.tui.sample import SAMPLE_LOG, sample_snapshot

    class Backstage:
        read_only = ""
        looks = 0
        def look(self):
            snapshot = sample_snapshot("/x.log")
            if not os.path.exists(os.environ["MOVES"]):
                return snapshot
            self.looks += 1
            with open(os.environ["MOVES"], "a") as stream:
                stream.write(".")
            moved = tuple(replace(r, eta_s=257.0 - self.looks) if r.model_id == "eurollm22b" else r for r in snapshot.models)
            return replace(snapshot, models=moved)
        def poll(self, *, force=False):
            pass
        def tail(self, path, lines):
            return list(SAMPLE_LOG)

    backstage = Backstage()
    Dashboard(backstage, look_seconds=0.5).run(mouse=False)
""")


class Terminal:
    """A program in a terminal of this size; counts what it sends."""

    def __init__(self, width, height, moves, **more):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        env = os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor", "MOVES": str(moves)} | more
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT], stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True
        )
        os.close(slave)
        self.seen = b""

    def read(self, seconds):
        """Bytes sent within `seconds`."""
        sent, end = 0, time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.master], [], [], left)[0]:
                data = os.read(self.master, 65536)
                self.seen += data
                sent += len(data)
        return sent

    def wait_for(self, words, seconds=60.0):
        """Read until these words were sent."""
        end = time.monotonic() + seconds
        while words not in self.seen:
            assert time.monotonic() < end, self.seen[-2000:]
            self.read(0.1)

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
def test_an_idle_dashboard_is_silent_and_a_changed_cell_costs_little(size, tmp_path):
    moves = tmp_path / "moves"
    terminal = Terminal(*size, moves)
    try:
        terminal.wait_for(b"hplt2c 22/22")
        while terminal.read(2.0):
            pass
        assert terminal.read(3.0) == 0
        moves.touch()  # from now on one cell changes with each look
        sent = 0
        while len(moves.read_text()) < 6:
            sent += terminal.read(0.5)
        assert 0 < sent < 6 * 400
    finally:
        terminal.close()


@pytest.mark.slow
def test_no_color_means_the_terminals_own_two_colours(tmp_path):
    terminal = Terminal(80, 24, tmp_path / "moves", NO_COLOR="1")
    try:
        terminal.wait_for(b"hplt2c 22/22")
        terminal.read(1.0)
        codes = {code for found in re.findall(rb"\x1b\[([0-9;]*)m", terminal.seen) for code in found.split(b";")}
        assert codes <= {b"", b"0", b"1", b"2", b"4", b"7", b"39", b"49"}
    finally:
        terminal.close()
