"""The job script, whole, and what quoting must survive."""

import subprocess
from pathlib import Path

import pytest

from evsctl.errors import InputError
from evsctl.jobs.display import shell_line
from evsctl.jobs.local_state import filled
from evsctl.jobs.script import render_script

GOLDEN = Path(__file__).parent / "data" / "run.sbatch"

NASTY = 'it\'s a "study" with $HOME, `date`, $(id), \\ and %j'


def render(**changes: object) -> str:
    values = {
        "model_id": "eurollm22b",
        "manifest": Path("/data/my study/survey.runs/eurollm22b/manifest-0123456789abcdef.jsonl"),
        "folder": Path("/data/my study"),
        "model_path": "/data/models/EuroLLM 22B",
        "env": {"HF_HOME": "/data/hf cache", "HF_HUB_OFFLINE": "1"},
        "prelude": ("module load cuda/12.8", "source /opt/site/setup.sh"),
        "python": "/opt/venv/bin/python",
    }
    return render_script(**{**values, **changes})  # type: ignore[arg-type]


def test_the_rendered_script_is_the_golden_one() -> None:
    assert render() == GOLDEN.read_text(encoding="utf-8")


def test_the_last_line_replaces_the_shell_by_the_engine_so_that_signals_reach_it() -> None:
    last = render().rstrip("\n").splitlines()[-1]
    assert last.startswith("exec /opt/venv/bin/python -m evsctl engine run eurollm22b --manifest ")


def test_the_script_is_valid_shell_whatever_the_values_hold() -> None:
    script = render(folder=Path("/data") / NASTY, manifest=Path("/data") / NASTY / "m.jsonl", model_path=NASTY, env={"A": NASTY + "\nnext"})
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def run_with_stub(tmp_path: Path, environ: dict[str, str], *arguments: str, **changes: object) -> list[str]:
    """Run the script with a stub in the place of python and return what the stub was given."""
    stub = tmp_path / "stub"
    stub.write_text('#!/bin/bash\nprintf "%s\\n" "$PWD" "$A" "$@"\n')
    stub.chmod(0o755)
    script = tmp_path / "run.sbatch"
    script.write_text(render(python=str(stub), prelude=(), **changes))
    done = subprocess.run(
        ["bash", str(script), *arguments], env={"PATH": "/usr/bin:/bin", **environ}, capture_output=True, text=True, check=True
    )
    return done.stdout.split("\n")[1:-1]


def test_every_value_reaches_the_engine_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / NASTY
    folder.mkdir()
    given = run_with_stub(tmp_path, {}, "--dtype", "int4", folder=folder, manifest=folder / "m.jsonl", model_path=NASTY, env={"A": NASTY})
    assert given == [
        str(folder),
        NASTY,
        *("-m", "evsctl", "engine", "run", "eurollm22b", "--manifest", str(folder / "m.jsonl")),
        *("--model-path", NASTY, "--dtype", "int4"),
    ]


def test_the_engine_is_told_to_stop_before_the_jobs_end(tmp_path: Path) -> None:
    given = run_with_stub(tmp_path, {"SLURM_JOB_ID": "7", "SLURM_JOB_END_TIME": "1795367648"}, "--dtype", "int4", folder=tmp_path)
    assert given[-4:] == ["--stop-before", "1795367558", "--dtype", "int4"]


@pytest.mark.parametrize(("answer", "told"), [("1795367648", True), ("NONE", False), ("N/A", False), ("", False)])
def test_a_slurm_that_does_not_tell_the_end_is_asked_once(tmp_path: Path, answer: str, told: bool) -> None:
    squeue = tmp_path / "bin" / "squeue"
    squeue.parent.mkdir()
    squeue.write_text(f'#!/bin/bash\necho "$SLURM_TIME_FORMAT $@" >> {tmp_path}/calls\necho {answer}\n')
    squeue.chmod(0o755)
    given = run_with_stub(tmp_path, {"SLURM_JOB_ID": "7", "PATH": f"{squeue.parent}:/usr/bin:/bin"}, folder=tmp_path)
    assert ("--stop-before" in given) is told
    assert (tmp_path / "calls").read_text() == "%s -h -j 7 -o %e\n"


def test_a_missing_study_folder_ends_the_job(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        run_with_stub(tmp_path, {}, folder=tmp_path / "gone")


def test_a_name_that_is_no_environment_variable_is_refused() -> None:
    with pytest.raises(InputError, match="'A B' is not a name"):
        render(env={"A B": "1"})


def test_a_template_of_the_site_wins_and_its_unknown_field_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.sbatch").write_text("#!/bin/bash\n#SBATCH --gres=x $SLURM_JOB_ID\nexec %%{command}\n")
    assert render(templates=tmp_path).startswith("#!/bin/bash\n#SBATCH --gres=x $SLURM_JOB_ID\nexec /opt/venv/bin/python")
    (tmp_path / "run.sbatch").write_text("%%{comand}\n")
    with pytest.raises(InputError, match=r"run\.sbatch is not right: 'comand'"):
        render(templates=tmp_path)


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["sbatch", "--mem=96G", "-t", "04:00:00", "--constraint=a100|h100"], 'sbatch --mem=96G -t 04:00:00 --constraint="a100|h100"'),
        (["x", "--comment=it's $HOME"], "x '--comment=it'\"'\"'s $HOME'"),
        (["cd", "/a b"], "cd '/a b'"),
    ],
)
def test_a_displayed_line_is_quoted_as_people_would(argv: list[str], line: str) -> None:
    assert shell_line(argv) == line


def test_a_displayed_line_is_read_back_by_a_shell_as_the_same_argv() -> None:
    argv = ["--a=b|c", f"--x={NASTY}", NASTY, "", "--e=", "~", "a~b", "*", "--g=*"]
    done = subprocess.run(["bash", "-c", f'printf "%s\\0" {shell_line(argv)}'], capture_output=True, text=True, check=True)
    assert done.stdout.split("\0")[:-1] == argv


@pytest.mark.parametrize(
    ("pattern", "name"), [("/a/%j.log", "/a/local-1.log"), ("/50%%/%j.log", "/50%/local-1.log"), ("/%%j/%j", "/%j/local-1")]
)
def test_log_patterns_are_filled_as_sbatch_fills_them(pattern: str, name: str) -> None:
    assert filled(pattern, "local-1") == name
