"""Which compressions and colours of a TIFF can be read; the reasons why others cannot."""

from __future__ import annotations

import tifffile

from napari_medrefine._words import counted
from napari_medrefine.errors import MedRefineError

_LONG = 24  # letters


def check_codec(page: tifffile.TiffPage) -> None:
    """Refuse a compression that tifffile cannot undo.

    Raises
    ------
    MedRefineError
        With a reason that reads on after "Cannot read FILE: ".
    """
    if has_codec(page):
        return
    try:
        codec = tifffile.COMPRESSION(page.compression).name
    except ValueError:
        raise MedRefineError(f"its compression {_told(page.compression)} is not known") from None
    raise MedRefineError(f"its {codec} compression needs another package: pip install imagecodecs")


def has_codec(page: tifffile.TiffPage) -> bool:
    """Return whether tifffile can undo the compression of a page."""
    known = page.compression in tifffile.TIFF.DECOMPRESSORS
    return known and page.predictor in tifffile.TIFF.UNPREDICTORS


def colours_refused(page: tifffile.TiffPage) -> MedRefineError:
    """Return the reason why a page is refused whose values are neither grey nor colours."""
    kind, bits = _told(page.photometric), page.bitspersample
    depth = f" of {counted(bits, 'bit')}" if isinstance(bits, int) and bits != 8 else ""
    return MedRefineError(f"its colours are stored as {kind}{depth}; grey and RGB can be read")


def _told(value: object) -> str:
    """Return the name or number that a tag holds; a damaged one may hold thousands of numbers."""
    text = str(getattr(value, "name", value))
    return text if len(text) <= _LONG else f"{text[:_LONG]}..."
