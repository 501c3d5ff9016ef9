"""An overview with its fields laid in: everything at its place, no seam, any tile the same."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage
from skimage.data import immunohistochemistry

from napari_medrefine.errors import MedRefineError
from napari_medrefine.registration.assembly import Assembly, PlacedPhoto, full_zoom
from napari_medrefine.registration.lens import Lens
from napari_medrefine.registration.placement import Distortion, Placement, similarity
from napari_medrefine.samples import Slide, field_to_overview


def placed(
    shape, overview, ratio, angle=0.0, middle=None, accepted=True, lens=None, matrix=None
) -> Placement:
    if matrix is None:
        middle = (np.array(overview) - 1) / 2 if middle is None else np.array(middle, float)
        matrix = similarity(ratio, angle, (np.array(shape) - 1) / 2, middle)
    distortion = None
    if lens is not None:
        distortion = Distortion(matrix, Lens(shape, lens), Lens(overview, -lens))
    return Placement(
        matrix, shape, overview, accepted=accepted, reason="", score=1.0, distortion=distortion
    )


@pytest.fixture(scope="module")
def tissue():
    return immunohistochemistry()


@pytest.fixture(scope="module")
def slide():
    photographed = Slide(seed=3, size_um=(420.0, 520.0))
    overview = photographed.photograph(4, shape=(300, 380), noise=0)
    field = photographed.photograph(
        40, shape=(420, 560), centre_um=(200, 280), degrees=6, noise=0, seed=5
    )
    matrix = field_to_overview(field, overview)
    return overview.image, field.image, placed((420, 560), (300, 380), 10, matrix=matrix)


def spot(shape, at, sigma=3.0):
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    bump = np.exp(-((rows - at[0]) ** 2 + (cols - at[1]) ** 2) / (2 * sigma**2))
    return np.rint(255 * bump).astype(np.uint8)


def centroid(image):
    grey = image[..., 0].astype(float)
    return np.array(ndimage.center_of_mass(np.where(grey > 2, grey, 0)))


@pytest.mark.parametrize("lens", [None, 0.004])
@pytest.mark.parametrize(("angle", "zoom"), [(0, 4), (7.3, 4), (-158, 4), (31, 2.5), (4, 7)])
def test_a_field_pixel_is_found_at_its_place(angle, zoom, lens):
    placement = placed((500, 640), (300, 360), 4, angle, (140.3, 171.8), lens=lens)
    for at in ((60, 75), (431, 570)):
        field = spot((500, 640), at)
        whole = Assembly(
            np.zeros((300, 360), np.uint8), [PlacedPhoto(field, placement)], zoom, feather=0
        )
        expected = (placement.to_overview([at])[0] + 0.5) * zoom - 0.5
        corner = np.maximum(np.rint(expected).astype(int) - 50, 0)
        found = centroid(whole.render(*corner, 101, 101)) + corner
        assert np.hypot(*(found - expected)) < 0.05


@pytest.mark.parametrize("lens", [0.004, 0.08])  # the real photos' and about the worst there is
def test_under_a_bent_lens_the_map_is_within_two_hundredths_of_a_field_pixel(lens):
    placement = placed((2748, 3584), (2748, 3584), 10, 5.0, (1200, 1500), lens=lens)
    whole = Assembly(np.zeros((2748, 3584), np.uint8), [], 10)
    for corner in ((10752, 13312), (11776, 14848), (12800, 16384)):
        for cell in whole._cells(placement, (512, 512), np.array(corner)):
            size = cell.rows.stop - cell.rows.start
            local = np.stack(np.mgrid[:size:3, :size:3], -1).reshape(-1, 2)
            on_result = local + corner + (cell.rows.start, cell.cols.start)
            exact = placement.to_field((on_result + 0.5) / 10 - 0.5)
            taken = np.column_stack([local, np.ones(len(local))]) @ cell.affine.T
            assert np.hypot(*(exact - taken).T).max() < 0.02


def test_a_photo_keeps_its_own_values_at_its_place(slide):
    overview, field, placement = slide
    whole = Assembly(overview, [PlacedPhoto(field, placement)])
    assert whole.zoom == 10
    assert whole.shape == (3000, 3800, 3)
    top, left = (np.floor(placement.outline().min(0)) * 10).astype(int)
    shown = whole.render(top, left, 480, 620)
    at = np.stack(np.mgrid[top : top + 480, left : left + 620], -1).reshape(-1, 2)
    on_field = placement.to_field((at + 0.5) / 10 - 0.5)
    inside = ((on_field > 30) & (on_field < np.array(field.shape[:2]) - 31)).all(1)
    own = ndimage.map_coordinates(field[..., 1].astype(float), on_field[inside].T, order=3)
    apart = shown[..., 1].ravel()[inside] - own
    assert inside.mean() > 0.5
    assert np.sqrt(np.mean(apart**2)) < 1
    assert abs(apart.mean()) < 0.05


@pytest.mark.parametrize("zoom", [1, 2, 3.3, 10])
def test_elsewhere_the_overview_is_interpolated_plainly(tissue, zoom):
    overview = tissue[:120, :150]
    away = placed((80, 80), (120, 150), 8, middle=(110, 140))
    whole = Assembly(overview, [PlacedPhoto(np.zeros((80, 80), np.uint8), away)], zoom)
    height, width = whole.shape[:2]
    box = (0, 0, width / zoom, height / zoom)
    plain = Image.fromarray(overview).resize((width, height), Image.Resampling.BICUBIC, box)
    part = np.s_[round(4 * zoom) : round(95 * zoom), round(4 * zoom) : round(125 * zoom)]
    shown = whole.render(0, 0, height, width)[part].astype(int)
    assert np.abs(shown - np.asarray(plain)[part]).max() <= 1


def crossing(tissue):
    overview = tissue[:170, :230]
    fields = [
        PlacedPhoto(tissue[:300, :400], placed((300, 400), (170, 230), 2.5, 9, (70, 90))),
        PlacedPhoto(
            255 - tissue[200:, :250], placed((312, 250), (170, 230), 5, -3, (90, 130), lens=0.002)
        ),
    ]
    return Assembly(overview, fields, 5.5, match=True)


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_any_part_is_what_the_whole_shows_there(data):
    whole, picture = _whole()
    top = data.draw(st.integers(0, whole.shape[0] - 1))
    left = data.draw(st.integers(0, whole.shape[1] - 1))
    height = data.draw(st.integers(1, whole.shape[0] - top))
    width = data.draw(st.integers(1, whole.shape[1] - left))
    part = whole.render(top, left, height, width)
    assert (part == picture[top : top + height, left : left + width]).all()


_made: list = []


def _whole():
    if not _made:
        whole = crossing(immunohistochemistry())
        _made.append((whole, whole.render(0, 0, *whole.shape[:2])))
    # A second one, so that nothing kept by the first can hide a difference.
    return crossing(immunohistochemistry()), _made[0][1]


def test_a_field_fades_in_steadily_and_leaves_no_seam():
    placement = placed((400, 400), (200, 200), 4)
    white = np.full((400, 400), 255, np.uint8)
    whole = Assembly(np.zeros((200, 200), np.uint8), [PlacedPhoto(white, placement)], 4)
    shown = whole.render(0, 0, 800, 800)[..., 0].astype(int)
    across = np.diff(shown[400, :400])
    assert shown[400, 190] == 0
    assert shown[400, 215] == 255
    assert (across >= 0).all()
    assert across.max() < 40
    assert (shown == shown[:, ::-1]).all()
    assert (shown == shown.T).all()


@pytest.mark.parametrize("kind", ["grey", "rgba", "uint16", "float", "dask", "grey dask"])
def test_any_overview_and_field_give_the_same_picture(tissue, kind):
    made = {
        "grey": lambda a: a[..., 0],
        "rgba": lambda a: np.dstack([a, np.full(a.shape[:2], 7, np.uint8)]),
        "uint16": lambda a: a.astype(np.uint16) * 257,
        "float": lambda a: a / 255,
        "dask": lambda a: da.from_array(a, chunks=37),
        "grey dask": lambda a: da.from_array(a[..., 0], chunks=37),
    }[kind]
    tissue = np.repeat(tissue[..., :1], 3, 2) if "grey" in kind else tissue
    overview, field = tissue[:90, :110].copy(), tissue[100:300, 100:300]
    overview[0, 0] = 255
    placement = placed((200, 200), (90, 110), 4, 12)
    plain = Assembly(overview, [PlacedPhoto(field, placement)]).render(0, 0, 360, 440)
    lazy = np.asarray(made(field))
    other = Assembly(made(overview), [PlacedPhoto(lambda: lazy, placement)]).render(0, 0, 360, 440)
    assert np.abs(plain.astype(int) - other).max() <= 1


def test_a_field_half_off_the_overview_shows_its_half():
    placement = placed((200, 200), (100, 100), 4, middle=(-0.5, 50))
    white = np.full((200, 200, 3), 255, np.uint8)
    whole = Assembly(np.zeros((100, 100), np.uint8), [PlacedPhoto(white, placement)])
    shown = whole.render(0, 0, 400, 400)
    assert (shown[:90, 120:280] == 255).all()
    assert (shown[101:] == 0).all()


def test_fields_are_drawn_in_order_and_refused_ones_not_at_all():
    def even(value, **facts):
        return PlacedPhoto(
            np.full((80, 80), value, np.uint8), placed((80, 80), (60, 60), 2, **facts)
        )

    black = np.zeros((60, 60), np.uint8)
    assert Assembly(black, [even(90), even(180)]).render(60, 60, 1, 1)[0, 0, 0] == 180
    assert Assembly(black, [even(180), even(90)]).render(60, 60, 1, 1)[0, 0, 0] == 90
    refused = Assembly(black, [even(90, accepted=False)])
    assert refused.zoom == 1
    assert (refused.render(0, 0, 60, 60) == 0).all()


def test_only_the_fields_that_a_part_touches_are_read_and_only_once():
    read = []

    def reader(name):
        def image():
            read.append(name)
            return np.full((100, 100), 200, np.uint8)

        return image

    fields = [
        PlacedPhoto(reader(n), placed((100, 100), (400, 400), 4, middle=(at, at)))
        for n, at in (("near", 50), ("far", 350))
    ]
    whole = Assembly(np.zeros((400, 400), np.uint8), fields)
    whole.render(0, 0, 300, 300)
    whole.render(150, 150, 80, 80)
    assert read == ["near"]
    whole.render(1390, 1390, 4, 4)
    assert read == ["near", "far"]


def test_a_field_much_finer_than_the_result_does_not_alias():
    rows, cols = np.mgrid[:400, :400]
    board = (255 * ((rows + cols) % 2)).astype(np.uint8)
    field = PlacedPhoto(board, placed((400, 400), (60, 60), 8, 3))
    shown = Assembly(np.full((60, 60), 128, np.uint8), [field], 1).render(0, 0, 60, 60)
    assert np.abs(shown.astype(int) - 128).max() <= 2


def test_matching_takes_the_overviews_brightness_and_leaves_the_structure(slide):
    overview, field, placement = slide
    dim = (field * 0.6).astype(np.uint8)
    top, left = (np.ceil(placement.outline().mean(0)) * 10).astype(int) - 100
    bare, own, matched = (
        Assembly(overview, photos, 10, match=match).render(top, left, 200, 200).astype(float)
        for photos, match in (
            ([], False),
            ([PlacedPhoto(dim, placement)], False),
            ([PlacedPhoto(dim, placement)], True),
        )
    )
    assert own.mean() < 0.75 * bare.mean()
    assert matched.mean() == pytest.approx(bare.mean(), rel=0.05)
    assert np.corrcoef(own[..., 1].ravel(), matched[..., 1].ravel())[0, 1] > 0.99


@pytest.mark.parametrize(
    ("ratio", "zoom"), [(1.3, 2), (2.47, 3), (9.98, 10), (10.2, 10), (10.6, 11)]
)
def test_no_field_loses_resolution_by_default(ratio, zoom):
    coarse = placed((10, 10), (50, 50), 1.0)
    photos = [
        PlacedPhoto(np.zeros((10, 10)), p) for p in (coarse, placed((10, 10), (50, 50), ratio))
    ]
    assert full_zoom(photos) == zoom


def test_what_does_not_fit_is_refused_in_one_sentence():
    overview, field = np.zeros((50, 50), np.uint8), np.zeros((20, 20), np.uint8)
    good = PlacedPhoto(field, placed((20, 20), (50, 50), 1))
    with pytest.raises(MedRefineError, match=r"placement was made for \(40, 50\)"):
        Assembly(overview, [PlacedPhoto(field, placed((20, 20), (40, 50), 1))])
    with pytest.raises(MedRefineError, match=r"The field is \(19, 20\)"):
        Assembly(overview, [PlacedPhoto(field[1:], good.placement)]).render(0, 0, 50, 50)
    with pytest.raises(MedRefineError, match="zoom is"):
        Assembly(overview, [good], 0.5)
    with pytest.raises(MedRefineError, match="feather"):
        Assembly(overview, [good], feather=0.6)
    with pytest.raises(MedRefineError, match="do not lie within"):
        Assembly(overview, [good]).render(0, 0, 51, 50)
    with pytest.raises(MedRefineError, match="overview has shape"):
        Assembly(np.zeros((5, 5, 5, 5)), [])
