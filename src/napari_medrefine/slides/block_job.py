"""One block of a magnified slide: what any process can make that sees the files."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from napari_medrefine.errors import MedRefineError
from napari_medrefine.io.slides import Slide, open_slide
from napari_medrefine.io.zarr_pyramid import Block, ZarrPyramid
from napari_medrefine.slides.cluster import received
from napari_medrefine.superres.recipe import Recipe

if TYPE_CHECKING:
    from napari_medrefine.superres.magnified import Magnified, Told

_MOST_OPEN = 2  # jobs of which a process keeps the slide open between two blocks
# A network uses all cores by itself: two at once would only need more memory.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True, slots=True)
class BlockJob:
    """What is the same for all blocks of a slide.

    Attributes
    ----------
    source : Path
        The slide.
    folder : Path
        The OME-Zarr picture that is being written.
    recipe : Recipe
        What to do.
    told : tuple of Told
        How the slide was made; see `Magnified`.
    side : int
        Pixels of a block.
    weights : tuple of str
        The SHA-256 of those that `recipe` stands for.
    number : str
        No two jobs have the same: the same files may hold something else by the next one.
    """

    source: Path
    folder: Path
    recipe: Recipe
    told: tuple[Told, ...]
    side: int
    weights: tuple[str, ...]
    number: str = field(default_factory=lambda: uuid.uuid4().hex)


def make_block(job: BlockJob, block: Block, *_: Block) -> Block:
    """Make one block and write it, unless it is there; safe to be done twice.

    Parameters
    ----------
    job : BlockJob
    block : Block
    *_
        The finer blocks that it is made from, made before.
    """
    with _ONE_AT_A_TIME:
        opened = _opened(job)
        if not opened.pyramid.has(block):
            opened.pyramid.write(block, opened.picture)
    return block


def close(job: BlockJob) -> None:
    """Close what this process has open for a job that is over."""
    with _ONE_AT_A_TIME:
        if job in _OPEN:
            _OPEN.pop(job).slide.close()


@dataclass(frozen=True, slots=True)
class _Opened:
    slide: Slide
    picture: Magnified
    pyramid: ZarrPyramid


_OPEN: dict[BlockJob, _Opened] = {}


def _opened(job: BlockJob) -> _Opened:
    """Return what a job works with; of other processes' jobs nobody tells when they are over."""
    if job not in _OPEN:
        while len(_OPEN) >= _MOST_OPEN:
            _OPEN.pop(next(iter(_OPEN))).slide.close()
        _OPEN[job] = _open(job)
    return _OPEN[job]


def _open(job: BlockJob) -> _Opened:
    from napari_medrefine.superres.magnified import Magnified
    from napari_medrefine.superres.models import weights_of

    recipe = received(job.recipe)
    here = weights_of(recipe.task, recipe.realism, recipe.model)
    if tuple(one["sha256"] for one in here) != job.weights:
        raise MedRefineError(
            f"The weights {recipe.model or 'that ship'} are not those that the job began with "
            "where a block is made: was the file replaced, or is another version installed there?"
        )
    slide = open_slide(job.source)
    try:
        picture = Magnified(slide.levels[0], recipe, rgb=slide.rgb, told=job.told)
        return _Opened(slide, picture, ZarrPyramid(job.folder, picture.shape, job.side))
    except BaseException:
        slide.close()
        raise
