"""Measure methods against sharp images: one row per image and method, and what follows from them.

``evaluate_steps(samples, protocol, methods)`` is all a caller needs; a method is any function
``(image, scale) -> image``, so this module knows no network. Three rows are always there as a
sanity check: the sharp image itself, a black image, and the input as it is ("do nothing").
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sized
from dataclasses import dataclass, field

import numpy as np

from napari_medrefine.compare import filters, metrics
from napari_medrefine.compare.clock import Clock
from napari_medrefine.compare.filters import Floats
from napari_medrefine.compare.metrics import Mask
from napari_medrefine.compare.protocols import PROTOCOLS, Protocol
from napari_medrefine.compare.rows import Row, Summary, counted, means_of, pooled
from napari_medrefine.compare.visuals import Picture, as_picture
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, check_image, to_unit, white_level, whites_of
from napari_medrefine.progress import Step

__all__ = [
    "PROTOCOLS",
    "Evaluation",
    "Method",
    "Protocol",
    "Row",
    "Sample",
    "Summary",
    "baselines",
    "evaluate_steps",
]

Method = Callable[[Image, float], Image]
IDENTITY, BLACK, NOTHING = "the sharp image itself", "black", "do nothing"
SANITY = (IDENTITY, BLACK, NOTHING)
_TOLD = {BLACK: "a black image, as a check", NOTHING: "the input, untouched"}  # while they run
_CROP = 120  # sharp pixels of each slide's first image that are kept for the report


@dataclass(frozen=True, slots=True)
class Sample:
    """One image to measure on.

    Attributes
    ----------
    name, slide : str
        Which image, from which slide; means are taken by slide.
    sharp : image
        The truth.
    given : image, optional
        What the methods get, `sharp` then being taken as it is; made from `sharp` by the protocol
        where it is None.
    mask : (H, W) bool array, optional
        Which pixels of `sharp` count, as for a photo that lies askew; default all.
    ready : mapping of name to float image
        Results that are there already, white at 1; measured before the methods.
    """

    name: str
    slide: str
    sharp: Image
    given: Image | None = None
    mask: Mask | None = None
    ready: Mapping[str, Image] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The result: rows, what was refused and why, and crops to look at.

    Attributes
    ----------
    protocol : Protocol
        How the inputs were made.
    rows : tuple of Row
        Everything measured, also of refused methods.
    refused : dict
        Method -> one sentence; such a method is in no summary.
    crops : dict
        Slide -> (label, picture) of its first image: input, each method, the sharp image.
    pooled : bool
        Whether the images are parts of one picture: then a `Summary` is over all their pixels, not
        a mean of the images' own numbers.
    """

    protocol: Protocol
    rows: tuple[Row, ...]
    refused: dict[str, str]
    crops: dict[str, tuple[tuple[str, Picture], ...]]
    pooled: bool = False

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that were measured and not refused, in the order given."""
        return tuple(m for m in dict.fromkeys(r.method for r in self.rows) if m not in self.refused)

    @property
    def slides(self) -> tuple[str, ...]:
        """The slides, in the order given, without those that are blank on every image."""
        return tuple(dict.fromkeys(r.slide for r in counted(self.rows)))

    @property
    def blank(self) -> int:
        """How many images are blank: they are in no mean, nor in any difference."""
        return len({(row.slide, row.image) for row in self.rows if row.blank})

    def summaries(self) -> tuple[Summary, ...]:
        """Return one `Summary` per slide and method."""
        return tuple(self.summary(s, m) for s in self.slides for m in self.methods)

    def summary(self, slide: str, method: str) -> Summary:
        """Return the means of `method` on `slide`.

        Raises
        ------
        MedRefineError
            If there are none.
        """
        rows = [r for r in self.rows if (r.slide, r.method) == (slide, method)]
        if not rows:
            raise MedRefineError(f"Nothing was measured for {method} on {slide}.")
        rows = rows if self.pooled else list(counted(rows))
        means = pooled(rows) if self.pooled else means_of(rows)
        tiles = np.sort(np.concatenate([r.tiles for r in rows]))[::-1]
        worst = float(tiles[: max(1, round(0.05 * len(tiles)))].mean())
        seconds = float(np.mean([r.seconds for r in rows]))
        return Summary(
            slide,
            method,
            len(rows),
            **means,
            worst_psnr=metrics.psnr_of(worst),
            seconds=seconds,
        )


_SANITY: dict[str, Method] = {
    IDENTITY: filters.nearest,  # never called: the sharp image stands in for its result
    BLACK: lambda image, scale: np.zeros_like(filters.nearest(image, scale)),
    NOTHING: filters.nearest,
}


def evaluate_steps(
    samples: Iterable[Sample],
    protocol: Protocol,
    methods: Mapping[str, Method],
    *,
    total: int | None = None,
    sanity: Collection[str] = SANITY,
) -> Generator[Step, None, Evaluation]:
    """Measure every method on every sample; yield a `Step` per image and method.

    Parameters
    ----------
    samples : iterable of Sample
        May load each image as it is asked for.
    protocol : Protocol
        One of `PROTOCOLS`, or your own.
    methods : mapping of name to ``(image, scale) -> image``
        Given float32 with white at 1 (the values of an image rounded to its dtype), and asked for
        floats of the sharp image's size; the results are then rounded to its dtype. `baselines`
        has the plain filters.
    total : int, optional
        How many samples there are, where `samples` has no length.
    sanity : collection of str
        Which rows of `SANITY` are measured too; black always is.

    Returns
    -------
    Evaluation
        A method is refused, with a reason, if it returns another shape or range, or if it is no
        better than a black image.

    Raises
    ------
    MedRefineError
        If there are no samples, or one holds no image or an input of the wrong size; what a method
        raises comes through.
    """
    total = (len(samples) if isinstance(samples, Sized) else 0) if total is None else total
    checks = {name: method for name, method in _SANITY.items() if name in {BLACK, *sanity}}
    rows: list[Row] = []
    refused: dict[str, str] = {}
    crops: dict[str, tuple[tuple[str, Picture], ...]] = {}
    clock = Clock()
    for n, sample in enumerate(samples):
        given, sharp = prepared(sample, protocol)
        seen = to_unit(given)
        everything = checks | _ready(sample.ready) | dict(methods)
        shown: list[tuple[str, Picture]] = []
        for k, (name, method) in enumerate(everything.items()):
            steps = max(total, n + 1) * len(everything)
            left = clock.begin(name, [*everything][k:], max(total, n + 1) - n - 1)
            said = f"{sample.name}: {_TOLD.get(name, name)}{left}"
            yield Step(n * len(everything) + k, steps, said)
            start = time.perf_counter()
            exact = to_unit(sharp) if name == IDENTITY else method(seen, protocol.scale)
            seconds = time.perf_counter() - start
            try:
                result = _rounded(exact, sharp)
                contradiction = _contradiction(exact, seen, protocol, sample.mask)
                row = _measured(sample, name, result, sharp, contradiction, seconds)
            except MedRefineError as error:
                refused.setdefault(name, str(error))
                continue
            rows.append(row)
            if name not in (IDENTITY, BLACK):
                shown.append((f"{name}\n{row.psnr:.2f} dB", _crop(result)))
        crops.setdefault(sample.slide, (*shown, ("sharp", _crop(sharp))))
    if not rows:
        raise MedRefineError("There are no images to evaluate.")
    refused = _no_better_than_black(rows) | refused
    return Evaluation(protocol, tuple(rows), refused, crops)


def baselines(protocol: Protocol) -> dict[str, Method]:
    """Return the plain filters at their defaults that fit the protocol."""
    if protocol.scale > 1:
        return {
            "bicubic": filters.bicubic,
            "Lanczos": filters.lanczos,
            "back-projection": filters.back_projection,
        }
    return {
        "unsharp mask": lambda image, _: filters.unsharp_mask(image),
        "Richardson-Lucy": lambda image, _: filters.richardson_lucy(image),
        "Wiener": lambda image, _: filters.wiener(image),
    }


def prepared(sample: Sample, protocol: Protocol) -> tuple[Image, Image]:
    """Return what the methods get, and the sharp image they are measured against.

    8 bits stay what they are. Others become floats with white at 1, told once for both: the darker
    one by itself may seem to have another white.

    Raises
    ------
    MedRefineError
        If one is no image, the image is too small, or the input's size does not fit.
    """
    sharp = check_image(sample.sharp, f"image {sample.name}")
    if min(sharp.shape[:2]) < 16 * protocol.multiple:
        raise MedRefineError(
            f"{sample.name} is too small to evaluate on: {sharp.shape[:2]} pixels."
        )
    if sample.given is None:
        sharp = _levels(sharp, white_level(sharp))
        h, w = (n // protocol.multiple * protocol.multiple for n in sharp.shape[:2])
        sharp = protocol.prepare(sharp[:h, :w])
        return protocol.degrade(sharp), sharp
    given = check_image(sample.given, f"input of {sample.name}")
    whites = whites_of(given, sharp)
    given, sharp = _levels(given, whites[0]), _levels(sharp, whites[1])
    if sample.mask is not None and sample.mask.shape != sharp.shape[:2]:
        raise MedRefineError(f"The mask of {sample.name} has another size than its sharp image.")
    if tuple(round(n * protocol.scale) for n in given.shape[:2]) != sharp.shape[:2]:
        raise MedRefineError(
            f"The input of {sample.name} has {given.shape[:2]} pixels, its sharp image "
            f"{sharp.shape[:2]}: that is not x{protocol.scale:g}."
        )
    return given, sharp


def _levels(image: Image, white: float) -> Image:
    if image.dtype == np.uint8:
        return image
    unit = to_unit(image, white)
    return np.minimum(unit, 1) if image.dtype.kind == "u" else unit  # hot pixels are white


def _rounded(exact: Image, sharp: Image) -> Image:
    """Return a method's floats in the dtype of `sharp`.

    Raises
    ------
    MedRefineError
        If their shape is not that of `sharp`, or their white not at 1.
    """
    check_image(exact, "result")
    if exact.shape != sharp.shape:
        raise MedRefineError(f"It returns shape {exact.shape} where {sharp.shape} was asked for.")
    if exact.dtype.kind != "f" or white_level(exact) != 1:
        raise MedRefineError(f"It returns {exact.dtype} with another white than its input, 1.")
    white = white_level(sharp)
    scaled = np.asarray(exact, np.float32) * np.float32(white)
    if sharp.dtype.kind == "f":
        return np.asarray(scaled, sharp.dtype)
    return np.asarray(np.clip(np.rint(scaled), 0, white), sharp.dtype)


def _measured(
    sample: Sample, name: str, result: Image, sharp: Image, contradiction: float, seconds: float
) -> Row:
    result, sharp, mask = _around(result, sharp, sample.mask)
    error = metrics.mse(result, sharp, mask)
    return Row(
        image=sample.name,
        slide=sample.slide,
        method=name,
        mse=error,
        psnr=metrics.psnr_of(error),
        ssim=metrics.ssim(result, sharp, mask),
        detail=metrics.high_frequency_ratio(result, sharp, mask),
        colour=metrics.colour_difference(result, sharp, mask),
        shift=metrics.mean_shift(result, sharp, mask),
        consistency=contradiction,
        seconds=seconds,
        tiles=tuple(metrics.tile_errors(result, sharp, mask=mask).tolist()),
        pixels=int(sharp.shape[0] * sharp.shape[1] if mask is None else mask.sum()),
        fine=metrics.fine_energy(sharp, mask),
    )


def _around(result: Image, sharp: Image, mask: Mask | None) -> tuple[Image, Image, Mask | None]:
    """Return all three cut to what counts and its surroundings: the rest need not be computed."""
    if mask is None or mask.all():
        return result, sharp, None
    lines = [np.flatnonzero(mask.any(axis)) for axis in (1, 0)]
    if not lines[0].size:
        raise MedRefineError("No pixel of it counts.")
    rows, cols = (slice(max(0, line[0] - 8), line[-1] + 9) for line in lines)
    return result[rows, cols], sharp[rows, cols], mask[rows, cols]


def _ready(results: Mapping[str, Image]) -> dict[str, Method]:
    def given(image: Image) -> Method:
        return lambda *_: image

    return {name: given(image) for name, image in results.items()}


def _contradiction(exact: Image, seen: Floats, protocol: Protocol, mask: Mask | None) -> float:
    again = protocol.reduce(np.asarray(exact, np.float32))
    apart = np.abs(_without_alpha(again) - _without_alpha(seen))
    if mask is not None:  # a result may be there already, and end where it is not asked for
        counts = protocol.reduce(np.asarray(mask, np.float32)) > 0.99
        apart = apart[counts] if counts.any() else apart
    return float(255 * apart.mean())


def _without_alpha(image: Floats) -> Floats:
    return image[..., :3] if image.ndim == 3 else image


def _no_better_than_black(rows: list[Row]) -> dict[str, str]:
    """Return the methods whose error over all images is that of a black image, or larger."""
    errors: dict[str, list[float]] = {}
    for row in rows:
        errors.setdefault(row.method, []).append(row.mse)
    # A result of 0..1 written into 0..255 is a shade better than black: hence not quite 1.
    limit = 0.95 * float(np.mean(errors[BLACK]))
    reason = "It is no better than a black image, so its range or its place must be wrong."
    bad = [name for name, values in errors.items() if np.mean(values) >= limit and name != BLACK]
    return dict.fromkeys(bad, reason)


def _crop(image: Image) -> Picture:
    picture = as_picture(image)
    top, left = (max(0, (n - _CROP) // 2) for n in picture.shape[:2])
    return picture[top : top + _CROP, left : left + _CROP].copy()
