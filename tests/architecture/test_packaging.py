"""A wheel installed elsewhere has everything: templates, registry, the demonstration's survey, the dashboard's styles."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return next(folder.glob("*.whl"))


@pytest.mark.slow
def test_every_file_of_the_package_is_in_the_wheel(wheel: Path) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "evsctl", "templates"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    expected = {name.replace("templates/", "evsctl/_templates/", 1) for name in tracked if name != "evsctl/_templates"}
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert expected <= packed


@pytest.mark.slow
def test_templates_and_registry_are_found_from_a_wheel_installed_elsewhere(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = (
        "import evsctl.resources as r, evsctl.models.registry as m; from importlib.resources import files; "
        "print(r.__file__); print(r.read_sbatch_template('run.sbatch').splitlines()[0]); print(len(m.load_registry().models)); "
        "print(files('evsctl.demo').joinpath('questions.json').is_file())"
    )
    environment = {"PYTHONPATH": str(tmp_path / "site"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    module, first_line, models, has_survey = done.stdout.splitlines()
    assert module.startswith(str(tmp_path / "site"))
    assert (first_line, models, has_survey) == ("#!/bin/bash", "26", "True")
