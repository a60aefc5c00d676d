"""Trouble on the way: memory that ends, numbers that are none, disks that are full, claims that are lost."""

import errno
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import torch

from evsctl.engine.plan import Pack
from evsctl.engine.resident import ResidentExecutor
from evsctl.errors import ClaimedError, EngineError, ExitCode
from evsctl.journal.claim import acquire_claim, release_claim
from evsctl.journal.heartbeat import read_heartbeat
from evsctl.journal.keys import PromptKey
from evsctl.journal.reader import read_journal
from tests.engine.factories import Study, a_prompt, a_study, log_answers
from tests.engine.naive import NaiveModel, worst_of

Hidden = Callable[[Pack, torch.Tensor], torch.Tensor]


def events(study: Study) -> list[dict[str, object]]:
    """The events of the newest journal."""
    lines = [json.loads(line) for line in study.runs.journals()[-1].read_text().splitlines()]
    return [line["event"] for line in lines if "event" in line]


def use(monkeypatch: pytest.MonkeyPatch, change: Hidden, in_fp32: Hidden | None = None) -> None:
    """Run with an executor whose hidden states go through `change`, and those of fp32 tries through `in_fp32`."""

    class Stub(ResidentExecutor):
        def hidden_states(self, packs: Sequence[Pack]) -> Iterator[torch.Tensor]:
            for pack, hidden in zip(packs, super().hidden_states(packs), strict=True):
                yield hidden if pack.index < 0 else change(pack, hidden)

        def hidden_states_fp32(self, pack: Pack) -> torch.Tensor:
            return (in_fp32 or change)(pack, super().hidden_states_fp32(pack))

    monkeypatch.setattr("evsctl.engine.session.ResidentExecutor", Stub)


