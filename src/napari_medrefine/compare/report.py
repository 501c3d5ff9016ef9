"""An evaluation on disk: a table of all rows, pictures, and one page that needs no other file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from textwrap import wrap

import numpy as np

from napari_medrefine._atomic import cannot, write_bytes
from napari_medrefine._names import as_text
from napari_medrefine.compare.chart import chart_png
from napari_medrefine.compare.columns import COLUMNS, Column
from napari_medrefine.compare.evaluate import BLACK, IDENTITY, Evaluation, Row, Summary
from napari_medrefine.compare.report_page import Facts, overall, render_page
from napari_medrefine.compare.visuals import Picture, png_of, side_by_side, signed_difference
from napari_medrefine.errors import MedRefineError

_COLUMNS_OF_PANEL = 8  # pictures side by side


def write_report(
    evaluations: Sequence[Evaluation], folder: Path | str, facts: Facts | None = None
) -> list[Path]:
    """Write ``report.csv``, ``summary.csv``, ``report.html`` and PNGs into `folder`.

    The tables hold every image, and the means by slide and over all. Two PNGs for each evaluation:
    the chart of its PSNR, and the pictures of its first images. The folder is made;
    files of these names are replaced, each whole or not at all, the page last: it says that the
    report is complete, and holds its pictures itself.

    Parameters
    ----------
    evaluations : sequence of Evaluation
    folder : path
    facts : Facts, optional
        What the page says beside the numbers.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    MedRefineError
        If one cannot be written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MedRefineError(cannot("make the folder", folder, error)) from error
    facts = facts or Facts()
    panels = [png_of(panel(evaluation)) for evaluation in evaluations]
    charts = [_chart(evaluation, facts) for evaluation in evaluations]
    page = render_page(evaluations, facts, panels, charts)
    contents = {"report.csv": _csv(evaluations), "report.html": as_text(page).encode()}
    for evaluation, picture, chart in zip(evaluations, panels, charts, strict=True):
        slug = re.sub(r"[^0-9a-z]+", "-", evaluation.protocol.name.lower()).strip("-")
        contents[f"{slug}-chart.png"], contents[f"{slug}.png"] = chart, picture
    contents["summary.csv"] = _summary_csv(evaluations)
    for name in sorted(contents, key=lambda name: name == "report.html"):
        write_bytes(folder / name, contents[name])
    return [folder / name for name in contents]


def panel(evaluation: Evaluation) -> Picture:
    """Return a picture: each slide's input, results and sharp image, the differences below."""
    rows = []
    for slide, crops in evaluation.crops.items():
        sharp = crops[-1][1]
        first = [(f"{slide}\n" + crops[0][0].replace("\n", ", "), crops[0][1]), *crops[1:]]
        differences = [("minus sharp, x4", signed_difference(c, sharp)) for _, c in crops[:-1]]
        lines = -(-len(first) // _COLUMNS_OF_PANEL)
        columns = -(-len(first) // lines)
        for start in range(0, len(first), columns):
            part = slice(start, start + columns)
            rows.append(side_by_side(first[part], columns=columns, width=200))
            if differences[part]:
                rows.append(side_by_side(differences[part], columns=columns, width=200))
    width = max(row.shape[1] for row in rows)
    padded = [
        np.pad(r, ((0, 0), (0, width - r.shape[1]), (0, 0)), constant_values=255) for r in rows
    ]
    return np.concatenate(padded)


def text_table(evaluation: Evaluation) -> str:
    """Return the tables for a terminal, with what was refused and the protocol's note."""
    lines = [evaluation.protocol.name, *wrap(evaluation.protocol.note, 96)]
    for slide in evaluation.slides:
        lines += ["", slide, "  ".join(f"{c.head:>{_width(c)}}" for c in COLUMNS)]
        for summary in (s for s in evaluation.summaries() if s.slide == slide):
            lines.append("  ".join(f"{c.cell(summary):>{_width(c)}}" for c in COLUMNS))
    lines += [f"{method} refused: {reason}" for method, reason in evaluation.refused.items()]
    return "\n".join(lines)


def _chart(evaluation: Evaluation, facts: Facts) -> bytes:
    shown = [s for s in overall(evaluation) if s.method not in (IDENTITY, BLACK)]
    return chart_png(shown, "psnr", ours=facts.ours)


def _width(column: Column) -> int:
    return 40 if column.key == "method" else len(column.head) + 1


def _csv(evaluations: Sequence[Evaluation]) -> bytes:
    names = [f.name for f in fields(Row) if f.name != "tiles"]
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(["protocol", *names, "refused"])
    for evaluation in evaluations:
        for row in evaluation.rows:
            values = [getattr(row, name) for name in names]
            why = evaluation.refused.get(row.method, "")
            table.writerow([evaluation.protocol.name, *values, why])
        measured = {row.method for row in evaluation.rows}
        for method in evaluation.refused.keys() - measured:
            blank = ["" if name != "method" else method for name in names]
            table.writerow([evaluation.protocol.name, *blank, evaluation.refused[method]])
    return as_text(text.getvalue()).encode()


def _summary_csv(evaluations: Sequence[Evaluation]) -> bytes:
    """Return the means: by slide, and over all slides where there are several."""
    text = io.StringIO(newline="")
    table = csv.writer(text)
    names = [f.name for f in fields(Summary)]
    table.writerow(["protocol", *names])
    for evaluation in evaluations:
        everything = overall(evaluation) if len(evaluation.slides) > 1 else []
        for summary in (*everything, *evaluation.summaries()):
            table.writerow([evaluation.protocol.name, *(getattr(summary, n) for n in names)])
    return as_text(text.getvalue()).encode()
