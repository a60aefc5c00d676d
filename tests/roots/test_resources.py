"""Job script templates: the site's own first, then the packaged ones."""

from pathlib import Path

import pytest

from evsctl.errors import InputError
from evsctl.resources import read_sbatch_template

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGED = sorted(path.name for path in (CHECKOUT / "templates" / "sbatch").iterdir())


@pytest.mark.parametrize("name", PACKAGED)
def test_the_templates_at_the_top_of_the_checkout_are_the_packaged_ones(name: str) -> None:
    assert read_sbatch_template(name) == (CHECKOUT / "templates" / "sbatch" / name).read_text(encoding="utf-8")


def test_there_is_a_template_for_runs() -> None:
    assert "run.sbatch" in PACKAGED


def test_a_template_of_the_users_wins(tmp_path: Path) -> None:
    (tmp_path / PACKAGED[0]).write_text("#!/bin/bash\n# für unseren Cluster\n", encoding="utf-8")
    assert read_sbatch_template(PACKAGED[0], tmp_path) == "#!/bin/bash\n# für unseren Cluster\n"


def test_what_the_user_does_not_have_is_the_packaged_one(tmp_path: Path) -> None:
    assert read_sbatch_template(PACKAGED[0], tmp_path) == read_sbatch_template(PACKAGED[0])
    assert read_sbatch_template(PACKAGED[0], tmp_path / "missing") == read_sbatch_template(PACKAGED[0])


def test_an_unknown_template_names_every_folder_searched(tmp_path: Path) -> None:
    packaged = CHECKOUT / "evsctl" / "_templates" / "sbatch"
    with pytest.raises(InputError) as caught:
        read_sbatch_template("none.sbatch", tmp_path)
    assert (
        str(caught.value) == f"No job script template 'none.sbatch' in {tmp_path} or {packaged}. Reinstall evsctl, or put the file there."
    )
    with pytest.raises(InputError) as caught:
        read_sbatch_template("none.sbatch")
    assert caught.value.message == f"No job script template 'none.sbatch' in {packaged}."
