"""A scanner's slide in napari: its pyramid, its pixel size, and only what one looks at is read."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from skimage.data import immunohistochemistry

from napari_medrefine.io.slide_layers import get_slide_reader, read_slides

APERIO = "Aperio Image Library v12\n512x512 |AppMag = 40|MPP = 0.25"


@pytest.fixture
def svs(tmp_path):
    """A pyramid of two levels as Aperio's scanners write them, without compression."""
    path, photo = tmp_path / "slide.svs", immunohistochemistry()
    with tifffile.TiffWriter(path) as tiff:
        how = {"photometric": "rgb", "description": APERIO, "metadata": None}
        tiff.write(photo, tile=(128, 128), **how)
        tiff.write(photo[::8, ::8], **how)  # the second page is a thumbnail
        tiff.write(photo[::2, ::2], tile=(128, 128), **how)
    return path


def test_a_slide_opens_as_a_pyramid_in_its_pixel_size(viewer, svs):
    reader = get_slide_reader(str(svs))
    assert reader is not None
    ((data, attributes, _),) = reader(str(svs))
    layer = viewer.add_image(data, **attributes)
    assert layer.multiscale
    assert layer.rgb
    assert len(layer.data) == 2
    np.testing.assert_allclose(layer.scale, (0.25, 0.25))
    assert [str(unit) for unit in layer.units] == ["micrometer", "micrometer"]
    assert layer.metadata["medrefine"]["objective"] == 40
    np.testing.assert_array_equal(
        np.asarray(layer.data[0][100:300, 50:90]), immunohistochemistry()[100:300, 50:90]
    )


def test_other_files_are_left_to_others(tmp_path):
    assert get_slide_reader(str(tmp_path / "photo.tif")) is None
    assert get_slide_reader(str(tmp_path / "a.ome.zarr")) is None
    assert get_slide_reader([str(tmp_path / "a.svs"), str(tmp_path / "b.png")]) is None
    assert get_slide_reader(str(tmp_path / "a.DZI")) is not None


def test_channels_that_are_no_colours_become_layers(viewer, tmp_path):
    stack = np.random.default_rng(0).integers(0, 4000, (5, 200, 300)).astype(np.uint16)
    path = tmp_path / "fluorescence.ome.tif"
    tifffile.imwrite(path, stack, metadata={"axes": "CYX"}, tile=(64, 64), photometric="minisblack")
    ((data, attributes, _),) = read_slides(path)
    viewer.add_image(data, **attributes)
    assert len(viewer.layers) == 5
    np.testing.assert_array_equal(np.asarray(viewer.layers[3].data), stack[3])
