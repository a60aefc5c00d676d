"""Writes a drawing as PDF, PNG and CSV: the same bytes for the same input, and never a half-written file."""

import os
import tempfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure, SubFigure

from evsctl.analysis.drawing import Drawing
from evsctl.analysis.style import PNG_DPI
from evsctl.files import PRIVATE_FILE_MODE, make_private_folder, write_atomically

PLACES = 6
"""Decimals of a place as a share of the figure: a thousandth of a millimetre on a large one."""


def write_drawing(drawing: Drawing, name: str, title: str, out: Path) -> list[Path]:
    """Write `name`.pdf, .png and .csv, and a `name`_<suffix>.csv for each further table; existing files are replaced."""
    files = [out / f"{name}.pdf", out / f"{name}.png"]
    _settle(drawing.figure)
    _write_bytes(files[0], _render(drawing.figure, "pdf", {"Title": title, "Creator": "evsctl", "CreationDate": None}))
    _write_bytes(files[1], _render(drawing.figure, "png", {"Title": title, "Software": None}))
    for suffix, table in drawing.tables.items():
        files.append(out / (f"{name}_{suffix}.csv" if suffix else f"{name}.csv"))
        write_atomically(files[-1], csv_text(table))
    return files


def csv_text(table: pd.DataFrame) -> str:
    """A table as CSV: six significant digits, empty where unknown, a line feed after each row."""
    return str(table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def _settle(figure: Figure) -> None:
    """Lay the figure out once for both kinds of file, and round every place.

    The layout's solver sums in an order that memory addresses decide, so that places differ in the last digit from run to run.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for part in [figure, *_parts(figure)]:
        if isinstance(part, SubFigure):
            box = part.bbox_relative
            box.p0, box.p1 = np.round(box.p0, PLACES), np.round(box.p1, PLACES)
        for text in part.texts:
            x, y = text.get_position()
            text.set_position((round(x, PLACES), round(y, PLACES)))
    for ax in figure.axes:
        bounds = ax.get_position(original=True).bounds
        ax.set_position((round(bounds[0], PLACES), round(bounds[1], PLACES), round(bounds[2], PLACES), round(bounds[3], PLACES)))


def _parts(whole: Figure | SubFigure) -> list[SubFigure]:
    return [part for child in whole.subfigs for part in (child, *_parts(child))]


def _render(figure: Figure, kind: str, metadata: dict[str, str | None]) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format=kind, dpi=PNG_DPI, metadata=metadata)
    return buffer.getvalue()


def _write_bytes(path: Path, content: bytes) -> None:
    make_private_folder(path.parent)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(name).chmod(PRIVATE_FILE_MODE)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
