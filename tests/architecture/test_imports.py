"""What a command imports is what it needs, proven in a fresh interpreter."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "textual", "sqlalchemy", "matplotlib", "pandas", "numpy", "scipy", "sklearn")


def heavy_modules_after(statement: str) -> set[str]:
    told = f"print(*[m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    code = f"import sys\ntry:\n    {statement}\nexcept SystemExit:\n    pass\n{told}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_help_loads_nothing_heavy() -> None:
    assert heavy_modules_after("import sys; sys.argv = ['evsctl', '--help']; import evsctl.cli.main as m; m.main()") == set()


@pytest.mark.parametrize("module", ["evsctl.journal.accept", "evsctl.models.registry", "evsctl.survey.prompts", "evsctl.settings"])
def test_the_lower_rooms_load_the_standard_library_only(module: str) -> None:
    assert heavy_modules_after(f"import {module}") == set()


def test_signal_handlers_stand_before_torch_is_imported() -> None:
    assert heavy_modules_after("import evsctl.engine.signals") == set()


def test_the_status_of_a_study_needs_neither_torch_nor_the_dashboard() -> None:
    assert heavy_modules_after("import evsctl.status.collector, evsctl.jobs.submit") <= {"sqlalchemy"}
