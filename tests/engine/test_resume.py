"""A run that was cut off anywhere goes on from there, and its numbers are those of a run that was not."""

import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch

from evsctl.engine.plan import Pack
from evsctl.engine.resident import ResidentExecutor
from evsctl.engine.run import run_model
from evsctl.engine.signals import StopNow
from evsctl.errors import EngineError, ExitCode, InputError
from evsctl.journal.identity import ModelIdentity
from evsctl.journal.keys import PromptKey
from evsctl.journal.reader import read_journal
from evsctl.journal.records import PromptResult
from evsctl.journal.retractions import Retraction, append_retraction
from tests.engine.factories import Study, a_model, a_study, a_survey
from tests.engine.processes import a_process, kill, wait_for

Answers = dict[PromptKey, PromptResult]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, survey_model: Path) -> Answers:
    """The answers of a run that nothing happened to."""
    torch.set_num_threads(1)
    study = a_study(tmp_path_factory.mktemp("undisturbed"), survey_model, a_survey(120, twins=10))
    assert study.run(tokens_per_pack=400).exit_code is ExitCode.GOOD
    return study.answers()


def test_every_prompt_is_answered_once_and_the_journal_says_finished(study: Study) -> None:
    outcome = study.run()
    assert (outcome.done, outcome.failed, outcome.remaining, outcome.exit_code) == (120, 0, 0, ExitCode.GOOD)
    assert set(study.answers()) == set(study.manifest.expected)
    content = read_journal(study.runs.journal(outcome.run_id))
    assert content.footer is not None
    assert (content.footer.done, content.footer.failed, content.footer.reason) == (120, 0, "finished")
    assert content.header is not None
    assert content.header.manifest_hash == study.manifest.hash
    assert content.problems == []


@pytest.mark.parametrize("seed", range(6))
def test_a_journal_torn_at_any_byte_is_completed_to_the_same_numbers(study: Study, undisturbed: Answers, seed: int) -> None:
    first = study.run(tokens_per_pack=400)
    journal = study.runs.journal(first.run_id)
    whole = journal.read_bytes()
    journal.write_bytes(whole[: random.Random(seed).randrange(len(whole))])
    before = len(study.lines())
    second = study.run(tokens_per_pack=400)
    assert second.done == 120 - before
    assert study.answers() == undisturbed


