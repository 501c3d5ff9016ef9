"""Magnifying or sharpening a slide into an OME-Zarr pyramid, block by block."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

from dask.delayed import Delayed

from napari_medrefine._atomic import cannot, going_on
from napari_medrefine._cluster import client_for
from napari_medrefine._paths import check_no_input, is_folder
from napari_medrefine.errors import MedRefineError
from napari_medrefine.io.ome_zarr import begin, part_of
from napari_medrefine.io.ome_zarr_attributes import Version, metadata_of
from napari_medrefine.io.pyramid_writer import check_target, replacing_folder
from napari_medrefine.io.slides import Slide, open_slide
from napari_medrefine.io.zarr_pyramid import Block, ZarrPyramid
from napari_medrefine.progress import Step
from napari_medrefine.provenance import inputs_of
from napari_medrefine.slides.block_job import BlockJob, close
from napari_medrefine.slides.cluster import sent
from napari_medrefine.slides.graph import graph_of, run_here, run_on
from napari_medrefine.superres.recipe import Recipe

BLOCK = 2048  # pixels of the result a side
_PIECE = 2**24  # bytes hashed between two steps


def magnify_slide_steps(
    source: str | Path,
    output: str | Path,
    recipe: Recipe,
    *,
    overwrite: bool = False,
    version: Version = "0.5",
    client: Any = None,
) -> Generator[Step, None, Path]:
    """Do what `recipe` says to a slide of any size, into an OME-Zarr pyramid.

    Memory is bounded by a block. The picture appears at `output` when it is complete; until then it
    is in the folder ``output.part``, which is kept when the job is stopped or killed: the same call
    goes on with it, to the same result.

    Parameters
    ----------
    source : str or Path
        What `open_slide` reads.
    output : str or Path
        The folder to make, ``NAME.ome.zarr`` by custom.
    recipe : napari_medrefine.superres.recipe.Recipe
        What to do: task, scale, realism, strength, model, consistency.
    overwrite : bool
        Replace `output` if it exists.
    version : {"0.5", "0.4"}
        Of OME-NGFF.
    client : distributed.Client or False, optional
        A Dask cluster whose workers see both files under the same names, and make the blocks.
        Default: the client that is current in this process, if there is one; False: none.

    Returns
    -------
    Path
        `output`.

    Raises
    ------
    MedRefineError
        If the slide cannot be read, the model not be used, or the output not be written, or is the
        slide itself.
    """
    client = client_for(client)
    source, output = Path(source).absolute(), Path(output).absolute()
    check_no_input(output, [source])
    with open_slide(source) as slide:
        yield Step(0, 1, "Looking at the slide ...")
        from napari_medrefine.superres.magnified import Magnified

        picture = Magnified(slide.levels[0], recipe, rgb=slide.rgb)
        pixel_um, origin = placed_um(slide, picture.shape)
        check_target(output, picture, pixel_um, overwrite)
        facts = yield from _facts(slide, recipe, picture.fingerprint())
    attributes = metadata_of(
        output.name,
        picture,
        pixel_um,
        version,
        facts,
        None if slide.rgb else slide.channels,
        origin=origin,
    )
    part = part_of(output)
    with going_on(part) as share, replacing_folder(output, part) as folder:
        begin(folder, picture, version, attributes)
        pyramid = ZarrPyramid(folder, picture.shape, BLOCK)
        theirs = recipe if client is None else sent(client, recipe)
        weights = tuple(one["sha256"] for one in facts["weights"])
        job = BlockJob(source, folder, theirs, picture.told, BLOCK, weights)
        tasks = graph_of(job, pyramid)
        done, doing = 0, f"{recipe.task}ing"
        yield Step(done, len(tasks), doing)
        with closing(_blocks(job, tasks, client)) as blocks:
            for block in blocks:
                done += block is not None
                share[0] = done / len(tasks)
                yield Step(done, len(tasks), doing)
        for _ in pyramid.check_whole():
            yield Step(done, len(tasks), "Looking whether all is written")
    return output


def placed_um(
    slide: Slide, shape: tuple[int, ...]
) -> tuple[tuple[float, float] | None, tuple[float, float]]:
    """Return sides and origin of the pixels of `shape` that divide a slide: its edges stay."""
    if slide.sides_um is None:
        return None, (0.0, 0.0)
    old = slide.sides_um
    given = slide.levels[0].shape
    high, wide = (side * before / now for side, before, now in zip(old, given, shape, strict=False))
    top, left = slide.origin_um
    return (high, wide), (top + (high - old[0]) / 2, left + (wide - old[1]) / 2)


def _blocks(
    job: BlockJob, tasks: list[Delayed], client: Any
) -> Generator[Block | None, None, None]:
    """Yield each block once it is made, and None now and then while waiting."""
    if client is not None:
        yield from run_on(client, tasks)
        return
    try:
        yield from run_here(tasks)
    finally:
        close(job)


def _facts(slide: Slide, recipe: Recipe, fingerprint: str) -> Generator[Step, None, dict[str, Any]]:
    """Return what the result says of itself; a file's hash takes a second per gigabyte."""
    from napari_medrefine.superres.made import made_facts

    sha256 = yield from _hashed(slide.path)
    hashes = (("file", sha256), ("windows", fingerprint))
    inputs = inputs_of(slide.path.name, hashes, shape=slide.levels[0].shape)
    return made_facts(recipe, slide.path.name, inputs) | {
        "objective": slide.objective,
    }


def _hashed(path: Path) -> Generator[Step, None, str | None]:
    """Return the SHA-256 of a file; None of a folder."""
    if is_folder(path):
        return None
    digest = hashlib.sha256()
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
                yield Step(file.tell(), size, f"Reading {path.name}")
    except OSError as error:
        raise MedRefineError(cannot("read", path, error)) from error
    return digest.hexdigest()
