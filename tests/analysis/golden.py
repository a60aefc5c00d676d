"""The CSV files of the small study as they should be.

`python -m tests.analysis.golden` writes them anew, to be read before they are kept.
"""

import tempfile
from pathlib import Path

from evsctl.analysis.names import FIGURES
from evsctl.analysis.report import draw_study
from tests.analysis.factories import sketch_study

GOLDEN = Path(__file__).parent / "golden"


def rewrite() -> None:
    """Draw the small study and keep its CSV files."""
    GOLDEN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for result in draw_study(sketch_study(), tuple(FIGURES), Path(folder)):
            for file in result.files:
                if file.suffix == ".csv":
                    (GOLDEN / file.name).write_bytes(file.read_bytes())


if __name__ == "__main__":
    rewrite()
