"""Where a study is: `--db` before EVSCTL_DB before evsctl.toml before a search, and a password on no screen."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evsctl.location import StudyPlace, database_location, find_study


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a study `values` (evsctl.toml, survey.db, a folder below), a bare database `bare`, and `empty`."""
    for folder in ("values/figures", "bare/sub", "empty"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "values" / "evsctl.toml").write_text('[study]\nname = "values"\n')
    for folder in ("values", "bare"):
        (tmp_path / folder / "survey.db").touch()
    return tmp_path


def find(home: Path, start: str, db: str | None = None, **environ: str) -> tuple[str, str, str | None, str]:
    """Study folder, database, evsctl.toml (all as seen from home) and what decided."""
    place = find_study(home / start, {"HOME": str(home), **environ}, db)
    config = None if place.config_file is None else str(place.config_file.relative_to(home))
    database = str(place.database.path.relative_to(home)) if place.database.path else place.database.url
    return str(place.folder.relative_to(home)), database, config, place.database.source


@pytest.mark.parametrize(
    ("start", "found"),
    [
        ("values", ("values", "values/survey.db", "values/evsctl.toml", "evsctl.toml")),
        ("values/figures", ("values", "values/survey.db", "values/evsctl.toml", "evsctl.toml")),
        ("bare", ("bare", "bare/survey.db", None, "search")),
        ("bare/sub", ("bare", "bare/survey.db", None, "search")),
        ("empty", ("empty", "empty/survey.db", None, "search")),
    ],
)
def test_the_nearest_study_upwards_counts_and_where_there_is_none_it_would_be_here(
    home: Path, start: str, found: tuple[str, str, str | None, str]
) -> None:
    assert find(home, start) == found


@pytest.mark.parametrize(
    ("db", "environ", "found"),
    [
        (None, {}, ("values", "values/survey.db", "values/evsctl.toml", "evsctl.toml")),
        (None, {"EVSCTL_DB": "../bare/survey.db"}, ("bare", "bare/survey.db", "values/evsctl.toml", "EVSCTL_DB")),
        ("other.db", {"EVSCTL_DB": "../bare/survey.db"}, ("values", "values/other.db", "values/evsctl.toml", "--db")),
        ("other.db", {}, ("values", "values/other.db", "values/evsctl.toml", "--db")),
        (None, {"EVSCTL_DB": ""}, ("values", "values/survey.db", "values/evsctl.toml", "evsctl.toml")),
        ("sqlite:///other.db", {}, ("values", "values/other.db", "values/evsctl.toml", "--db")),
    ],
)
def test_the_flag_wins_over_the_variable_the_variable_over_the_file(
    home: Path, db: str | None, environ: dict[str, str], found: tuple[str, str, str | None, str]
) -> None:
    assert find(home, "values", db, **environ) == found


@pytest.mark.parametrize("by", ["flag", "variable"])
def test_a_database_named_from_elsewhere_brings_the_settings_beside_it(home: Path, by: str) -> None:
    name = str(home / "values" / "survey.db")
    folder, database, config, _ = find(home, "empty", name) if by == "flag" else find(home, "empty", EVSCTL_DB=name)
    assert (folder, database, config) == ("values", "values/survey.db", "values/evsctl.toml")


def test_a_relative_name_counts_from_where_the_command_was_given(home: Path) -> None:
    assert find(home, "values/figures", "../survey.db")[:3] == ("values", "values/survey.db", "values/evsctl.toml")


def test_a_file_may_keep_its_database_elsewhere(home: Path) -> None:
    (home / "values" / "evsctl.toml").write_text('database = "figures/survey.db"\n')
    found = ("values", "values/figures/survey.db", "values/evsctl.toml")
    assert find(home, "values")[:3] == found
    (home / "values" / "figures" / "survey.db").touch()
    assert find(home, "values/figures")[:3] == found  # also from beside the database, which is met first
    assert find(home, "values", "figures/survey.db")[:3] == found


def test_a_bare_database_below_another_study_is_not_part_of_it(home: Path) -> None:
    (home / "values" / "figures" / "survey.db").touch()
    assert find(home, "values/figures") == ("values/figures", "values/figures/survey.db", None, "search")