def test_out_of_memory_halves_the_packs_and_says_so(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def small_only(pack: Pack, hidden: torch.Tensor) -> torch.Tensor:
        sizes.append(pack.cost)
        if pack.cost > 300:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nmore")
        return hidden

    use(monkeypatch, small_only)
    outcome = study.run(tokens_per_pack=1000)
    assert (outcome.done, outcome.exit_code) == (120, ExitCode.GOOD)
    halvings = [event for event in events(study) if event["kind"] == "out-of-memory"]
    assert [event["tokens_per_pack"] for event in halvings] == sorted((event["tokens_per_pack"] for event in halvings), reverse=True)
    assert halvings[0]["detail"] == "CUDA out of memory. Tried to allocate 20.00 GiB."
    assert max(sizes[sizes.index(max(s for s in sizes if s <= 300)) :]) <= 300, "once halved, packs stay small"
    assert worst_of(study.answers(), NaiveModel(study.model), study.manifest.prompts[:30], log_answers) < 5e-5


def test_memory_that_does_not_hold_one_prompt_ends_the_run_with_its_own_words(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(pack: Pack, hidden: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    use(monkeypatch, never)
    with pytest.raises(EngineError, match=r"One prompt of \d+ tokens does not fit.*CUDA out of memory"):
        study.run()
    beat = read_heartbeat(study.runs.heartbeats()[0])
    assert beat is not None
    assert beat.phase == "failed"
    assert "CUDA out of memory" in str(beat.last_error)


def test_an_error_that_is_not_about_memory_is_not_taken_for_one(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    words = iter(["CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate", "device-side assert triggered"])

    def fail(pack: Pack, hidden: torch.Tensor) -> torch.Tensor:
        raise RuntimeError(next(words))

    use(monkeypatch, fail)
    with pytest.raises(RuntimeError, match="device-side assert"):
        study.run()
    assert [event["kind"] for event in events(study)][-1] == "out-of-memory"


def poison(pack: Pack, hidden: torch.Tensor, victims: set[tuple[int, ...]]) -> torch.Tensor:
    for ids, slots in pack.slots.items():
        if ids in victims:
            hidden[list(slots.values())] = float("nan")
    return hidden


@pytest.fixture
def victims(study: Study) -> set[tuple[int, ...]]:
    """Token ids of one prompt that has a twin."""
    tokenizer = NaiveModel(study.model).tokenizer
    return {tuple(tokenizer(study.manifest.prompts[0].text)["input_ids"])}


def test_a_broken_prompt_that_works_alone_keeps_its_answer(
    study: Study, monkeypatch: pytest.MonkeyPatch, victims: set[tuple[int, ...]]
) -> None:
    use(monkeypatch, lambda pack, hidden: poison(pack, hidden.clone(), victims) if len(pack.units) > 1 else hidden)
    assert study.run().done == 120
    assert {"kind": "not-finite", "pack": 0, "prompts": 2, "solved": "alone"}.items() <= {**events(study)[-1], "pack": 0}.items()


def test_a_broken_prompt_that_works_in_fp32_keeps_its_answer(
    study: Study, monkeypatch: pytest.MonkeyPatch, victims: set[tuple[int, ...]]
) -> None:
    use(monkeypatch, lambda pack, hidden: poison(pack, hidden.clone(), victims), lambda pack, hidden: hidden)
    assert study.run().done == 120
    assert [event["solved"] for event in events(study) if event["kind"] == "not-finite"] == ["in fp32"]


def test_a_prompt_that_stays_broken_is_recorded_as_failed_and_tried_again_next_time(
    study: Study, monkeypatch: pytest.MonkeyPatch, victims: set[tuple[int, ...]], caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        use(patch, lambda pack, hidden: poison(pack, hidden.clone(), victims))
        with caplog.at_level(logging.WARNING, logger="evsctl"):
            outcome = study.run()
    assert (outcome.done, outcome.failed, outcome.remaining, outcome.exit_code) == (118, 2, 2, ExitCode.NEEDS_ATTENTION)
    failed = [line for line in study.lines() if line.failed]
    assert {line.failed for line in failed} == {"numbers not finite, alone and in fp32"}
    assert {line.key.question_id for line in failed} == {"q0", "q110"}
    assert "failed q0 deu legacy" in caplog.text
    again = study.run()
    assert (again.done, again.failed, again.remaining) == (2, 0, 0)


def test_many_broken_prompts_stop_the_run(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, lambda pack, hidden: torch.full_like(hidden, float("nan")))
    with pytest.raises(EngineError, match=r"\d+ of \d+ prompts gave numbers that are not finite"):
        study.run(tokens_per_pack=400)
    failed = [line for line in study.lines() if line.failed]
    assert 5 <= len(failed) < 120, "it stopped early, and what it tried is on record"


def test_a_prompt_that_cannot_be_asked_at_all_is_recorded_and_the_rest_is_answered(study: Study, tmp_path: Path) -> None:
    odd = [
        a_prompt(500, "word " * 5000, ["1", "2"]),
        a_prompt(501, "no answers\nAnswer: ", []),
        a_prompt(502, "letters\nAnswer: ", ["a", "é"]),
        a_prompt(503, "bad value\nAnswer: ", ["1", "2"], {"1": "yes", "2": "no"}),
    ]
    mixed = a_study(tmp_path / "mixed", study.model, [*odd, *study.manifest.prompts])
    outcome = mixed.run()
    assert (outcome.done, outcome.failed, outcome.exit_code) == (120, 4, ExitCode.NEEDS_ATTENTION)
    reasons = {line.key.question_id: str(line.failed) for line in mixed.lines() if line.failed}
    assert set(reasons) == {"q500", "q501", "q502", "q503"}
    assert reasons["q500"].endswith("the model takes 4096")
    assert reasons["q501"] == "no valid answers"
    assert reasons["q502"] == "no single token for 'é'"
    assert reasons["q503"] == "answer '1' stands for no whole number"


def test_a_full_disk_ends_the_run_and_leaves_a_journal_that_goes_on(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    room, real = 6000, os.write

    def write(handle: int, data: bytes) -> int:
        nonlocal room
        if room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = real(handle, bytes(data[:room]))
        room -= written
        return written

    monkeypatch.setattr("evsctl.engine.commits.SHORTEST_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr("evsctl.journal.writer.os.write", write)
        with pytest.raises(EngineError, match=r"cannot be written.*No space left"):
            study.run(tokens_per_pack=400, commit_every=1)
    (path,) = study.runs.journals()
    content = read_journal(path)
    assert content.problems == []
    assert 0 < len(content.lines) < 120
    assert study.run().remaining == 0
    assert len(study.answers()) == 120


def test_a_run_that_lost_its_claim_writes_no_more(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evsctl.engine.commits.SHORTEST_SECONDS", 0.0)
    taken: list[PromptKey] = []

    def meanwhile(pack: Pack, hidden: torch.Tensor) -> torch.Tensor:
        if pack.index == 4:
            number = study.runs.claim_number()
            study.runs.claim_file(number + 1).write_text("{}")
            taken.extend(study.answers())
        return hidden

    use(monkeypatch, meanwhile)
    with pytest.raises(ClaimedError, match="taken over by another run"):
        study.run(tokens_per_pack=400, commit_every=1)
    assert set(study.answers()) == set(taken)


def test_an_error_of_the_libraries_is_shown_in_the_heartbeat(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(pack: Pack, hidden: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("CUDA error: an illegal memory access was encountered\ndetails")

    use(monkeypatch, break_down)
    with pytest.raises(RuntimeError):
        study.run()
    beat = read_heartbeat(study.runs.heartbeats()[0])
    assert beat is not None
    assert (beat.phase, beat.last_error) == ("failed", "RuntimeError: CUDA error: an illegal memory access was encountered")
    footer = read_journal(study.runs.journals()[0]).footer
    assert footer is not None
    assert footer.reason == "failed"


def test_the_fp32_try_gives_fp32_numbers_and_leaves_the_weights_as_they_were(study: Study) -> None:
    from evsctl.engine.loading import load_model
    from evsctl.engine.model_folder import find_model
    from evsctl.engine.plan import Request, make_plan

    folder = find_model(str(study.model))
    narrow, wide = (load_model(folder, dtype, torch.device("cpu")) for dtype in ("bf16", "fp32"))
    pack = make_plan([Request((5, 6, 7, 8)), Request((9, 10))], 100).packs[0]
    before = {name: value.clone() for name, value in narrow.body.state_dict().items()}
    hidden = ResidentExecutor(narrow.body, narrow.device).hidden_states_fp32(pack)
    rounded = {name: value.to(torch.bfloat16).float() for name, value in wide.body.state_dict().items()}
    wide.body.load_state_dict(rounded)
    assert torch.allclose(hidden, next(ResidentExecutor(wide.body, wide.device).hidden_states((pack,))), atol=1e-5)
    after = narrow.body.state_dict()
    assert all(after[name].dtype == value.dtype and torch.equal(after[name], value) for name, value in before.items())
    with pytest.raises(NotImplementedError):
        ResidentExecutor(narrow.body, narrow.device, quantised=True).hidden_states_fp32(pack)


def test_a_model_that_another_run_holds_is_refused_and_free_once_it_is_given_back(study: Study) -> None:
    claim = acquire_claim(study.runs, "other-run", None, 0)
    with pytest.raises(ClaimedError, match="is being answered by run other-run"):
        study.run()
    assert study.runs.journals() == ()
    release_claim(study.runs, claim)
    assert study.run(limit=3).done == 3
    assert study.run().remaining == 0, "a run gives its claim back"
