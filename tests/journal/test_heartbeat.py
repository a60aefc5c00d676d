"""The heartbeat: replaced whole, read whole, and nothing else is ever taken for one."""

import errno
import json
import threading
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from evsctl.journal.heartbeat import ACTIVE_PHASES, Heartbeat, read_heartbeat, write_heartbeat

BEAT = Heartbeat(
    run_id="11-r0",
    model_id="tiny",
    job_id=None,
    restart=1,
    phase="running",
    host="node7",
    pid=42,
    gpu="a100",
    layer=3,
    manifest_done=50,
    p_valid_mean=0.91,
    eta_seconds=12,
    started_at=1000.0,
    updated_at=1010.5,
    last_error="CUDA: \u2028 „out of memory“",
)


def test_a_heartbeat_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    write_heartbeat(tmp_path / "new" / "11-r0.status.json", BEAT)
    assert read_heartbeat(tmp_path / "new" / "11-r0.status.json") == BEAT


def test_a_number_that_is_none_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "11-r0.status.json"
    write_heartbeat(path, replace(BEAT, p_valid_mean=float("nan"), prompts_per_second=float("inf")))
    assert read_heartbeat(path) == replace(BEAT, p_valid_mean=None, prompts_per_second=None)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b"{}", b'{"run_id": "11-r0"}', b"[" * 100_000],
    ids=lambda content: repr(content[:20]),
)
def test_what_is_no_heartbeat_reads_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "11-r0.status.json").write_bytes(content)
    assert read_heartbeat(tmp_path / "11-r0.status.json") is None


@pytest.mark.parametrize(
    ("name", "value"), [("updated_at", "now"), ("updated_at", None), ("run_id", 11), ("manifest_done", 0.5), ("layer", "3")]
)
def test_wrong_types_are_no_heartbeat(tmp_path: Path, name: str, value: object) -> None:
    (tmp_path / "11-r0.status.json").write_text(json.dumps({**asdict(BEAT), name: value}))
    assert read_heartbeat(tmp_path / "11-r0.status.json") is None


def test_no_file_is_no_heartbeat(tmp_path: Path) -> None:
    assert read_heartbeat(tmp_path / "none.status.json") is None


def test_what_another_version_adds_or_lacks_does_not_matter(tmp_path: Path) -> None:
    value = {**asdict(BEAT), "colour": "blue"}
    del value["share_of_peak"]
    (tmp_path / "11-r0.status.json").write_text(json.dumps(value))
    assert read_heartbeat(tmp_path / "11-r0.status.json") == BEAT


def test_a_heartbeat_that_is_replaced_while_it_is_read_over_nfs_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "11-r0.status.json"
    write_heartbeat(path, BEAT)
    real, failures = Path.read_bytes, [OSError(errno.ESTALE, "Stale file handle")]

    def stale_once(self: Path) -> bytes:
        if failures:
            raise failures.pop()
        return real(self)

    monkeypatch.setattr(Path, "read_bytes", stale_once)
    assert read_heartbeat(path) == BEAT


def test_a_reader_never_sees_a_part_of_a_heartbeat(tmp_path: Path) -> None:
    path = tmp_path / "11-r0.status.json"
    write_heartbeat(path, replace(BEAT, manifest_done=0))
    stop, seen = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            seen.append(read_heartbeat(path))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(100):
        write_heartbeat(path, replace(BEAT, manifest_done=number, last_error="x" * (100 * number)))
    stop.set()
    reader.join()
    assert None not in seen
    counts = [beat.manifest_done for beat in seen if beat]
    assert counts == sorted(counts)


def test_nothing_is_left_beside_it(tmp_path: Path) -> None:
    for _ in range(3):
        write_heartbeat(tmp_path / "11-r0.status.json", BEAT)
    assert [path.name for path in tmp_path.iterdir()] == ["11-r0.status.json"]


@pytest.mark.parametrize(
    ("phase", "active"), [*((phase, True) for phase in ACTIVE_PHASES), ("finished", False), ("stopped", False), ("failed", False)]
)
def test_a_run_is_active_until_it_says_that_it_ended(phase: str, active: bool) -> None:
    assert replace(BEAT, phase=phase).is_active is active


def test_the_age_is_never_negative() -> None:
    assert BEAT.age_seconds(1020.5) == 10.0
    assert BEAT.age_seconds(0.0) == 0.0
