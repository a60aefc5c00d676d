"""Where the study's own question files are, for the tests that read them."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent.parent / "shared" / "evs"
QUESTIONS = FOLDER / "questions.json"
REPHRASINGS = FOLDER / "rephrasings.json"

needs_study = pytest.mark.skipif(not QUESTIONS.is_file(), reason="the study's question files are not beside this checkout (../shared/evs)")
