"""Stacks that a network made plane by plane: a few planes, or all, made again."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import check_image, white_level
from napari_medrefine.io._session_files import layers_of
from napari_medrefine.progress import Step
from napari_medrefine.provenance import Input, Provenance
from napari_medrefine.superres.made import recipe_of
from napari_medrefine.superres.planes import Stack, StackHash
from napari_medrefine.verify.inputs import Folders, not_known
from napari_medrefine.verify.pictures import Apart, check_weights, judge, only, other_kind, sample
from napari_medrefine.verify.report import Report

SAMPLE = 3  # planes that are made again, unless all are asked for


def verify_stack(
    pixels: Any, made: Provenance, folders: Folders, report: Report, *, everything: bool
) -> Generator[Step, None, None]:
    """Make planes of a stack again, and compare.

    Parameters
    ----------
    pixels : array
        What the file holds, perhaps lazily.
    """
    from napari_medrefine.superres.api import generate_steps

    recipe = recipe_of(made, folders.places)
    stack = yield from _source_steps(only(made), folders, report)
    if not check_weights(made, recipe, report) or stack is None:
        return
    places, apart = list(stack.places()), Apart()
    if len(pixels.shape) != len(stack.data.shape):
        report.problems.append(
            f"It was made plane by plane from a stack, {only(made).name}, and is no such stack: "
            f"its shape is {tuple(pixels.shape)}."
        )
        return
    for where in places if everything else sample(places, SAMPLE):
        plane = check_image(np.asarray(stack.data[where]), "plane of the input")
        again = yield from generate_steps(plane, recipe)
        found = np.asarray(pixels[where]) if _has(pixels, where) else plane[:0]
        if found.shape != again.shape or found.dtype != again.dtype:
            report.problems.append(other_kind(found, again))
            return
        apart.add(found, again, white_level(plane))
    few = not everything and len(places) > SAMPLE
    share = f"A sample of {SAMPLE} of {len(places)} planes (--all takes all)"
    judge(apart, made, report, share if few else "All of it")
    report.remarks.append("Its pixel size was not compared.")


def _has(pixels: Any, where: tuple[int | slice, ...]) -> bool:
    each = zip(where, pixels.shape, strict=True)
    return all(isinstance(part, slice) or part < length for part, length in each)


def _source_steps(
    one: Input, folders: Folders, report: Report
) -> Generator[Step, None, Stack | None]:
    """Return the part of the stack that was used, if it has the pixels that it had."""
    problem = f"The input {one.name} is not there; say where with --inputs."
    if one.level:
        problem = f"It was made from level {one.level} of {one.name}, which is not found again."
    for path in () if one.level else folders.called(one.name):
        problem = (
            f"It was made plane by plane from a stack, and {path.name} holds none with the pixels "
            "that it had."
        )
        for stack in _stacks_in(path, one):
            digest = StackHash(stack.counts)
            for number, plane in enumerate(stack):
                yield Step(number, stack.count, f"Reading {path.name}")
                digest.add(plane)
            if one.sha256 is None:
                report.remarks.append(not_known(path.name))
                return stack
            if digest.value() == one.sha256:
                report.confirmed.append(f"The input {path.name} has the pixels that it had.")
                return stack
    report.problems.append(problem)
    return None


def _stacks_in(path: Path, one: Input) -> Iterator[Stack]:
    """Yield the parts of a file's layers that may be the part that was used."""
    try:
        layers = layers_of(path, None)
    except MedRefineError:
        return
    planes = dict(one.planes or {})
    for data, attributes, _ in layers:
        pixels = data[0] if isinstance(data, list) else data
        channels = attributes.get("channel_axis")
        if channels is not None and len(planes) == 1:  # of others' files: a layer for each
            pixels = np.moveaxis(pixels, channels, next(iter(planes)))
        part = _part(pixels, one, planes)
        if part is not None and tuple(part.shape) == one.shape:
            yield Stack(part, tuple(sorted(planes)))


def _part(pixels: Any, one: Input, planes: dict[int, tuple[int, int]]) -> Any:
    count = len(pixels.shape)
    if count != len(one.shape) or max(planes) >= count:
        return None
    spans = iter((one.rows, one.cols))
    where = []
    for axis in range(count):
        span = planes[axis] if axis in planes else next(spans, None)
        where.append(slice(None) if span is None else slice(*span))
    return pixels[tuple(where)]
