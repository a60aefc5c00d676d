"""A study per test."""

from pathlib import Path

import pytest

from tests.db.factories import Study


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """A study in an empty folder: no database yet."""
    return Study(tmp_path)