def test_the_search_ends_at_home(home: Path) -> None:
    (home / "evsctl.toml").touch()
    assert find_study(home / "values", {"HOME": str(home / "values")}).folder == home / "values"
    place = find_study(home / "empty", {"HOME": str(home / "empty")})
    assert (place.folder, place.config_file) == (home / "empty", None)


def test_a_folder_one_may_not_look_into_holds_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.is_file

    def is_file(self: Path) -> bool:
        if self.parent == home:
            raise PermissionError(13, "Permission denied", str(self))
        return real(self)

    monkeypatch.setattr(Path, "is_file", is_file)
    assert find(home, "empty") == ("empty", "empty/survey.db", None, "search")


def test_journals_are_beside_the_database(home: Path) -> None:
    assert find_study(home / "values", {}).database.runs_dir == home / "values" / "survey.runs"
    assert database_location("/data/values.db", home, "--db").runs_dir == Path("/data/values.runs")


def test_a_servers_journals_are_in_the_studys_folder_wherever_the_command_is_given(home: Path) -> None:
    url = "postgresql://ada@server/values"
    places: list[StudyPlace] = [find_study(home / start, {"HOME": str(home)}, url) for start in ("values", "values/figures", "empty")]
    assert [place.database.runs_dir for place in places] == [
        home / "values" / "survey.runs",
        home / "values" / "survey.runs",
        home / "empty" / "survey.runs",
    ]
    (home / "values" / "evsctl.toml").write_text(f'database = "{url}"\n')
    place = find_study(home / "values" / "figures", {"HOME": str(home)})
    assert (place.database.runs_dir, place.database.path) == (home / "values" / "survey.runs", None)


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("survey.db", "sqlite:////study/survey.db"),
        ("/data/survey.db", "sqlite:////data/survey.db"),
        ("sqlite:///survey.db", "sqlite:////study/survey.db"),
        ("sqlite:////data/survey.db", "sqlite:////data/survey.db"),
        ("postgres://ada@server/values", "postgresql+psycopg://ada@server/values"),
        ("postgresql://ada:postgres://@server/values", "postgresql+psycopg://ada:postgres://@server/values"),
        ("postgresql+psycopg://server/values", "postgresql+psycopg://server/values"),
    ],
)
def test_names_and_urls_become_sqlalchemy_urls(name: str, url: str) -> None:
    assert database_location(name, Path("/study"), "--db").url == url


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert database_location("~/survey.db", Path("/study"), "EVSCTL_DB").path == Path("/home/ada/survey.db")


@pytest.mark.parametrize(
    ("name", "display"),
    [
        ("survey.db", "/study/survey.db"),
        ("postgresql://server/values", "postgresql+psycopg://server/values"),
        ("postgresql://ada:secret@server:5432/values", "postgresql+psycopg://server:5432/values"),
        ("postgresql://ada:secret@[::1]:5432/values", "postgresql+psycopg://[::1]:5432/values"),
        ("postgresql://ada:secret@one:5432,two:5433/values", "postgresql+psycopg://one:5432,two:5433/values"),
        ("postgresql://server/values?user=ada&password=secret", "postgresql+psycopg://server/values"),
        ("postgresql://ada:secret@server/values?application_name=x", "postgresql+psycopg://server/values"),
        ("postgresql://ada:secr@t@server/values", "postgresql+psycopg://…"),
        ("postgresql://ada:se?ret@server/values", "postgresql+psycopg://…"),
        ("postgresql://ada:secret", "postgresql+psycopg://…"),
    ],
)
def test_a_location_is_shown_without_user_password_and_options(name: str, display: str) -> None:
    assert database_location(name, Path("/study"), "--db").display == display


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1), st.sampled_from(["", "?a=b", "?password=secret@1"]))
def test_no_password_is_ever_shown_escaped_or_not(password: str, options: str) -> None:
    marked = f"\u00a7{password}\u00a7"
    for url in (f"postgresql://ada:{marked}@server/values{options}", f"postgresql://server/values?password={marked}"):
        display = database_location(url, Path("/study"), "--db").display
        assert "\u00a7" not in display
        assert "secret" not in display
