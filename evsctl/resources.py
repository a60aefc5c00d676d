"""The one reader of files shipped with the package: job script templates, found from a checkout and from a wheel."""

from importlib.resources import files
from pathlib import Path

from evsctl.errors import InputError


def read_sbatch_template(name: str, user_folder: Path | None = None) -> str:
    """Return the text of the job script template `name`.

    `user_folder` is searched first, because every cluster is different. Raises InputError naming every folder searched.
    """
    searched: list[str] = []
    if user_folder is not None:
        searched.append(str(user_folder))
        candidate = user_folder / name
        if candidate.is_file():
            return candidate.read_text(encoding="utf-8")
    packaged = files("evsctl").joinpath("_templates", "sbatch")
    searched.append(str(packaged))
    template = packaged.joinpath(name)
    if not template.is_file():
        raise InputError(f"No job script template '{name}' in {' or '.join(searched)}.", "Reinstall evsctl, or put the file there.")
    return template.read_text(encoding="utf-8")