def test_a_run_stopped_after_every_pack_ends_with_the_same_numbers(
    study: Study, undisturbed: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = ResidentExecutor._forward

    def one_pack_only(self: ResidentExecutor, pack: Pack) -> torch.Tensor:
        if pack.index >= 0 and (ran := getattr(self, "ran", 0)) is not None:
            if ran == 3:
                raise StopNow("SIGTERM")
            self.ran = ran + 1  # type: ignore[attr-defined]
        return forward(self, pack)

    monkeypatch.setattr(ResidentExecutor, "_forward", one_pack_only)
    codes = []
    while len(study.answers()) < 120:
        codes.append(study.run(tokens_per_pack=400).exit_code)
    assert set(codes[:-1]) == {ExitCode.WANTS_TO_GO_ON}
    assert len(codes) > 3
    assert study.answers() == undisturbed


def test_limit_languages_and_configs_choose_prompts_and_change_no_number(study: Study, undisturbed: Answers) -> None:
    outcome = study.run(tokens_per_pack=400, limit=7)
    assert (outcome.done, outcome.remaining, outcome.exit_code) == (7, 113, ExitCode.GOOD)
    german = sum(prompt.key.lang == "deu" for prompt in study.manifest.prompts)
    already = sum(key.lang == "deu" for key in study.answers())
    outcome = study.run(tokens_per_pack=400, langs=["deu"])
    assert (outcome.done, outcome.remaining) == (german - already, 0)
    assert study.run(tokens_per_pack=400, configs=["rephrase"]).done == 0
    study.run(tokens_per_pack=400, configs=["legacy"])
    assert study.answers() == undisturbed


def test_a_finished_manifest_loads_no_weights(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    study.run()
    monkeypatch.setattr("evsctl.engine.session.load_model", lambda *_: pytest.fail("weights were loaded"))
    outcome = study.run()
    assert (outcome.done, outcome.remaining, outcome.exit_code) == (0, 0, ExitCode.GOOD)
    assert len(study.runs.journals()) == 1


def test_retracted_answers_are_made_again(study: Study, undisturbed: Answers) -> None:
    run_id = study.run(tokens_per_pack=400).run_id
    upto = {run_id: study.runs.journal(run_id).stat().st_size}
    append_retraction(study.runs.retractions, Retraction("test", "me", time.time(), upto, langs=("deu",)))
    outcome = study.run(tokens_per_pack=400)
    assert outcome.done == sum(key.lang == "deu" for key in undisturbed)
    again = {line.result.key: line.result for line in read_journal(study.runs.journal(outcome.run_id)).lines}
    assert again == {key: result for key, result in undisturbed.items() if key.lang == "deu"}


@pytest.mark.parametrize(
    ("change", "word"),
    [({"dtype": "bf16"}, "dtype"), ({"chat_template": True}, "chat_template"), ({"revision": "other"}, "revision")],
)
def test_another_identity_is_refused_before_weights_load(
    study: Study, monkeypatch: pytest.MonkeyPatch, change: dict[str, object], word: str
) -> None:
    identity = ModelIdentity("tiny", "org/tiny", "main", "fp32", False)
    study.run(identity=identity, limit=5)
    monkeypatch.setattr("evsctl.engine.session.load_model", lambda *_: pytest.fail("weights were loaded"))
    with pytest.raises(InputError, match=rf"{word}.*--as NEW_ID"):
        study.run(identity=ModelIdentity(**{**identity.to_json(), **change}))


def test_other_weights_are_refused(study: Study, tmp_path: Path) -> None:
    study.run(limit=5)
    other = a_model(tmp_path / "other", study.manifest.prompts, seed=1)
    with pytest.raises(InputError, match=r"fingerprint.*--as NEW_ID"):
        study.run(model_path=str(other))


def test_a_folder_that_is_not_the_manifests_is_refused(study: Study) -> None:
    with pytest.raises(InputError, match="not those that the manifest"):
        study.run(identity=ModelIdentity("tiny", "org/tiny", None, "fp32", False, "0123456789abcdef"))


def test_a_manifest_of_another_model_is_refused(study: Study) -> None:
    other = ModelIdentity("other", "org/other", None, "fp32", False)
    with pytest.raises(InputError, match="different models: other, tiny"):
        study.run(identity=other)
    assert list(study.runs.folder.iterdir()) == [study.manifest_path]


def test_two_runs_of_one_allocation_have_journals_of_their_own(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "2")
    monkeypatch.setenv("SLURMD_NODENAME", "a100-1")
    assert [study.run(limit=5).run_id, study.run().run_id] == ["77-r2", "77-r2.2"]
    header = read_journal(study.runs.journal("77-r2")).header
    assert header is not None
    assert (header.job_id, header.restart, header.host) == ("77", 2, "a100-1")
    assert len(study.answers()) == 120


def test_the_run_stops_before_the_time_it_is_given(study: Study) -> None:
    outcome = study.run(stop_before=time.time() + 0.5)
    assert (outcome.done, outcome.exit_code) == (0, ExitCode.WANTS_TO_GO_ON)
    content = read_journal(study.runs.journal(outcome.run_id))
    assert content.footer is not None
    assert content.footer.reason == "stopped"


def cut_off(study: Study, kills: int, seed: int) -> Iterator[int]:
    """Start the run again and again, killing it at random moments; yields how many answers stand after each."""
    rng = random.Random(seed)
    for _ in range(kills):
        with a_process(study, delay=0.15, shortest=0.0, options={"tokens_per_pack": 400, "commit_every": 1}) as process:
            wait_for(study, process, "running")
            time.sleep(rng.uniform(0.1, 0.6))
            kill(process)
        yield len(study.answers())


@pytest.mark.slow
def test_kill_9_at_any_moment_loses_nothing_repeats_nothing_and_changes_no_bit(study: Study, undisturbed: Answers) -> None:
    counts = list(cut_off(study, kills=3, seed=1))
    assert counts == sorted(counts)
    assert 0 < counts[-1] < 120
    with a_process(study, options={"tokens_per_pack": 400}) as process:
        assert process.wait(timeout=120) == 0
    assert study.answers() == undisturbed
    assert len(study.runs.journals()) == 4


def test_results_do_not_depend_on_the_order_of_the_manifest(tmp_path: Path, survey_model: Path, undisturbed: Answers) -> None:
    prompts: Sequence[object] = a_survey(120, twins=10)
    shuffled = random.Random(3).sample(list(a_survey(120, twins=10)), len(prompts))
    study = a_study(tmp_path, survey_model, shuffled)
    run_model(manifest_path=study.manifest_path, runs=study.runs, model_path=str(study.model), identity=study.identity, tokens_per_pack=400)
    assert study.answers() == undisturbed


def test_a_journal_that_cannot_be_read_stops_the_run_before_it_repeats_anything(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    study.run(limit=5)

    def refuse(path: Path) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("evsctl.engine.resume.read_journal", refuse)
    with pytest.raises(EngineError, match=r"journals in .* cannot be read.*Permission denied"):
        study.run()
