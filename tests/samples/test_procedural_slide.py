"""The procedural slide: one scene at every magnification, with a truth one can rely on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage as ndi

from napari_medrefine.errors import MedRefineError
from napari_medrefine.samples import Slide, SlidePhoto, field_to_overview

BLUR_UM = {4: 0.225 * 0.55 / 0.10, 10: 0.225 * 0.55 / 0.25, 40: 0.225 * 0.55 / 0.65}
SMALL = (900.0, 1100.0)


@pytest.fixture(scope="module")
def slides() -> dict[int, Slide]:
    return {seed: Slide(seed, SMALL) for seed in (0, 5)}


def density(photo: SlidePhoto) -> npt.NDArray[np.float64]:
    light = np.maximum(photo.image[..., 1].astype(float), 1) / 255
    return -np.log(light)


def misplacement(field: SlidePhoto, overview: SlidePhoto) -> tuple[float, float]:
    """Lay the field on the overview by the truth; return the shift left over (px) and the NCC."""
    sigma_um = np.sqrt(BLUR_UM[int(overview.objective)] ** 2 - BLUR_UM[int(field.objective)] ** 2)
    reduced = ndi.gaussian_filter(density(field), sigma_um / field.pixel_um)
    truth = field_to_overview(field, overview)
    target = density(overview)
    at = np.argwhere(np.ones_like(target, bool)) @ np.linalg.inv(truth)[:2, :2].T
    at = (at + np.linalg.inv(truth)[:2, 2]).T.reshape(2, *target.shape)
    border = 4 * sigma_um / field.pixel_um
    inside = np.all(
        [(at[k] > border) & (at[k] < reduced.shape[k] - 1 - border) for k in (0, 1)], axis=0
    )
    warped = ndi.map_coordinates(reduced, at, order=3, mode="nearest")
    # One Gauss-Newton step of shift, gain and bias, on densities.
    down, right = np.gradient(warped)
    system = np.column_stack([g[inside] for g in (down, right, warped, np.ones_like(warped))])
    solution = np.linalg.lstsq(system, target[inside], rcond=None)[0]
    shift = float(np.hypot(*(solution[:2] / solution[2])))
    return shift, float(np.corrcoef(warped[inside], target[inside])[0, 1])


@pytest.mark.parametrize(
    ("seed", "objective", "under", "degrees", "pixel_um", "shape"),
    [
        (0, 40, 4, 0.0, 0.125, (900, 1000)),
        (0, 40, 4, 7.0, 0.1275, (900, 1000)),
        (5, 40, 4, -33.0, 0.125, (900, 1000)),
        (5, 10, 4, 171.0, 0.495, (400, 420)),
        (0, 40, 10, 4.0, 0.125, (640, 700)),
    ],
)
def test_the_truth_places_a_field_within_a_twentieth_of_a_pixel(
    slides: dict[int, Slide],
    seed: int,
    objective: int,
    under: int,
    degrees: float,
    pixel_um: float,
    shape: tuple[int, int],
) -> None:
    centre = (430.0, 610.0)
    overview = slides[seed].photograph(under, centre_um=centre, shape=(300, 330), degrees=2.0)
    field = slides[seed].photograph(
        objective,
        centre_um=(centre[0] + 9.3, centre[1] - 14.1),
        degrees=degrees,
        pixel_um=pixel_um,
        shape=shape,
        seed=1,
    )
    shift, ncc = misplacement(field, overview)
    assert shift < 0.05
    assert ncc > 0.97


def test_the_truth_is_exact_geometry(slides: dict[int, Slide]) -> None:
    overview = slides[0].photograph(4, centre_um=(450, 550), shape=(9, 11))
    field = slides[0].photograph(40, centre_um=(450, 550), shape=(21, 31), degrees=90)
    truth = field_to_overview(field, overview)
    np.testing.assert_allclose(truth @ [10, 15, 1], [4, 5, 1], atol=1e-9)  # middle on middle
    # A positive angle sends a row, walked to the right, down.
    np.testing.assert_allclose(truth @ [10, 25, 1], [5, 5, 1], atol=1e-9)


def test_the_same_seed_is_the_same_slide(slides: dict[int, Slide]) -> None:
    place = {"centre_um": (500.0, 500.0), "shape": (80, 90)}
    again = Slide(5, SMALL).photograph(10, **place).image
    np.testing.assert_array_equal(again, slides[5].photograph(10, **place).image)
    assert np.abs(again.astype(int) - slides[0].photograph(10, **place).image).mean() > 10


def test_two_photos_of_one_place_differ_as_photos_do(slides: dict[int, Slide]) -> None:
    one, two = (
        slides[0].photograph(10, centre_um=(450, 500), shape=(200, 220), seed=k).image.astype(int)
        for k in (1, 2)
    )
    difference = one - two
    assert 1 < np.abs(difference).mean() < 12
    assert np.corrcoef(one.ravel(), two.ravel())[0, 1] > 0.98


def test_defocus_takes_detail_away_and_noise_adds_it(slides: dict[int, Slide]) -> None:
    def detail(**options: float) -> float:
        image = slides[0].photograph(40, centre_um=(450, 500), shape=(240, 240), **options).image
        grey = image.astype(float).mean(-1)
        return float((grey - ndi.gaussian_filter(grey, 1.5)).var())

    assert detail(noise=0, defocus_um=2) < 0.6 * detail(noise=0) < 0.6 * detail(noise=6)


def test_a_higher_objective_shows_more(slides: dict[int, Slide]) -> None:
    """The 40x resolves what the 10x has lost: fine energy in micrometres, not in pixels."""
    sharp, coarse = (
        density(slides[0].photograph(o, centre_um=(430, 520), shape=s, noise=0, seed=3))
        for o, s in ((40, (640, 640)), (10, (160, 160)))
    )
    coarse = ndi.zoom(coarse, 4, order=3, grid_mode=True, mode="nearest")
    fine = [(d - ndi.gaussian_filter(d, 4))[40:-40, 40:-40].var() for d in (sharp, coarse)]
    assert fine[0] > 1.4 * fine[1]


def test_it_is_stained_like_h_and_e(slides: dict[int, Slide]) -> None:
    image = slides[0].photograph(10, centre_um=(450, 550), shape=(500, 600)).image.astype(float)
    red, green, blue = np.moveaxis(image, -1, 0)
    tissue = green < 215
    assert 0.4 < tissue.mean() < 0.995
    assert (red[tissue] > green[tissue]).mean() > 0.9  # pink and purple, never green
    nuclei = red < np.percentile(red, 3)
    assert (blue[nuclei] > red[nuclei]).mean() > 0.8
    assert np.percentile(image.min(-1), 99.5) > 215  # lumina and clefts are white


def test_nothing_repeats(slides: dict[int, Slide]) -> None:
    """Away from itself the overview resembles itself nowhere: registration has one right answer."""
    image = density(slides[0].photograph(4, shape=(512, 512), noise=0))
    band = ndi.gaussian_filter(image, 1) - ndi.gaussian_filter(image, 8)
    tile = band[192:320, 192:320]
    score = np.fft.irfft2(np.fft.rfft2(band) * np.conj(np.fft.rfft2(tile, band.shape)))
    energy = ndi.uniform_filter(band**2, 128, origin=-64)[:384, :384] * 128**2
    ncc = score[:384, :384] / np.sqrt(energy * (tile**2).sum())
    assert ncc[192, 192] == pytest.approx(1, abs=0.02)
    ncc[184:201, 184:201] = 0
    assert ncc.max() < 0.3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": 20}, "no 20x objective"),
        ({"shape": (0, 5)}, "no pixels"),
        ({"pixel_um": 0.0}, "pixel size"),
    ],
)
def test_impossible_photos_are_refused(
    slides: dict[int, Slide], options: dict[str, object], message: str
) -> None:
    with pytest.raises(MedRefineError, match=message):
        slides[0].photograph(**options)  # type: ignore[arg-type]


def test_an_impossible_seed_is_refused() -> None:
    with pytest.raises(MedRefineError, match="must be 0 or more, not -1"):
        Slide(-1, SMALL)
