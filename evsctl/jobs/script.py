"""The job script: a template filled with quoted values, ending in the engine."""

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template

from evsctl.errors import InputError
from evsctl.resources import read_sbatch_template

TEMPLATE_NAME = "run.sbatch"
STOP_MARGIN_SECONDS = 90
"""How long before the job's end the engine stops: time to commit, requeue and leave; SLURM's USR1 comes earlier still."""


class JobTemplate(Template):
    """Fields are written `%%{name}`, so that `$SLURM_JOB_ID` and `%j` mean what they mean to a shell and to SLURM."""

    delimiter = "%%"


def render_script(
    *,
    model_id: str,
    manifest: Path,
    folder: Path,
    model_path: str | None = None,
    env: Mapping[str, str] | None = None,
    prelude: Sequence[str] = (),
    python: str | None = None,
    templates: Path | None = None,
) -> str:
    """The script of one job; every value is quoted for the shell, the prelude's lines are the user's own shell.

    Raises InputError for a name that is no environment variable, and for a template with an unknown field.
    """
    text = read_sbatch_template(TEMPLATE_NAME, templates)
    values = {
        "model": _comment_safe(model_id),
        "folder": shlex.quote(str(folder)),
        "environment": "\n".join(_export(name, value) for name, value in (env or {}).items()),
        "prelude": "\n".join(prelude),
        "margin": str(STOP_MARGIN_SECONDS),
        "command": shlex.join(engine_command(model_id, manifest, model_path, python)),
    }
    try:
        return JobTemplate(text).substitute(values)
    except (KeyError, ValueError) as error:
        where = templates / TEMPLATE_NAME if templates is not None else TEMPLATE_NAME
        raise InputError(f"Job script template {where} is not right: {error}.", f"Known fields: {', '.join(sorted(values))}.") from error


def engine_command(model_id: str, manifest: Path, model_path: str | None = None, python: str | None = None) -> list[str]:
    """The engine's argv inside a job."""
    argv = [python or sys.executable, "-m", "evsctl", "engine", "run", model_id, "--manifest", str(manifest)]
    return [*argv, "--model-path", model_path] if model_path else argv


def _export(name: str, value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise InputError(f"[job] env: '{name}' is not a name of an environment variable.", "Use letters, digits and underscores.")
    return f"export {name}={shlex.quote(value)}"


def _comment_safe(text: str) -> str:
    """A model id inside a comment and a quoted echo: nothing a shell could act on."""
    return re.sub(r"[^\w.:+@/-]", "_", text)
