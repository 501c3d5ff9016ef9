"""The chain of a TIFF's pages, looked at before anyone follows it: a damaged one may be a ring."""

from __future__ import annotations

import struct

import tifffile

from napari_medrefine.errors import MedRefineError

MOST = 4096  # pages; pyramids have a dozen, and a stack is refused anyway


def check_pages(tiff: tifffile.TiffFile) -> None:
    """Refuse a file whose pages form a ring, are too many to be looked at, or partly gone.

    tifffile itself follows a ring of up to 100 pages for ever, and takes the pages that are left of
    a file that was cut off for all of it.

    Raises
    ------
    MedRefineError
        With a reason that reads on after "Cannot read FILE: ".
    """
    layout, file = tiff.tiff, tiff.filehandle
    offset, seen = int(tiff.pages.first.offset), set[int]()
    while offset > 0:
        if offset in seen:
            raise MedRefineError("it is damaged: its list of pages goes round in a ring")
        if len(seen) == MOST:
            raise MedRefineError(f"it holds more than {MOST:,} pictures")
        seen.add(offset)
        try:
            file.seek(offset)
            (tags,) = struct.unpack(layout.tagnoformat, file.read(layout.tagnosize))
            file.seek(offset + layout.tagnosize + tags * layout.tagsize)
            (offset,) = struct.unpack(layout.offsetformat, file.read(layout.offsetsize))
        except (struct.error, OSError, OverflowError, ValueError) as error:
            raise MedRefineError(
                "it is damaged or incomplete (its list of pages goes on behind its end)"
            ) from error
