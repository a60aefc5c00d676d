"""The small parts: answer head, commits, meter, pulse, plan report, accuracy gate."""

import time
from pathlib import Path

import pytest
import torch

from evsctl.engine.answer_head import AnswerHead
from evsctl.engine.check import CheckReport, check_model
from evsctl.engine.commits import Commits
from evsctl.engine.describe import describe_plan
from evsctl.engine.meter import Meter, clock, peak_gpu_memory_gb, peak_host_memory_gb
from evsctl.engine.place import RunPlace
from evsctl.engine.pulse import Pulse
from evsctl.engine.resident import ResidentExecutor
from evsctl.engine.self_check import SelfCheck
from evsctl.engine.signals import StopSignals
from evsctl.errors import InputError
from evsctl.journal.claim import acquire_claim
from evsctl.journal.heartbeat import read_heartbeat
from evsctl.journal.paths import ModelRuns
from evsctl.journal.records import JournalHeader, PromptResult
from evsctl.journal.writer import JournalWriter
from tests.engine.factories import Study, a_study, a_survey


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("chunk", [7, 1000])
def test_the_head_equals_a_full_softmax_in_fp64(dtype: torch.dtype, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evsctl.engine.answer_head.VOCABULARY_CHUNK", chunk)
    generator = torch.Generator().manual_seed(0)
    weight, bias, hidden = (torch.randn(*shape, generator=generator).to(dtype) for shape in ((50, 16), (50,), (5, 16)))
    ids = (3, 7, 49)
    logits = torch.tanh((hidden.double() @ weight.double().T + bias.double()) / 2.0 / 30.0) * 30.0
    wanted = torch.log_softmax(logits, dim=-1)[:, list(ids)]
    head = AnswerHead(weight, bias, ids, softcap=30.0, divisor=2.0)
    assert torch.allclose(head.log_probs(hidden).double(), wanted, atol=1e-5)


def test_the_head_keeps_its_precision_where_logits_are_large() -> None:
    weight = torch.tensor([[1000.0], [999.0], [-1000.0]])
    row = AnswerHead(weight, None, (0, 1, 2)).log_probs(torch.ones(1, 1))[0].tolist()
    assert row == pytest.approx([-0.31326, -1.31326, -2000.31326], abs=1e-4)


@pytest.fixture
def commits(tmp_path: Path) -> tuple[Commits, list[int], list[float]]:
    """Commits of 50 prompts, what was written by each, and the clock."""
    runs = ModelRuns(tmp_path, "tiny").create()
    claim = acquire_claim(runs, "1-r0", "1", 0)
    header = JournalHeader("1-r0", "tiny", None, None, None, None, None, None, None, None, 0, 0.0)
    writer = JournalWriter(runs.journal("1-r0"), header)
    written: list[int] = []
    writer.commit = lambda results: written.append(len(results))  # type: ignore[method-assign, assignment]
    now = [100.0]
    return Commits(writer, runs, claim, StopSignals(), 50), written, now


@pytest.mark.parametrize(
    ("arrivals", "wanted"),
    [
        ([(0.0, 200)], []),  # many, but at once
        ([(1.9, 200), (2.0, 1)], [201]),
        ([(2.0, 49), (9.9, 0)], []),
        ([(2.0, 49), (10.0, 0)], [49]),
        ([(10.0, 0)], []),
        ([(2.0, 50), (3.9, 50), (4.0, 1)], [50, 51]),
    ],
)
def test_a_commit_takes_50_prompts_and_2_seconds_or_10_seconds(
    commits: tuple[Commits, list[int], list[float]], monkeypatch: pytest.MonkeyPatch, arrivals: list[tuple[float, int]], wanted: list[int]
) -> None:
    held, written, _ = commits
    start = 1000.0
    monkeypatch.setattr("evsctl.engine.commits.time.monotonic", lambda: start)
    held.flush()
    written.clear()
    for after, count in arrivals:
        monkeypatch.setattr("evsctl.engine.commits.time.monotonic", lambda after=after: start + after)
        result = PromptResult(("q", "eng", "legacy", 0, None), "h", 0.5, {"1": 1.0})  # type: ignore[arg-type]
        held.add([result] * count)
    assert written == wanted


@pytest.mark.parametrize(("seconds", "text"), [(None, "-"), (0.2, "0s"), (59.4, "59s"), (286, "4m46s"), (7500, "2h05m")])
def test_times_are_written_for_people(seconds: float | None, text: str) -> None:
    assert clock(seconds) == text


def test_the_meter_counts_the_cost_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("evsctl.engine.meter.time.monotonic", lambda: now[0])
    meter = Meter(1000)
    assert meter.rates().prompts_per_second is None
    now[0] = 10.0
    meter.add(prompts=5, tokens=80, cost=100)
    rates = meter.rates()
    assert (rates.prompts_per_second, rates.tokens_per_second, rates.eta_seconds) == (0.5, 8.0, 90.0)


def test_the_log_line_comes_every_30_seconds(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    monkeypatch.setattr("evsctl.engine.meter.time.monotonic", lambda: now[0])
    caplog.set_level("INFO", logger="evsctl")
    meter = Meter(25_100)
    for second in range(1, 62):
        now[0] = float(second)
        meter.add(prompts=41, tokens=4000, cost=100)
        meter.log_line(second, 251, 7812, 20863)
    assert [record.message for record in caplog.records] == [
        "pack 30/251 done 7,812/20,863 41.0 prompts/s 4,000 tokens/s ETA 3m41s",
        "pack 60/251 done 7,812/20,863 41.0 prompts/s 4,000 tokens/s ETA 3m11s",
    ]


def test_memory_is_measured_where_the_kernel_tells() -> None:
    assert (peak_host_memory_gb() or 0) > 0.05
    assert peak_gpu_memory_gb() is None or torch.cuda.is_available()


def test_the_pulse_keeps_the_heartbeat_fresh_while_nothing_else_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evsctl.engine.pulse.COMMIT_INTERVAL_SECONDS", 0.1)
    runs = ModelRuns(tmp_path, "tiny").create()
    pulse = Pulse(runs, RunPlace("1-r0", "node", "1", 0, 1, None), 123)
    pulse.start()
    pulse.beat(phase="loading")
    first = read_heartbeat(runs.heartbeat("1-r0"))
    deadline = time.monotonic() + 10
    while (again := read_heartbeat(runs.heartbeat("1-r0"))) == first and time.monotonic() < deadline:
        time.sleep(0.02)
    assert first is not None
    assert again is not None
    assert (again.phase, again.pid, again.host) == ("loading", 123, "node")
    assert again.updated_at > first.updated_at
    pulse.stop()
    pulse.beat(phase="finished")
    time.sleep(0.3)
    last = read_heartbeat(runs.heartbeat("1-r0"))
    assert last is not None
    assert last.phase == "finished"


def test_a_heartbeat_that_cannot_be_written_is_logged_once_and_ends_nothing(
    study: Study, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("evsctl.engine.pulse.write_heartbeat", refuse)
    assert study.run().done == 120
    assert caplog.text.count("cannot be written") == 1


def test_the_plan_report_shows_what_is_saved(study: Study) -> None:
    report = describe_plan(manifest_path=study.manifest_path, model_path=str(study.model), identity=study.identity, tokens_per_pack=400)
    assert (report.prompts, report.distinct, report.impossible, report.tokens_per_pack) == (120, 110, 0, 400)
    assert report.plain_tokens > report.padded_tokens >= report.tokens
    assert report.saving > 1.2
    assert study.runs.journals() == ()


def test_the_accuracy_gate_measures_and_writes_nothing(study: Study) -> None:
    before = sorted(study.runs.folder.iterdir())
    report = check_model(manifest_path=study.manifest_path, model_path=str(study.model), identity=study.identity, prompts=50)
    assert (report.prompts, report.flips, report.passed) == (50, 0, True)
    assert report.worst < 5e-5
    assert report.worst_p_valid < 1e-5
    assert sorted(study.runs.folder.iterdir()) == before


def test_the_accuracy_gate_fails_where_answers_move(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden_states = ResidentExecutor.hidden_states
    monkeypatch.setattr(ResidentExecutor, "hidden_states", lambda self, packs: (h * 1.2 for h in hidden_states(self, packs)))
    report: CheckReport = check_model(manifest_path=study.manifest_path, model_path=str(study.model), identity=study.identity, prompts=30)
    assert not report.passed
    assert report.worst > 0.01


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"executor": "streamed"}, "Unknown executor 'streamed'"),
        ({"limit": 0}, "limit is 0"),
        ({"tokens_per_pack": -5}, "tokens_per_pack is -5"),
        ({"threads": 0}, "threads is 0"),
        ({"device": "nothing"}, "There is no device 'nothing'"),
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path: Path, survey_model: Path, options: dict[str, object], message: str) -> None:
    study = a_study(tmp_path, survey_model, a_survey(5))
    with pytest.raises(InputError, match=message):
        study.run(**options)


@pytest.mark.parametrize(
    ("dtype", "deltas", "passed"),
    [
        ("fp32", [1e-6] * 8, True),
        ("fp32", [1e-6] * 7 + [0.002], False),
        ("bf16", [0.1] * 7 + [3.0], True),
        ("bf16", [0.1] * 6 + [3.0, 3.0], False),
        ("bf16", [0.3] * 8, False),
        ("bf16", [0.1] * 6 + [float("inf")] * 2, False),
    ],
)
def test_the_self_check_allows_what_the_dtype_explains(dtype: str, deltas: list[float], passed: bool) -> None:
    assert SelfCheck(dtype, tuple(deltas)).passed is passed
