"""An evaluation as files: a CSV with every row, a picture, and one self-contained HTML page."""

from __future__ import annotations

import base64
import csv
import html
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from napari_medrefine.compare.evaluate import Evaluation
from napari_medrefine.compare.metrics import METRICS
from napari_medrefine.compare.visuals import Picture, side_by_side

CROP = 256  # pixels on a side that are shown of each image
STUDY_NOTE = """\
The study reports a mean squared error of 40463.4 for filter sharpening and 64.15 for its network.
The first cannot be an error per pixel on 0-255: its root is 201 grey levels, more than between a
typical slide and a black image. Comparing an image on 0-255 with a filter's output on 0-1 gives
numbers of that size. Here every image is on 0-255 and every error is per pixel and channel; the
row "black" shows what an image without any content would get."""
CAUTION = "Generated images are for research, not for diagnosis."


def write_report(evaluations: Sequence[Evaluation], folder: Path) -> None:
    """Write ``rows.csv``, a numbered PNG per kept picture, and a self-contained ``report.html``."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_csv(evaluations, folder / "rows.csv")
    parts = [f"<p>{html.escape(CAUTION)}</p>"]
    number = 0
    for evaluation in evaluations:
        parts.append(f"<h2>{html.escape(evaluation.protocol.name)}</h2>")
        parts.append(_html_table(evaluation))
        if evaluation.protocol.same_size:
            parts.append(f"<p>{html.escape(STUDY_NOTE)}</p>")
        for name, picture in _pictures(evaluation).items():
            number += 1
            Pillow.fromarray(picture).save(folder / f"picture-{number}.png")
            parts.append(f"<h3>{html.escape(name)}</h3>{_html_picture(picture)}")
    (folder / "report.html").write_text(_PAGE.format(body="\n".join(parts)), encoding="utf-8")


def text_table(evaluation: Evaluation) -> str:
    """Return the means over all slides as a table for the terminal."""
    header, *rows = _table(evaluation)
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = [
        "  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True))
        for row in (header, *rows)
    ]
    return "\n".join([evaluation.protocol.name, *lines])


def _table(evaluation: Evaluation) -> list[list[str]]:
    """Return header and rows: each method by slide, then over all slides with its worst images."""
    table = [["slide", "method", *METRICS, "worst 5 % MSE"]]
    for slide in (*evaluation.slides, None):
        for method in evaluation.methods:
            values = [f"{evaluation.mean(method, metric, slide):.3f}" for metric in METRICS]
            worst = f"{evaluation.worst(method):.1f}" if slide is None else ""
            table.append([slide or "all", method, *values, worst])
    return table


def _write_csv(evaluations: Sequence[Evaluation], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["protocol", "slide", "image", "method", *METRICS])
        for evaluation in evaluations:
            for row in evaluation.rows:
                values = [row.values[metric] for metric in METRICS]
                writer.writerow(
                    [evaluation.protocol.name, row.slide, row.name, row.method, *values]
                )


def _pictures(evaluation: Evaluation) -> dict[str, Picture]:
    pictures = {}
    for name, shown in evaluation.pictures.items():
        height, width = shown["sharp"].shape[:2]
        top, left = max(0, (height - CROP) // 2), max(0, (width - CROP) // 2)
        part = (slice(top, top + CROP), slice(left, left + CROP))
        seen = {label: image[part] for label, image in shown.items() if label != "black"}
        pictures[name] = side_by_side(seen)
    return pictures


def _html_table(evaluation: Evaluation) -> str:
    header, *rows = _table(evaluation)
    tips = {name: text for name, (_, text) in METRICS.items()}
    head = "".join(
        f'<th title="{html.escape(tips.get(c, ""))}">{html.escape(c)}</th>' for c in header
    )
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _html_picture(picture: Picture) -> str:
    buffer = io.BytesIO()
    Pillow.fromarray(np.ascontiguousarray(picture)).save(buffer, "PNG")
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img src="data:image/png;base64,{data}">'


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>napari-medrefine: evaluation</title>
<style>body {{font: 15px sans-serif; margin: 2em; max-width: 110em}} img {{max-width: 100%}}
td, th {{padding: 2px 10px; text-align: right; border-bottom: 1px solid #ccc}}</style></head>
<body><h1>Evaluation</h1>
{body}
</body></html>
"""
