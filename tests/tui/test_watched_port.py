"""Every command is listed, and none is changed on its way."""

from pathlib import Path

from evsctl.jobs.types import JobRequest, JobSpec
from evsctl.tui.watched_port import WatchedPort
from tests.jobs.fakes import FakePort

SPEC = JobSpec(
    "evs-test-tiny", ("tiny",), JobRequest(48, 240, constraint="a100|h100"), Path("/s/attempt-1.sbatch"), "/s/%j.log", Path("/s")
)


def test_commands_are_kept_as_they_were_run():
    inner = FakePort()
    port = WatchedPort(inner)
    assert port.submit(SPEC) == "101"
    port.queue()
    port.history(("101", "7"))
    port.facts()
    port.cancel(("101",))
    lines = [line.split("  ", 1)[1] for line in port.commands]
    assert lines[0].startswith("sbatch --parsable --job-name=evs-test-tiny")
    assert '--constraint="a100|h100"' in lines[0]
    assert lines[1:] == ["squeue", "sacct -j 101,7", "sinfo", "scancel 101"]
    assert inner.submitted == [SPEC]
    assert inner.cancelled == ["101"]


def test_looking_at_this_machine_is_no_command():
    port = WatchedPort(FakePort(name="local"))
    port.queue()
    port.history(("1",))
    assert port.commands == []
