"""What is read of a layer to be magnified: a photo at once, a stack plane by plane."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, check_image, sha256_of
from napari_medrefine.progress import Step
from napari_medrefine.superres.planes import Stack, StackHash
from napari_medrefine.widgets._geometry import Layer
from napari_medrefine.widgets._regions import Region


@dataclass(frozen=True)
class Source:
    """A part of a layer, and how it is known again.

    Attributes
    ----------
    image : array or Stack
        A photo; or channels, sections or times, which stay where they are.
    shape : tuple of int
        In the order of the layer's axes.
    sha256 : str
        Of a photo, see `sha256_of`; of a stack, see `provenance.Input.planes`.
    """

    image: Image | Stack
    shape: tuple[int, ...]
    sha256: str


def read_steps(layer: Layer, region: Region) -> Generator[Step, None, Source]:
    """Read a part of a layer, and refuse what holds no picture; a stack is read plane by plane."""
    yield Step(0, 1, f"Reading '{layer.name}' ...")
    if region.planes:
        return (yield from _stack_steps(layer, region))
    image = check_image(np.asarray(region.cut(layer)), _what(layer))
    if _is_even(image):
        raise _even(layer)
    return Source(image, image.shape, sha256_of(image))


def _stack_steps(layer: Layer, region: Region) -> Generator[Step, None, Source]:
    """Look at every plane before the network runs: it may take long to come to the last one."""
    stack = Stack(region.cut(layer), tuple(sorted(region.planes)))
    digest, even = StackHash(stack.counts), True
    for number, plane in enumerate(stack):
        image = check_image(plane, _what(layer))
        digest.add(image)
        even = even and _is_even(image)
        text = f"Reading '{layer.name}', plane {number + 1} of {stack.count}"
        yield Step(number + 1, stack.count, text)
    if even:
        raise _even(layer)
    return Source(stack, tuple(int(n) for n in stack.data.shape), digest.value())


def _what(layer: Layer) -> str:
    return f"chosen part of '{layer.name}'"


def _is_even(image: Image) -> bool:
    return bool(image.min() == image.max())


def _even(layer: Layer) -> MedRefineError:
    return MedRefineError(
        f"The chosen part of '{layer.name}' is one even colour; choose a part with tissue."
    )
