"""The page of a report: what is in it, and its HTML, which needs no other file."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medrefine.compare.bootstrap import Difference, paired_difference
from napari_medrefine.compare.columns import COLUMNS
from napari_medrefine.compare.evaluate import (
    BLACK,
    IDENTITY,
    NOTHING,
    Evaluation,
    Summary,
)
from napari_medrefine.compare.gallery import Strip
from napari_medrefine.compare.metrics import psnr_of
from napari_medrefine.compare.protocols import STUDY_MSE
from napari_medrefine.compare.study import STUDY_FILTERS, Table4
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, sha256_of

if TYPE_CHECKING:
    import jinja2

TEMPLATE = "report.html.jinja"
_HASHED = 200_000_000  # pixels up to which an image is hashed
ALL = "all slides"
RIVALS = ("bicubic", "back-projection", NOTHING)


@dataclass(frozen=True, slots=True)
class Input:
    """Where a number comes from: an image, by its name, its pixels' SHA-256 and its shape."""

    role: str
    name: str
    sha256: str
    shape: str

    @classmethod
    def of(cls, role: str, name: str, image: Image) -> Input:
        """Describe `image`; one that is lazy and too large to be read at once gets no hash."""
        shape = " x ".join(str(n) for n in image.shape)
        large = image.shape[0] * image.shape[1] > _HASHED
        sha256 = "not computed: too large" if large else sha256_of(np.asarray(image))
        return cls(role, name, sha256, f"{shape} {image.dtype}")


@dataclass(frozen=True, eq=False)
class Facts:
    """What a report says beside the numbers.

    Attributes
    ----------
    title, summary : str
        Heading, and what came out in words.
    ours : tuple of str
        Which methods are networks.
    notes : mapping
        Protocol's name -> sentences.
    inputs : sequence of Input
        Every image that was measured on.
    cards : sequence of mapping
        The model card of each network, as names and values.
    strips : mapping
        Protocol's name -> rows of pictures.
    study : Table4 or None
        The study's Table 4.
    tuned_on : str
        What the tuned filters were tuned on.
    """

    title: str = "Evaluation"
    summary: str = ""
    ours: tuple[str, ...] = ("faithful", "GAN")
    notes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    inputs: Sequence[Input] = ()
    cards: Sequence[Mapping[str, str]] = ()
    strips: Mapping[str, Sequence[Strip]] = field(default_factory=dict)
    study: Table4 | None = None
    tuned_on: str = ""


@dataclass(frozen=True, slots=True)
class Compared:
    """A paired difference in PSNR."""

    slide: str
    method: str
    other: str
    found: Difference


def overall(evaluation: Evaluation) -> list[Summary]:
    """Return each method's means over the slides, each slide with the same weight.

    PSNR of the worst tiles is that of the mean of the slides' worst errors.
    """
    found = []
    for method in evaluation.methods:
        each = [evaluation.summary(slide, method) for slide in evaluation.slides]
        means: dict[str, Any] = {
            f.name: float(np.mean([getattr(s, f.name) for s in each]))
            for f in fields(Summary)
            if f.name not in ("slide", "method", "images")
        }
        worst = np.mean([255**2 / 10 ** (s.worst_psnr / 10) for s in each])
        means["worst_psnr"] = psnr_of(float(worst))
        found.append(Summary(ALL, method, sum(s.images for s in each), **means))
    return found


def comparisons(evaluation: Evaluation, ours: Sequence[str]) -> list[Compared]:
    """Return by how much each network is nearer than bicubic, back-projection and the best filter.

    Paired image by image; by slide, and over all slides, where these are drawn too. The best filter
    comes last.
    """
    plain = [s for s in overall(evaluation) if s.method not in (*ours, IDENTITY, BLACK)]
    if not plain:
        return []
    best = max(plain, key=lambda s: s.psnr).method
    rivals = [*(r for r in RIVALS if r in evaluation.methods and r != best), best]
    slides = [*([None] if len(evaluation.slides) > 1 else []), *evaluation.slides]
    found = []
    for method in (m for m in ours if m in evaluation.methods):
        for other in rivals:
            for slide in slides:
                try:
                    gain = paired_difference(evaluation.rows, method, other, slide=slide)
                except MedRefineError:
                    continue
                found.append(Compared(slide or ALL, method, other, gain))
    return found


def render_page(
    evaluations: Sequence[Evaluation],
    facts: Facts,
    panels: Sequence[bytes],
    charts: Sequence[bytes],
) -> str:
    """Return the page; every picture is inside it, and everything from names is escaped."""
    from napari_medrefine import __version__

    parts = [
        {
            "evaluation": e,
            "notes": facts.notes.get(e.protocol.name, (e.protocol.note,)),
            "tables": _tables(e),
            "compared": comparisons(e, facts.ours),
            "strips": facts.strips.get(e.protocol.name, ()),
            "panel": _inside(panel),
            "chart": _inside(chart),
        }
        for e, panel, chart in zip(evaluations, panels, charts, strict=True)
    ]
    return _template().render(
        facts=facts,
        parts=parts,
        columns=COLUMNS,
        version=__version__,
        study_filters=STUDY_FILTERS,
        study_mse=STUDY_MSE,
        sanity=(IDENTITY, BLACK),
        png=_strip_png,
    )


def _tables(evaluation: Evaluation) -> list[tuple[str, list[Summary]]]:
    """Return a table over all slides, where there are several, and one for each."""
    each: dict[str, list[Summary]] = {slide: [] for slide in evaluation.slides}
    for summary in evaluation.summaries():
        each[summary.slide].append(summary)
    tables = list(each.items())
    if len(tables) > 1:
        tables.insert(
            0, (f"All {len(tables)} slides, each with the same weight", overall(evaluation))
        )
    return tables


def _strip_png(picture: Any) -> str:
    from napari_medrefine.compare.visuals import png_of

    return _inside(png_of(picture))


def _inside(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


@cache
def _template() -> jinja2.Template:
    import jinja2  # here: measuring does not need it

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = files("napari_medrefine.compare").joinpath(TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(text)
