"""Programs are run with a time limit, in a clean environment, and their failures say what they mean."""

from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from evsctl.errors import InputError, SlurmError
from evsctl.jobs import commands
from evsctl.jobs.cli_port import CliPort, SubmissionUnclearError
from evsctl.jobs.commands import CommandRunner, clean_environment, failure, reading_environment, slurm_words
from evsctl.jobs.local_port import LocalPort
from evsctl.jobs.ports import choose_port
from evsctl.jobs.types import HistoryRow, JobRequest, JobSpec, QueueRow
from evsctl.settings import ClusterSettings, Settings

SPEC = JobSpec("evs-test-m", ("m",), JobRequest(1, 10), Path("x.sbatch"), "%j.log", Path("/"))


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a program of this name and body in front of the PATH."""

    def put(name: str, body: str) -> None:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text("#!/bin/bash\n" + body + "\n")
        (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    return put


def test_the_job_we_run_in_does_not_leak_into_the_jobs_we_submit() -> None:
    environ = {"SLURM_JOB_ID": "7", "SLURM_MEM_PER_NODE": "1", "SLURM_CONF": "/etc/x", "SBATCH_ACCOUNT": "lab", "HOME": "/h"}
    assert clean_environment(environ) == {"SLURM_CONF": "/etc/x", "SBATCH_ACCOUNT": "lab", "HOME": "/h"}


def test_reading_knows_no_defaults_of_the_user() -> None:
    environ = {"SQUEUE_STATES": "R", "SACCT_FORMAT": "x", "SLURM_TIME_FORMAT": "relative", "LC_ALL": "de_DE", "HOME": "/h"}
    assert reading_environment(environ) == {"HOME": "/h", "SLURM_TIME_FORMAT": "%s", "LC_ALL": "C"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n",
            "SLURM does not answer: squeue says 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)'.",
        ),
        ("sacct: error: Problem talking to the database: Connection refused", "SLURM does not answer: squeue says 'Problem talking to"),
        ("Slurm accounting storage is disabled", "squeue failed: Slurm accounting storage is disabled."),
        ("squeue: fatal: Could not establish a configuration source", "SLURM is installed here, but squeue finds no cluster to talk to."),
        ("", "squeue failed: without a word."),
    ],
)
def test_no_answer_is_told_from_the_answer_no(words: str, message: str) -> None:
    assert failure("squeue", words).message.startswith(message)


def test_slurms_words_come_without_prefixes_and_repetitions() -> None:
    text = "sbatch: error: Memory specification can not be satisfied\nsbatch: error: Batch job submission failed: Not available\n"
    assert slurm_words(text + text) == "Memory specification can not be satisfied; Batch job submission failed: Not available"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("echo 'sbatch: error: Batch job submission failed: Socket timed out on send/recv operation' >&2; exit 1", "Socket timed out"),
        ("sleep 5", "took more than 0.3 s"),
        ("echo welcome", "answered 'welcome' instead of a job id"),
    ],
)
def test_an_sbatch_that_may_have_submitted_is_unclear(program, body: str, words: str) -> None:
    program("sbatch", body)
    with pytest.raises(SubmissionUnclearError, match=words):
        CliPort(CommandRunner(timeout=0.3)).submit(SPEC)


def test_an_sbatch_that_is_not_there_surely_did_not_submit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SlurmError, match="not installed here") as caught:
        CliPort().submit(SPEC)
    assert not isinstance(caught.value, SubmissionUnclearError)


def test_every_command_is_remembered_with_its_time_and_end(program) -> None:
    program("squeue", "exit 0")
    program("scancel", "exit 210")
    port = CliPort()
    port.queue()
    with pytest.raises(SlurmError, match="scancel failed"):
        port.cancel(("7",))
    assert [(record.argv[0], record.returncode) for record in port.runner.recent] == [("squeue", 0), ("scancel", 210)]


def test_nothing_is_asked_about_no_jobs() -> None:
    port = CliPort()
    port.cancel(())
    assert port.history(()) == ()
    assert not port.runner.recent


def test_the_longest_wait_exceeds_slurms_own() -> None:
    assert commands.TIMEOUT_SECONDS > 10


class TestChoosing:
    def test_sbatch_on_the_path_means_slurm_and_none_means_this_machine(
        self, settings: Settings, program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program("sbatch", "exit 0")
        assert isinstance(choose_port(settings), CliPort)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert isinstance(choose_port(settings), LocalPort)

    def test_the_flag_wins_over_the_settings(self, settings: Settings) -> None:
        from dataclasses import replace

        site = replace(settings, cluster=ClusterSettings(backend="cli"))
        assert isinstance(choose_port(site), CliPort)
        assert isinstance(choose_port(site, "local"), LocalPort)

    def test_an_unknown_backend_is_named_with_the_nearest(self, settings: Settings) -> None:
        with pytest.raises(InputError, match=r"Unknown backend 'locl'\. Did you mean 'local'\?"):
            choose_port(settings, "locl")

    def test_pyslurm_that_cannot_be_imported_says_what_works(self, settings: Settings) -> None:
        with pytest.raises(InputError, match=r"Backend 'pyslurm' is not usable here: .* Use `backend = \"cli\"`"):
            choose_port(settings, "pyslurm")


class TestPyslurm:
    """pyslurm itself cannot be installed beside the releases of SLURM there are packages of: a stand-in with its documented names."""

    @pytest.fixture
    def pyslurm(self, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
        import os
        import sys

        module = ModuleType("pyslurm")
        mine = SimpleNamespace(
            id=7,
            name="evs-test-m",
            user_id=os.getuid(),
            state="RUNNING",
            state_reason=None,
            allocated_nodes="n1",
            run_time=60,
            time_limit=240,
            start_time=1795353248,
            requeue_count=1,
        )
        ended = SimpleNamespace(**{**vars(mine), "id": 8, "state": "COMPLETED"})
        other = SimpleNamespace(**{**vars(mine), "id": 9, "user_id": os.getuid() + 1})
        step = SimpleNamespace(
            state="OUT_OF_MEMORY",
            exit_code=0,
            exit_code_signal=125,
            elapsed_time=60,
            start_time=1,
            end_time=61,
            stats=SimpleNamespace(max_resident_memory=2**30),
        )
        past = SimpleNamespace(
            id=7, state="COMPLETED", exit_code=0, exit_code_signal=0, elapsed_time=60, start_time=1, end_time=61, nodelist="n1",
            time_limit=240, memory=49152, cancelled_by=None, steps={"batch": step}, stats=None,
        )  # fmt: skip
        module.PyslurmError = type("PyslurmError", (Exception,), {})  # type: ignore[attr-defined]
        module.Jobs = SimpleNamespace(load=lambda: {7: mine, 8: ended, 9: other})  # type: ignore[attr-defined]
        module.db = SimpleNamespace(JobFilter=lambda ids: ids, Jobs=SimpleNamespace(load=lambda ids: {7: past}))  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "pyslurm", module)
        return module

    def test_queue_and_history_are_the_same_rows(self, settings: Settings, pyslurm: ModuleType) -> None:
        port = choose_port(settings, "pyslurm")
        assert port.queue() == (QueueRow("7", "evs-test-m", "RUNNING", "None", "n1", 60.0, 14400.0, 1795353248.0, 1),)
        assert port.history(("7",)) == (
            HistoryRow("7", "", "COMPLETED", "0:0", None, 60.0, None, 48.0, 14400.0, 1.0, 61.0, "n1"),
            HistoryRow("7", "batch", "OUT_OF_MEMORY", "0:125", None, 60.0, 1.0, None, None, 1.0, 61.0, "n1"),
        )

    def test_a_silent_slurm_is_one_sentence(self, settings: Settings, pyslurm: ModuleType) -> None:
        def silent() -> None:
            raise pyslurm.PyslurmError("Unable to contact slurm controller")

        pyslurm.Jobs.load = silent
        with pytest.raises(SlurmError, match="SLURM does not answer: pyslurm says"):
            choose_port(settings, "pyslurm").queue()
