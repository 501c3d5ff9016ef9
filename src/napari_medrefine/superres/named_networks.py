"""The networks by the names that reports give them, ready to run on an image.

torch is imported when one of them runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from napari_medrefine.images import Image
from napari_medrefine.superres.model_files import FOR_PHOTOS

FAITHFUL, GAN, PHOTO = "faithful", "GAN", "photo"
SHIPPED = (FAITHFUL, GAN, PHOTO)


def own_name(name: str) -> str:
    """Return the name of somebody's own network such that it differs from those that ship."""
    return f"{name} (own)" if name in SHIPPED else name


def named_networks(
    *, sharpening: bool, photo: bool = True, own: Mapping[str, str | Path] | None = None
) -> dict[str, Callable[[Image, float], Image]]:
    """Return networks by name: image and scale in, generated image out.

    Parameters
    ----------
    sharpening : bool
        Those that sharpen, whatever the scale that they are given; else those that magnify.
    photo : bool
        With the shipped weights for photos, which only magnify.
    own : mapping, optional
        Name -> weight file of networks to come after the shipped ones. See `own_name`.
    """
    from napari_medrefine.superres import magnify, sharpen

    def method(realism: float, model: str | Path | None = None) -> Callable[[Image, float], Image]:
        if sharpening:
            return lambda image, _: sharpen(image, realism=realism, model=model)
        return lambda image, scale: magnify(image, scale, realism=realism, model=model)

    found = {FAITHFUL: method(0.0), GAN: method(1.0)}
    if photo and not sharpening:
        found[PHOTO] = method(0.0, FOR_PHOTOS)
    return found | {name: method(0.0, file) for name, file in (own or {}).items()}
