"""A microscope's objective and camera: blur, light, white balance, noise, and the photo itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from napari_medrefine.errors import MedRefineError
from napari_medrefine.samples.cells import Doubles
from napari_medrefine.samples.noise import Floats

_WAVELENGTH_UM = 0.55


@dataclass(frozen=True, slots=True)
class Objective:
    """What an objective and its camera adapter are.

    Attributes
    ----------
    magnification : float
        4, 10 or 40.
    aperture : float
        Numerical aperture.
    pixel_um : float
        Nominal size of a camera pixel on the slide, micrometres.
    supersampling : int
        Samples drawn per pixel side; 1 where the blur alone prevents aliasing.
    """

    magnification: float
    aperture: float
    pixel_um: float
    supersampling: int

    def blur_um(self, defocus_um: float = 0.0) -> float:
        """Return the sigma of its blur on the slide.

        In focus the Gaussian nearest to the wide-field spot, 0.225 wavelength / aperture (Zhang,
        Zerubia & Olivo-Marin 2007); out of focus the cone of light adds a disc, whose sigma is
        half its radius.
        """
        cone = np.tan(np.arcsin(self.aperture)) * abs(defocus_um) / 2
        return float(np.hypot(0.225 * _WAVELENGTH_UM / self.aperture, cone))


OBJECTIVES = {
    4: Objective(4.0, 0.10, 1.25, 2),
    10: Objective(10.0, 0.25, 0.5, 1),
    40: Objective(40.0, 0.65, 0.125, 1),
}


def objective_of(magnification: float) -> Objective:
    """Return the objective of a magnification.

    Raises
    ------
    MedRefineError
        If there is none.
    """
    if magnification not in OBJECTIVES:
        raise MedRefineError(f"There is no {magnification:g}x objective; take 4, 10 or 40.")
    return OBJECTIVES[int(magnification)]


@dataclass(frozen=True, eq=False)
class SlidePhoto:
    """One photo of a slide, and the truth about where it was taken.

    Attributes
    ----------
    image : (H, W, 3) uint8 array
        The picture.
    objective : float
        Magnification.
    pixel_um : float
        Size of a pixel on the slide, micrometres.
    matrix_to_slide : (3, 3) float64 array
        ``(y, x, 1) = matrix @ (row, col, 1)``: pixel centres to micrometres on the slide.
    """

    image: npt.NDArray[np.uint8]
    objective: float
    pixel_um: float
    matrix_to_slide: Doubles


def field_to_overview(field: SlidePhoto, overview: SlidePhoto) -> Doubles:
    """Return the true 3x3 matrix that takes (row, col, 1) of `field` to `overview`.

    Both must be photos of one slide.
    """
    return np.asarray(np.linalg.solve(overview.matrix_to_slide, field.matrix_to_slide), np.float64)


def photo_matrix(
    centre_um: tuple[float, float], degrees: float, shape: tuple[int, int], pixel_um: float
) -> Doubles:
    """Return the matrix to the slide of a photo whose middle lies at `centre_um` (y, x)."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix: Doubles = np.eye(3)
    matrix[:2, :2] = pixel_um * np.array([[cos, sin], [-sin, cos]])
    middle = (np.array(shape) - 1) / 2
    matrix[:2, 2] = np.array(centre_um) - matrix[:2, :2] @ middle
    return matrix


def focused(light: Floats, sigma: float, factor: int, margin: int) -> Floats:
    """Blur ``(h, w, 3)`` light, cut `margin` samples off each side, and bin `factor` x `factor`."""
    blurred = ndi.gaussian_filter(light, (sigma, sigma, 0), mode="nearest", truncate=4.0)
    cut = blurred[margin : light.shape[0] - margin, margin : light.shape[1] - margin]
    h, w = cut.shape[0] // factor, cut.shape[1] // factor
    binned: Floats = cut.reshape(h, factor, w, factor, 3).mean((1, 3), dtype=np.float32)
    return binned


def exposed(light: Floats, noise: float, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Return the camera's picture of `light` (white at 1): vignetting, white balance, noise."""
    h, w = light.shape[:2]
    tilt = rng.normal(0, 0.012, 2)
    row, col = np.linspace(-1, 1, h)[:, None], np.linspace(-1, 1, w)[None, :]
    fall_off = rng.uniform(0.03, 0.07)
    shade = 1 - fall_off * (row**2 + col**2) / 2 + tilt[0] * row + tilt[1] * col
    balance = rng.uniform(0.945, 0.965) + rng.normal(0, 0.006, 3)
    seen = light * (255 * shade[..., None] * balance).astype(np.float32)
    # Photon noise grows with the square root of the light; `noise` is that of white.
    grainy = rng.standard_normal(seen.shape, np.float32) * np.float32(noise)
    seen += grainy * np.sqrt(np.maximum(light, np.float32(0.05)))
    image: npt.NDArray[np.uint8] = np.clip(np.rint(seen), 0, 255).astype(np.uint8)
    return image
