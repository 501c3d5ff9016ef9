"""Every method on every image of a test set, under one protocol.

Methods are given as functions, so that this package knows no network.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from napari_medrefine.compare import filters
from napari_medrefine.compare.metrics import METRICS
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image
from napari_medrefine.progress import Step

Method = Callable[[Image, float], Image]
"""``method(image, scale)`` returns the image enlarged `scale` times (1: sharpened)."""

BORDER = 8  # pixels left out on every side, where methods differ only in how they pad


@dataclass(frozen=True, slots=True)
class Sample:
    """A sharp uint8 ``(H, W, 3)`` image, its name, and the slide it comes from."""

    name: str
    slide: str
    sharp: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Protocol:
    """How the sharp image is degraded, and what the methods are asked to do.

    Attributes
    ----------
    name : str
        As it appears in tables.
    factor : int
        Sides are reduced by this, averaging areas.
    same_size : bool
        Whether the reduced image is interpolated back before the methods see it; they then sharpen
        at scale 1, as in the study. Otherwise they magnify by `factor`.
    """

    name: str
    factor: int
    same_size: bool

    @property
    def scale(self) -> int:
        """What the methods are asked for: 1 (sharpen) or `factor` (magnify)."""
        return 1 if self.same_size else self.factor

    def degrade(self, sharp: npt.NDArray[np.uint8]) -> Image:
        """Return what the methods are given."""
        small = filters.enlarge(sharp, 1 / self.factor, Pillow.Resampling.BOX)
        return filters.bicubic(small, self.factor) if self.same_size else small

    def crop(self, sharp: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return `sharp` cut to a multiple of `factor`."""
        height, width = (n - n % self.factor for n in sharp.shape[:2])
        return sharp[:height, :width]


PROTOCOLS = {
    "study": Protocol("study: halved, enlarged again, sharpened", 2, same_size=True),
    "x2": Protocol("x2: reduced by area averaging, magnified", 2, same_size=False),
    "x4": Protocol("x4: reduced by area averaging, magnified", 4, same_size=False),
}


@dataclass(frozen=True, slots=True)
class Row:
    """The metrics of one method on one image."""

    name: str
    slide: str
    method: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Evaluation:
    """All rows of one protocol, and a few pictures."""

    protocol: Protocol
    rows: Sequence[Row]
    pictures: Mapping[str, Mapping[str, Image]] = field(default_factory=dict)

    @property
    def methods(self) -> list[str]:
        """The methods, in the order they were given."""
        return list(dict.fromkeys(row.method for row in self.rows))

    @property
    def slides(self) -> list[str]:
        """The slides, in order."""
        return sorted({row.slide for row in self.rows})

    def mean(self, method: str, metric: str, slide: str | None = None) -> float:
        """Return a metric's mean over a slide's images, or over all slides, each counting once."""
        if slide is None:
            return float(np.mean([self.mean(method, metric, one) for one in self.slides]))
        return float(
            np.mean([r.values[metric] for r in self.rows if (r.method, r.slide) == (method, slide)])
        )

    def worst(self, method: str, share: float = 0.05) -> float:
        """Return the mean MSE of the worst `share` of all images (one at least)."""
        errors = sorted((r.values["MSE"] for r in self.rows if r.method == method), reverse=True)
        return float(np.mean(errors[: max(1, round(share * len(errors)))]))


def baselines(protocol: Protocol) -> dict[str, Method]:
    """Return what has to stand beside a network: doing nothing, filters, and a black image.

    A method that is worse than black is broken, or was given another range of values.
    """
    if protocol.same_size:
        return {
            "do nothing": lambda image, _: image,
            "black": lambda image, _: np.zeros_like(image),
            "unsharp mask": lambda image, _: filters.unsharp_mask(image),
            "Richardson-Lucy": lambda image, _: filters.richardson_lucy(image),
            "Wiener": lambda image, _: filters.wiener(image),
        }
    return {
        "bicubic": filters.bicubic,
        "black": lambda image, scale: np.zeros_like(filters.bicubic(image, scale)),
        "Lanczos": filters.lanczos,
        "back-projection": filters.back_projection,
    }


def evaluate_steps(
    samples: Iterable[Sample],
    protocol: Protocol,
    methods: Mapping[str, Method],
    *,
    total: int = 0,
    pictures: int = 3,
) -> Generator[Step, None, Evaluation]:
    """Measure `methods` on `samples`.

    Parameters
    ----------
    samples : iterable of Sample
        Read one by one: only one image is held at a time.
    protocol : Protocol
        One of `PROTOCOLS`.
    methods : mapping
        Name to method.
    total : int
        How many samples there are, for the progress report.
    pictures : int
        Of how many samples the methods' pictures are kept.

    Raises
    ------
    MedRefineError
        If there are no samples, or a method returns an image of another size.
    """
    rows: list[Row] = []
    kept: dict[str, Mapping[str, Image]] = {}
    done = 0
    for done, sample in enumerate(samples, 1):
        sharp = protocol.crop(sample.sharp)
        degraded = protocol.degrade(sharp)
        shown: dict[str, Image] = {}
        for name, method in methods.items():
            yield Step(done - 1, max(total, done), f"{sample.name}: {name}")
            shown[name] = method(degraded, protocol.scale)
            rows.append(Row(sample.name, sample.slide, name, _measure(shown[name], sharp, name)))
        if len(kept) < pictures:
            kept[sample.name] = {**shown, "sharp": sharp}
    if not done:
        raise MedRefineError("There is no image to evaluate.")
    yield Step(done, done, "done")
    return Evaluation(protocol, rows, kept)


def _measure(image: Image, sharp: Image, method: str) -> dict[str, float]:
    if image.shape != sharp.shape:
        raise MedRefineError(
            f"{method} returned an image of shape {image.shape} where {sharp.shape} was asked for."
        )
    inner = (slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    if min(sharp.shape[:2]) < 4 * BORDER:
        raise MedRefineError(f"An image of {sharp.shape[:2]} pixels is too small to evaluate.")
    return {name: measure(image[inner], sharp[inner]) for name, (measure, _) in METRICS.items()}
