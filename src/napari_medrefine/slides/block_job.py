"""One block of a magnified slide: what any process can make that sees the files."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from napari_medrefine.io.slides import open_slide
from napari_medrefine.io.zarr_pyramid import Block, ZarrPyramid
from napari_medrefine.slides.cluster import received
from napari_medrefine.superres.recipe import Recipe

if TYPE_CHECKING:
    from napari_medrefine.superres.magnified import Magnified, Told

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
    """

    source: Path
    folder: Path
    recipe: Recipe
    told: tuple[Told, ...]
    side: int


def make_block(job: BlockJob, block: Block, *_: Block) -> Block:
    """Make one block and write it, unless it is there; safe to be done twice.

    Parameters
    ----------
    job : BlockJob
    block : Block
    *_
        The finer blocks that it is made from, made before.
    """
    picture, pyramid = _opened(job)
    if not pyramid.has(block):
        with _ONE_AT_A_TIME:
            pyramid.write(block, picture)
    return block


@lru_cache(maxsize=2)
def _opened(job: BlockJob) -> tuple[Magnified, ZarrPyramid]:
    from napari_medrefine.superres.magnified import Magnified

    slide = open_slide(job.source)
    picture = Magnified(slide.levels[0], received(job.recipe), rgb=slide.rgb, told=job.told)
    return picture, ZarrPyramid(job.folder, picture.shape, job.side)
