"""Pictures that a network made: the same again, block by block.

A computer that computes in bfloat16 rounds otherwise than one with float32: of the shipped models
that was measured to change a value by 3 of 255 at most, and by 0.1 on average. So much is let pass
where the two differ, and one grey level where they do not.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, white_level, white_of
from napari_medrefine.io.slides import open_slide
from napari_medrefine.photos import read_photo, write_image
from napari_medrefine.progress import Step
from napari_medrefine.provenance import Input, Provenance
from napari_medrefine.superres.made import recipe_of
from napari_medrefine.superres.recipe import Recipe
from napari_medrefine.verify.inputs import Folders, find_file, find_photo
from napari_medrefine.verify.report import Report

BLOCK = 512  # pixels of the result a side
SAMPLE = 12  # blocks that are made again unless all are asked for
WHITE = 255.0


@dataclass(frozen=True)
class Allowed:
    """How far pixels may be apart, in 255ths of white: at most, and on average."""

    most: float
    mean: float


SAME_PRECISION, OTHER_PRECISION = Allowed(1.0, 0.05), Allowed(6.0, 0.25)


@dataclass
class Apart:
    """How far the pixels seen so far are apart, in 255ths of white."""

    most: float = 0.0
    total: float = 0.0
    count: int = 0

    def add(self, found: Image, again: Image, white: float) -> None:
        """Compare two parts."""
        apart = np.abs(found.astype(np.float64) - again.astype(np.float64)) * (WHITE / white)
        self.most = max(self.most, float(apart.max()))
        self.total, self.count = self.total + float(apart.sum()), self.count + apart.size

    @property
    def mean(self) -> float:
        """On average."""
        return self.total / max(self.count, 1)


def check_weights(made: Provenance, recipe: Recipe, report: Report) -> bool:
    """Return whether the weights are those that were used; report what is so."""
    from napari_medrefine.superres.models import weights_of

    try:
        now = weights_of(recipe.task, recipe.realism, recipe.model)
    except MedRefineError as error:
        report.problems.append(f"The weights are missing: {error}")
        return False
    wanted, there = {one.sha256 for one in made.weights}, {one["sha256"] for one in now}
    names = ", ".join(one.name for one in made.weights)
    if wanted != there:
        report.problems.append(f"The weights {names} are others than those that were used.")
        return False
    report.confirmed.append(f"The weights {names} are those that were used.")
    return True


def verify_photo(
    path: Path, made: Provenance, folders: Folders, report: Report
) -> Generator[Step, None, None]:
    """Make a photo again as a whole, as such a file holds it, and compare."""
    from napari_medrefine.superres.api import generate_steps

    recipe = recipe_of(made, folders.places)
    one = only(made)
    source = find_photo(folders, one.name, one.sha256, report)
    if not check_weights(made, recipe, report) or source is None:
        return
    again = yield from generate_steps(source, recipe)
    with tempfile.TemporaryDirectory() as folder:  # as the file's format rounds it
        copy = Path(folder) / f"again{path.suffix}"
        write_image(copy, again)
        again = read_photo(copy).image
    found = read_photo(path).image
    if found.shape != again.shape or found.dtype != again.dtype:
        report.problems.append(other_kind(found, again))
        return
    apart = Apart()
    apart.add(found, again, white_level(found))
    judge(apart, made, report, "The whole picture")


def verify_pixels(
    pixels: Any,
    made: Provenance,
    folders: Folders,
    report: Report,
    *,
    everything: bool,
    seed: int = 0,
) -> Generator[Step, None, None]:
    """Make parts of a picture of any size again, or all of it, and compare.

    Parameters
    ----------
    pixels : array
        What the file holds, perhaps lazily: ``(H, W)`` or ``(H, W, channels)``.
    """
    from napari_medrefine.superres.magnified import Magnified

    recipe = recipe_of(made, folders.places)
    source, rgb = _source(made, folders, report)
    if not check_weights(made, recipe, report) or source is None:
        return
    yield Step(0, 1, "Looking at the input ...")
    again = Magnified(source, recipe, rgb=rgb)
    if not _same_windows(made, again, report):
        return
    found = tuple(pixels.shape)
    if found != again.shape or np.dtype(pixels.dtype) != again.dtype:
        report.problems.append(other_kind(pixels, again))
        return
    blocks = list(_blocks(found[:2]))
    chosen = blocks if everything else _sample(blocks, seed)
    white, apart = white_of(source), Apart()
    for done, (rows, cols) in enumerate(chosen):
        yield Step(done, len(chosen), "Making it again")
        part = np.asarray(pixels[rows, cols])
        apart.add(part, again[rows, cols], white)
    share = (
        "All of it"
        if len(chosen) == len(blocks)
        else f"A sample of {len(chosen)} of {len(blocks)} blocks (--all takes all)"
    )
    judge(apart, made, report, share)


def only(made: Provenance) -> Input:
    """Return what a picture was made from; of one input there may be several hashes."""
    if not made.inputs:
        raise MedRefineError("The provenance names no input.")
    return made.inputs[0]


def _source(
    made: Provenance, folders: Folders, report: Report
) -> tuple[npt.NDArray[Any] | Any | None, bool]:
    """Return the pixels that it was made from, and whether they are colours."""
    one = only(made)
    if one.of == "pixels":
        rows, cols = (slice(*span) if span else slice(None) for span in (one.rows, one.cols))
        if one.level:
            report.problems.append(
                f"It was made from level {one.level} of {one.name}, which is not found again."
            )
            return None, True
        image = find_photo(folders, one.name, one.sha256, report, lambda image: image[rows, cols])
        return (None if image is None else image[rows, cols]), True
    sha256 = next((x.sha256 for x in made.inputs if x.of == "file"), None)
    path = find_file(folders, one.name, sha256, report)
    if path is None:
        return None, True
    slide = open_slide(path)
    return slide.levels[0], slide.rgb


def _same_windows(made: Provenance, again: Any, report: Report) -> bool:
    """Return whether the windows of a large input are those that they were, if that is noted."""
    noted = next((x.sha256 for x in made.inputs if x.of == "windows"), None)
    if noted is None:
        return True
    if again.fingerprint() != noted:
        report.problems.append("The input has other pixels than it had.")
        return False
    report.confirmed.append("The input has the pixels that it had (in windows all over it).")
    return True


def _blocks(size: Sequence[int]) -> Iterator[tuple[slice, slice]]:
    for top in range(0, size[0], BLOCK):
        for left in range(0, size[1], BLOCK):
            yield slice(top, min(top + BLOCK, size[0])), slice(left, min(left + BLOCK, size[1]))


def _sample(blocks: list[tuple[slice, slice]], seed: int) -> list[tuple[slice, slice]]:
    if len(blocks) <= SAMPLE:
        return blocks
    chosen = np.random.default_rng(seed).choice(len(blocks), SAMPLE, replace=False)
    return [blocks[number] for number in sorted(chosen)]


def other_kind(found: Any, again: Any) -> str:
    """Return the sentence for a result of another shape or dtype."""
    return (
        f"It is {tuple(found.shape)} {found.dtype}, and made again {tuple(again.shape)} "
        f"{again.dtype}."
    )


def judge(apart: Apart, made: Provenance, report: Report, what: str) -> None:
    """Report how far `what` is from what was made again, and whether that may be."""
    from napari_medrefine.superres.precision import inference_precision

    here = inference_precision()
    now = f"{here.device} {here.dtype}"
    same = made.computed in ("", now)
    allowed = SAME_PRECISION if same else OTHER_PRECISION
    far = f"pixels differ by at most {apart.most:.2f} of 255, on average by {apart.mean:.3f}"
    if apart.most == 0:
        report.confirmed.append(f"{what} was made again: identical.")
    elif apart.most <= allowed.most and apart.mean <= allowed.mean:
        why = "rounding" if same else f"rounding: made on {made.computed}, verified on {now}"
        report.confirmed.append(f"{what} was made again: {far} ({why}).")
    else:
        report.problems.append(f"{what} was made again: {far}.")
