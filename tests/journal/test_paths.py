"""Every file name under `survey.runs/`."""

import os
from pathlib import Path

import pytest

from evsctl.errors import InputError
from evsctl.journal.paths import ModelRuns, RunsFolder


@pytest.fixture
def runs(tmp_path: Path) -> ModelRuns:
    """The folder of model `tiny`, made."""
    return RunsFolder(tmp_path / "survey.runs").model("tiny").create()


def test_all_files_of_a_run_have_their_names_in_the_models_folder(tmp_path: Path) -> None:
    runs = RunsFolder(tmp_path).model("tiny")
    found = [
        runs.journal("11-r0"),
        runs.heartbeat("11-r0"),
        runs.manifest("ab12"),
        runs.log("11"),
        runs.script("11-r0"),
        runs.retractions,
        runs.auto,
    ]
    assert [str(path.relative_to(tmp_path)) for path in found] == [
        "tiny/11-r0.jsonl",
        "tiny/11-r0.status.json",
        "tiny/manifest-ab12.jsonl",
        "tiny/11.log",
        "tiny/11-r0.sbatch",
        "tiny/retractions.jsonl",
        "tiny/auto.json",
    ]


def test_asking_for_a_model_creates_nothing(tmp_path: Path) -> None:
    RunsFolder(tmp_path / "survey.runs").model("tiny")
    assert RunsFolder(tmp_path / "survey.runs").models() == ()
    assert list(tmp_path.iterdir()) == []


def test_models_are_the_folders_by_name_without_hidden_ones_and_files(tmp_path: Path) -> None:
    runs = RunsFolder(tmp_path)
    for name in ("qwen", "gemma", ".trash"):
        (tmp_path / name).mkdir()
    runs.lease.touch()
    assert runs.models() == (runs.model("gemma"), runs.model("qwen"))


@pytest.mark.parametrize("model_id", ["", ".", "..", "../other", "org/model", "/etc", ".hidden", "a\0b"])
def test_a_model_id_that_leads_out_of_its_folder_is_refused(tmp_path: Path, model_id: str) -> None:
    with pytest.raises(InputError, match="cannot name a folder"):
        RunsFolder(tmp_path).model(model_id)


def test_journals_are_all_jsonl_files_but_manifests_and_retractions(runs: ModelRuns) -> None:
    names = [
        "11-r1.jsonl",
        "11-r0.jsonl",
        "field-ab.jsonl",
        "manifest-ab.jsonl",
        "retractions.jsonl",
        "11-r0.status.json",
        "11.log",
        ".11-r0.jsonl.x.tmp",
    ]
    for name in names:
        (runs.folder / name).touch()
    assert [path.name for path in runs.journals()] == ["11-r0.jsonl", "11-r1.jsonl", "field-ab.jsonl"]


def test_manifests_and_heartbeats_come_newest_first(runs: ModelRuns) -> None:
    for seconds, name in enumerate(("b", "a", "c")):
        for path in (runs.manifest(name), runs.heartbeat(name)):
            path.touch()
            os.utime(path, (seconds, seconds))
    assert runs.manifests() == (runs.manifest("c"), runs.manifest("a"), runs.manifest("b"))
    assert runs.heartbeats() == (runs.heartbeat("c"), runs.heartbeat("a"), runs.heartbeat("b"))


def test_a_file_that_goes_while_one_looks_is_left_out(runs: ModelRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.manifest("a").touch()
    (runs.folder / "manifest-gone.jsonl").symlink_to("nowhere")
    assert runs.manifests() == (runs.manifest("a"),)


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    runs = RunsFolder(tmp_path).model("tiny")
    assert (runs.journals(), runs.manifests(), runs.heartbeats()) == ((), (), ())
