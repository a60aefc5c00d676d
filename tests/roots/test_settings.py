"""Settings: file < environment < flags, each checked once, each mistake named where it stands."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evsctl.errors import InputError
from evsctl.settings import Caps, ClusterSettings, JobSettings, Settings, StudySettings, load_settings

WriteToml = Callable[..., Path]


@pytest.fixture
def toml(tmp_path: Path) -> WriteToml:
    """Writes the evsctl.toml of the folder `tmp_path`; returns it."""

    def write(text: str) -> Path:
        path = tmp_path / "evsctl.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def load(folder: Path, db: str | None = None, **environ: str) -> Settings:
    """The settings of `folder` in an environment of these variables alone."""
    return load_settings(folder, {"HOME": str(folder), **environ}, db)


def refused(folder: Path, **environ: str) -> tuple[str, str]:
    """What is wrong, and the fix."""
    with pytest.raises(InputError) as caught:
        load(folder, **environ)
    return caught.value.message, caught.value.fix


def test_without_a_file_every_setting_has_its_default(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert (settings.folder, settings.config_file, settings.gpus) == (tmp_path, None, {})
    assert settings.study == StudySettings("study", ("legacy", "rephrase"), (), "")
    assert settings.cluster == ClusterSettings("", "", "", "", 4, (), 30.0, Caps(0, 0, 0, 0, 0.0))
    assert settings.job == JobSettings((), {"HF_HUB_OFFLINE": "1"})


def test_a_file_may_set_everything(tmp_path: Path, toml: WriteToml) -> None:
    path = toml("""
        database = "data/values.db"
        [study]
        name = "values"
        configs = ["item"]
        models = ["qwen3235b"]
        templates = "our_templates"
        [cluster]
        backend = "cli"
        partition = "gpu"
        account = "pi"
        qos = "long"
        cpus = 8
        extra_sbatch = ["--mail-type=FAIL"]
        poll = 60
        caps = { memory_gb = 512, walltime_minutes = 2880, gpus = 2, attempts = 3, gpu_hours = 100.5 }
        [job]
        prelude = ["module load cuda", "source 'Ünïcode, with comma'"]
        env = { HF_HOME = "/scratch/hf", OMP_NUM_THREADS = 4 }
        [gpus]
        a100 = 85
    """)
    settings = load(tmp_path)
    assert settings.config_file == path
    assert settings.database.path == tmp_path / "data" / "values.db"
    assert settings.study == StudySettings("values", ("item",), ("qwen3235b",), "our_templates")
    caps = Caps(512, 2880, 2, 3, 100.5)
    assert settings.cluster == ClusterSettings("cli", "gpu", "pi", "long", 8, ("--mail-type=FAIL",), 60.0, caps)
    env = {"HF_HUB_OFFLINE": "1", "HF_HOME": "/scratch/hf", "OMP_NUM_THREADS": "4"}
    assert settings.job == JobSettings(("module load cuda", "source 'Ünïcode, with comma'"), env)
    assert settings.gpus == {"a100": 85.0}


PRECEDENCE: list[tuple[str, str, dict[str, str], object]] = [
    ("partition", "", {}, ""),
    ("partition", 'partition = "file"', {}, "file"),
    ("partition", "", {"EVSCTL_CLUSTER_PARTITION": "environment"}, "environment"),
    ("partition", 'partition = "file"', {"EVSCTL_CLUSTER_PARTITION": "environment"}, "environment"),
    ("partition", 'partition = "file"', {"EVSCTL_CLUSTER_PARTITION": ""}, ""),
    ("cpus", "cpus = 2", {"EVSCTL_CLUSTER_CPUS": "16"}, 16),
    ("poll", "poll = 20", {"EVSCTL_CLUSTER_POLL": "12.5"}, 12.5),
    ("extra_sbatch", 'extra_sbatch = ["-a"]', {"EVSCTL_CLUSTER_EXTRA_SBATCH": "--x=1, --y ,"}, ("--x=1", "--y")),
    ("extra_sbatch", 'extra_sbatch = ["-a"]', {"EVSCTL_CLUSTER_EXTRA_SBATCH": ""}, ()),
]


@pytest.mark.parametrize(("key", "file", "environ", "expected"), PRECEDENCE)
def test_the_environment_wins_over_the_file_and_the_file_over_the_default(
    tmp_path: Path, toml: WriteToml, key: str, file: str, environ: dict[str, str], expected: object
) -> None:
    toml(f"[cluster]\n{file}\n")
    assert getattr(load(tmp_path, **environ).cluster, key) == expected


def test_every_section_can_be_set_by_variables(tmp_path: Path) -> None:
    settings = load(tmp_path, EVSCTL_STUDY_NAME="values", EVSCTL_STUDY_CONFIGS="item", EVSCTL_JOB_PRELUDE="module load a,module load b")
    assert settings.study == StudySettings("values", ("item",))
    assert settings.job.prelude == ("module load a", "module load b")


def test_the_hub_is_left_alone_in_jobs_unless_the_file_says_otherwise(tmp_path: Path, toml: WriteToml) -> None:
    toml('[job]\nenv = { HF_HUB_OFFLINE = "0" }')
    assert load(tmp_path).job.env == {"HF_HUB_OFFLINE": "0"}


MISTAKES: list[tuple[str, str, str]] = [
    ("clutser = 1", ": unknown key 'clutser'.", "Did you mean 'cluster'?"),
    ("xyz = 1", ": unknown key 'xyz'.", "Known: cluster, database, gpus, job, study."),
    ("cluster = 1", ": [cluster] is not a table.", "Write it as [cluster] with keys below."),
    ("job = []", ": [job] is not a table.", "Write it as [job] with keys below."),
    ("database = 3", ": database must be a string, not 3.", "Write a file name or an SQLAlchemy URL."),
    ('database = ""', ": database must be a string, not ''.", "Write a file name or an SQLAlchemy URL."),
    ('[cluster]\npartiton = "gpu"', ": unknown key 'partiton' in [cluster].", "Did you mean 'partition'?"),
    ("[study]\nzzz = 1", ": unknown key 'zzz' in [study].", "Known: configs, models, name, templates."),
    ("[cluster]\npartition = 3", ": [cluster] partition must be a string, not 3.", "Correct it there."),
    ('[cluster]\ncpus = "4"', ": [cluster] cpus must be a whole number, not '4'.", "Correct it there."),
    ("[cluster]\ncpus = 4.5", ": [cluster] cpus must be a whole number, not 4.5.", "Correct it there."),
    ("[cluster]\ncpus = true", ": [cluster] cpus must be a whole number, not True.", "Correct it there."),
    ("[cluster]\ncpus = 0", ": [cluster] cpus = 0 is too small.", "Use 1 or more."),
    ("[cluster]\npoll = 9.9", ": [cluster] poll = 9.9 asks SLURM too often.", "Use 10 seconds or more."),
    ("[cluster]\npoll = nan", ": [cluster] poll must be a number, not nan.", "Correct it there."),
    ("[cluster]\npoll = inf", ": [cluster] poll must be a number, not inf.", "Correct it there."),
    ('[cluster]\nbackend = "slurm"', ": [cluster] backend = 'slurm' is no backend.", "Known: cli, local, pyslurm."),
    ('[cluster]\nextra_sbatch = "-x"', ": [cluster] extra_sbatch must be a list of strings, not '-x'.", 'Write ["…", "…"].'),
    ("[cluster]\nextra_sbatch = [1]", ": [cluster] extra_sbatch must be a list of strings, not [1].", 'Write ["…", "…"].'),
    ("[cluster]\ncaps = 4", ": [cluster.caps] is not a table.", "Write it as [cluster.caps] with keys below."),
    ("[cluster.caps]\nmemory = 4", ": unknown key 'memory' in [cluster.caps].", "Did you mean 'memory_gb'?"),
    ("[cluster.caps]\ngpus = -1", ": [cluster.caps] gpus = -1 is too small.", "Use 0 or more."),
    ('[job]\nenv = "A=1"', ": [job] env must be a table of strings, not 'A=1'.", 'Write { NAME = "value" }.'),
    ("[job]\nenv = { A = true }", ": [job] env must be a table of strings, not {'A': True}.", 'Write { NAME = "value" }.'),
    ('[gpus]\na100 = "80 GB"', ": [gpus] a100 must be a number, not '80 GB'.", "Correct it there."),
    ("[gpus]\na100 = 0", ": [gpus] a100 = 0 is too small.", "Use 1 or more."),
]


@pytest.mark.parametrize(("text", "message", "fix"), MISTAKES)
def test_a_mistake_is_named_by_file_section_and_key_with_the_fix(
    tmp_path: Path, toml: WriteToml, text: str, message: str, fix: str
) -> None:
    path = toml(text)
    assert refused(tmp_path) == (f"{path}{message}", fix)


@pytest.mark.parametrize(
    ("variable", "value", "message", "fix"),
    [
        ("EVSCTL_CLUSTER_CPUS", "many", "EVSCTL_CLUSTER_CPUS='many' is not a number.", "Unset it or give a number."),
        ("EVSCTL_CLUSTER_POLL", "", "EVSCTL_CLUSTER_POLL='' is not a number.", "Unset it or give a number."),
        ("EVSCTL_CLUSTER_POLL", "5", "EVSCTL_CLUSTER_POLL = 5 asks SLURM too often.", "Use 10 seconds or more."),
        ("EVSCTL_CLUSTER_POLL", "nan", "EVSCTL_CLUSTER_POLL must be a number, not nan.", "Correct it there."),
        ("EVSCTL_CLUSTER_BACKEND", "slrum", "EVSCTL_CLUSTER_BACKEND = 'slrum' is no backend.", "Known: cli, local, pyslurm."),
        ("EVSCTL_CLUSTER_PARTITON", "gpu", "Unknown variable EVSCTL_CLUSTER_PARTITON.", "Did you mean 'partition'?"),
        (
            "EVSCTL_CLUSTER_CAPS_GPUS",
            "2",
            "EVSCTL_CLUSTER_CAPS_GPUS: caps are no variables.",
            "Write them into evsctl.toml, under [cluster.caps].",
        ),
    ],
)
def test_a_mistake_in_a_variable_is_named_by_the_variable(
    tmp_path: Path, toml: WriteToml, variable: str, value: str, message: str, fix: str
) -> None:
    toml("[cluster]\npoll = 20")
    assert refused(tmp_path, **{variable: value}) == (message, fix)


def test_variables_of_a_running_job_are_nobodys_settings(tmp_path: Path) -> None:
    assert load(tmp_path, EVSCTL_JOB_ID="local-3", EVSCTL_JOB_END="1700000000", EVSCTL_LOCAL_SLOTS="2") == load(tmp_path)


@pytest.mark.parametrize(("content", "message"), [(b"[cluster", "is not valid TOML"), (b"name = '\xff'", "cannot be read")])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "evsctl.toml").write_bytes(content)
    assert refused(tmp_path)[0].startswith(f"{tmp_path / 'evsctl.toml'} {message}: ")


def test_settings_are_frozen(tmp_path: Path) -> None:
    settings: Any = load(tmp_path)
    with pytest.raises(AttributeError):
        settings.folder = tmp_path
    with pytest.raises(AttributeError):
        settings.cluster.partition = "gpu"


def test_the_real_environment_and_folder_are_the_default(tmp_path: Path, toml: WriteToml, monkeypatch: pytest.MonkeyPatch) -> None:
    toml('[cluster]\npartition = "file"')
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EVSCTL_DB", raising=False)
    monkeypatch.setenv("EVSCTL_CLUSTER_PARTITION", "environment")
    assert (load_settings().cluster.partition, load_settings().folder) == ("environment", tmp_path)
