"""A procedural H&E slide: one scene in micrometres, photographed anywhere at any magnification."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_medrefine.errors import MedRefineError
from napari_medrefine.samples.camera import (
    Objective,
    SlidePhoto,
    exposed,
    focused,
    objective_of,
    photo_matrix,
)
from napari_medrefine.samples.cells import Cells, Doubles, joined, stromal_cells, uncrowded
from napari_medrefine.samples.noise import Floats, grain
from napari_medrefine.samples.organs import Organ, organs, paint, residents, taken
from napari_medrefine.samples.stamps import Window, stamp
from napari_medrefine.samples.tissue import Ground, Tissue, covered, stroma

# Optical densities (base e; R, G, B) of haematoxylin, eosin and red blood cells, one unit each.
_STAINS = np.array([[0.72, 0.88, 0.40], [0.17, 0.85, 0.42], [0.20, 0.80, 0.85]], np.float32)
_REACH_UM = 200.0  # no gland or vessel is larger
_TILE = 384  # output pixels rendered at once, so that memory stays bounded


@dataclass(frozen=True)
class _Scene:
    tissue: Tissue
    organs: list[Organ]
    nuclei: Cells
    red_cells: Cells

    @property
    def places(self) -> Doubles:
        """(y, x) of each organ."""
        return np.array([organ.place for organ in self.organs]).reshape(-1, 2)


class Slide:
    """A slide of our own, made from a seed: the same seed is the same slide, everywhere.

    Parameters
    ----------
    seed : int
        Which slide; 0 or more.
    size_um : tuple of float
        Height and width of the scene; outside is whatever the fields say, without cells.

    Raises
    ------
    MedRefineError
        If the seed is negative.
    """

    def __init__(self, seed: int = 0, size_um: tuple[float, float] = (3435.0, 4480.0)) -> None:
        if seed < 0:
            raise MedRefineError(f"The seed of a slide must be 0 or more, not {seed}.")
        self.seed = seed
        self.size_um = size_um
        rng = np.random.default_rng(seed)
        tissue = Tissue(seed, size_um)
        bodies = organs(tissue, rng)
        lodgers = [residents(body, rng) for body in bodies]
        stromal = stromal_cells(tissue, taken(bodies, size_um), rng)
        self._scene = _Scene(
            tissue,
            bodies,
            uncrowded(joined([*(nuclei for nuclei, _ in lodgers), stromal])),
            joined([stromal.chosen(slice(0, 0)), *(red for _, red in lodgers)]),
        )

    def photograph(
        self,
        objective: float = 4,
        *,
        centre_um: tuple[float, float] | None = None,
        degrees: float = 0.0,
        shape: tuple[int, int] = (1024, 1344),
        pixel_um: float | None = None,
        defocus_um: float = 0.0,
        noise: float = 1.5,
        seed: int = 0,
    ) -> SlidePhoto:
        """Take one photo.

        Parameters
        ----------
        objective : {4, 10, 40}
            Magnification; sets the aperture (0.10, 0.25, 0.65) and the nominal pixel size.
        centre_um : (y, x), optional
            Where the photo's middle lies on the slide; default the slide's middle.
        degrees : float
            How the camera is turned; positive sends a row, walked to the right, down.
        shape : (H, W)
            Pixels of the photo.
        pixel_um : float, optional
            True pixel size; default the nominal 1.25, 0.5 or 0.125 um.
        defocus_um : float
            Distance from the plane of focus.
        noise : float
            Standard deviation of the camera noise at white, in grey levels of 255.
        seed : int
            For this photo's light, white balance and noise; two photos of one place differ.

        Returns
        -------
        SlidePhoto

        Raises
        ------
        MedRefineError
            On an unknown objective, an empty shape, or a pixel size that is not positive.
        """
        lens = objective_of(objective)
        if min(shape) < 1:
            raise MedRefineError(f"A photo of {shape[0]} x {shape[1]} pixels has no pixels.")
        pixel = lens.pixel_um if pixel_um is None else pixel_um
        if not pixel > 0:
            raise MedRefineError(f"A pixel size of {pixel:g} um is none; it must be positive.")
        centre = (self.size_um[0] / 2, self.size_um[1] / 2) if centre_um is None else centre_um
        matrix = photo_matrix(centre, degrees, shape, pixel)
        light = self._light(matrix, shape, pixel, lens, defocus_um)
        rng = np.random.default_rng([self.seed, seed, round(10 * objective)])
        return SlidePhoto(exposed(light, noise, rng), lens.magnification, pixel, matrix)

    def _light(
        self,
        matrix: Doubles,
        shape: tuple[int, int],
        pixel_um: float,
        lens: Objective,
        defocus_um: float,
    ) -> Floats:
        """Return the light (white at 1) that reaches each pixel, tile by tile."""
        factor, blur = lens.supersampling, lens.blur_um(defocus_um)
        sigma = blur * factor / pixel_um
        margin = int(np.ceil(4 * sigma)) + 1
        light = np.empty((*shape, 3), np.float32)
        for top in range(0, shape[0], _TILE):
            for left in range(0, shape[1], _TILE):
                h, w = min(_TILE, shape[0] - top), min(_TILE, shape[1] - left)
                fine = np.diag([1 / factor, 1 / factor, 1.0])
                # Sample (0, 0) lies `margin` samples before the first sample of pixel (top, left).
                fine[:2, 2] = np.array([top, left]) - (margin + (factor - 1) / 2) / factor
                size = (h * factor + 2 * margin, w * factor + 2 * margin)
                through = self._transmission(Window(matrix @ fine, size, blur))
                light[top : top + h, left : left + w] = focused(through, sigma, factor, margin)
        return light

    def _transmission(self, window: Window) -> Floats:
        """Return the share of red, green and blue light that passes each sample of `window`."""
        scene, edge = self._scene, 0.5 * window.pitch
        ground = self._ground(window)
        stains = np.zeros((3, *window.shape), np.float32)
        stains[0] = 0.04 * ground.thickness
        stains[1] = stroma(ground, self.seed, window.blur_um)
        for k in np.flatnonzero(window.near(scene.places, _REACH_UM)):
            _paint_into(stains, scene.organs[k], window)
        density, cover = stamp(scene.nuclei, window)
        red, red_cover = stamp(scene.red_cells, window)
        stains[1] *= (1 - np.float32(0.55) * cover) * (1 - np.float32(0.8) * red_cover)
        mottle = self._mottle(window)
        stains[0] += density * np.clip(1.7 * mottle - 0.7, 0.3, 2)  # chromatin is coarser
        stains[2] += red
        stains *= covered(ground, self.seed, edge) * mottle
        light: Floats = np.exp(-np.einsum("shw,sc->hwc", stains, _STAINS, optimize=True))
        return light

    def _ground(self, window: Window) -> Ground:
        """Evaluate the broad fields about every 2.5 um and interpolate linearly between."""
        every = max(1, int(2.5 / window.pitch))
        h, w = ((n - 1) // every + 2 for n in window.shape)
        rows, cols = np.meshgrid(np.arange(h) * every, np.arange(w) * every, indexing="ij")
        coarse = self._scene.tissue.ground(*window.points(rows, cols))
        fields = (
            coarse.across,
            coarse.along,
            coarse.inside,
            coarse.cellular,
            coarse.glandular,
            coarse.thickness,
        )
        return Ground(*(_enlarged(f, every, window.shape) for f in fields))

    def _mottle(self, window: Window) -> Floats:
        """Return fine unevenness of every stain (protein granules), where it can be seen."""
        rows, cols = np.mgrid[: window.shape[0], : window.shape[1]]
        y, x = window.points(rows, cols)
        mottle = np.ones(window.shape, np.float32)
        for k, (wavelength, share) in enumerate(((3.1, 0.20), (1.3, 0.24), (0.55, 0.24))):
            if np.exp(-2 * (np.pi * window.blur_um / (2 * wavelength)) ** 2) > 0.04:
                cos, sin = np.cos(1.1 * k + 0.4), np.sin(1.1 * k + 0.4)
                turned = (y * cos + x * sin, x * cos - y * sin)
                mottle += share * grain(*turned, (wavelength, wavelength), 100 * self.seed + 61 + k)
        return mottle


def _paint_into(stains: Floats, organ: Organ, window: Window) -> None:
    middle, reach = window.samples(np.array([organ.place]))[0], (organ.reach + 2) / window.pitch
    low = np.maximum(np.floor(middle - reach), 0).astype(int)
    high = np.minimum(np.ceil(middle + reach) + 1, window.shape).astype(int)
    if (low < high).all():
        rows, cols = np.mgrid[low[0] : high[0], low[1] : high[1]]
        part = stains[:, low[0] : high[0], low[1] : high[1]]
        paint(organ, *window.points(rows, cols), part, 0.5 * window.pitch)


def _enlarged(field: Floats, factor: int, shape: tuple[int, int]) -> Floats:
    """Interpolate a grid of every `factor`-th sample linearly to all samples."""
    for axis in (0, 1):
        at = np.arange(shape[axis]) / factor
        low = at.astype(np.int64)
        part = (at - low).astype(np.float32).reshape((-1, 1) if axis == 0 else (1, -1))
        first, second = np.take(field, low, axis), np.take(field, low + 1, axis)
        field = first + part * (second - first)
    return field
