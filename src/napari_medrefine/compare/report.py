"""An evaluation on disk: a table of all rows, a picture, and one page that needs no other file."""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import fields
from html import escape
from pathlib import Path
from textwrap import wrap

import numpy as np
from PIL import Image as Pillow

from napari_medrefine.compare.columns import COLUMNS, Column
from napari_medrefine.compare.evaluate import BLACK, Evaluation, Row, Summary
from napari_medrefine.compare.visuals import Picture, side_by_side, signed_difference

_STYLE = """body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:70em;color:#1d1d22}
table{border-collapse:collapse;margin:.6em 0 1.4em}th,td{padding:.25em .8em;text-align:right;
border-bottom:1px solid #d5d5de}th:first-child,td:first-child{text-align:left}
th{border-bottom:2px solid #8a8a99}.sanity{color:#777}
img{max-width:100%;image-rendering:pixelated}"""


def write_report(evaluations: Sequence[Evaluation], folder: Path | str) -> list[Path]:
    """Write ``report.csv``, ``report.html`` and one PNG per evaluation into `folder`.

    The folder is made; files of these names are replaced. The page holds its pictures itself.

    Returns
    -------
    list of Path
        The files written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [_png(panel(evaluation)) for evaluation in evaluations]
    table, page = folder / "report.csv", folder / "report.html"
    _write_csv(evaluations, table)
    page.write_text(_page(evaluations, pictures), encoding="utf-8")
    paths = [table, page]
    for evaluation, picture in zip(evaluations, pictures, strict=True):
        slug = re.sub(r"[^0-9a-z]+", "-", evaluation.protocol.name.lower()).strip("-")
        paths.append(folder / f"{slug}.png")
        paths[-1].write_bytes(picture)
    return paths


def panel(evaluation: Evaluation) -> Picture:
    """Return a picture: each slide's input, results and sharp image, the differences below."""
    rows = []
    for slide, crops in evaluation.crops.items():
        sharp = crops[-1][1]
        first = [(f"{slide}\n" + crops[0][0].replace("\n", ", "), crops[0][1]), *crops[1:]]
        differences = [("minus sharp, x4", signed_difference(c, sharp)) for _, c in crops[:-1]]
        rows.append(side_by_side(first, width=240))
        rows.append(side_by_side(differences, columns=len(crops), width=240))
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


def _page(evaluations: Sequence[Evaluation], pictures: Sequence[bytes]) -> str:
    """Return one page that needs no other file: tables, notes, pictures."""
    parts = [_section(e, p) for e, p in zip(evaluations, pictures, strict=True)]
    warning = "Magnified and sharpened images are generated: for research, not for diagnosis."
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Evaluation</title>'
        f"<style>{_STYLE}</style>{''.join(parts)}<p>{warning}</p></html>\n"
    )


def _section(evaluation: Evaluation, picture: bytes) -> str:
    protocol = evaluation.protocol
    body = [f"<h1>{escape(protocol.name)}</h1><p>{escape(protocol.note)}</p>"]
    body += [f"<h2>{escape(s)}</h2>{_table(evaluation, s)}" for s in evaluation.slides]
    refusals = [f"<li>{escape(m)}: {escape(why)}</li>" for m, why in evaluation.refused.items()]
    if refusals:
        body.append(f"<h2>Refused</h2><ul>{''.join(refusals)}</ul>")
    image = base64.b64encode(picture).decode()
    alt = "input, results, sharp image and differences"
    body.append(f'<img alt="{alt}" src="data:image/png;base64,{image}">')
    return "".join(body)


def _table(evaluation: Evaluation, slide: str) -> str:
    head = "".join(f'<th title="{escape(c.meaning)}">{escape(c.head)}</th>' for c in COLUMNS)
    rows = []
    for summary in (s for s in evaluation.summaries() if s.slide == slide):
        cells = "".join(f"<td>{escape(c.cell(summary))}</td>" for c in COLUMNS)
        rows.append(f"<tr{_dim(summary)}>{cells}</tr>")
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _dim(summary: Summary) -> str:
    return ' class="sanity"' if summary.method == BLACK or summary.mse == 0 else ""


def _width(column: Column) -> int:
    return 40 if column.key == "method" else len(column.head) + 1


def _write_csv(evaluations: Sequence[Evaluation], path: Path) -> None:
    names = [f.name for f in fields(Row) if f.name != "tiles"]
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["protocol", *names, "refused"])
        for evaluation in evaluations:
            for row in evaluation.rows:
                values = [getattr(row, name) for name in names]
                why = evaluation.refused.get(row.method, "")
                table.writerow([evaluation.protocol.name, *values, why])


def _png(picture: Picture) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()
