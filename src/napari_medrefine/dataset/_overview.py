"""The contact sheets and the summary, written where they are not there as they should be."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from napari_medrefine._atomic import PART, write_bytes
from napari_medrefine._paths import read_file
from napari_medrefine.dataset._journal import Done
from napari_medrefine.dataset._parallel import in_order
from napari_medrefine.dataset._thumbnails import Thumbnails
from napari_medrefine.dataset.contact_sheet import PER_SHEET, cards_of, draw_sheet, sheet_name
from napari_medrefine.dataset.manifest import Manifest
from napari_medrefine.dataset.summary import SUMMARY, Sheet, group_totals, render_summary
from napari_medrefine.progress import Step

_SHEET = re.compile(r"contact-sheet(-[1-9][0-9]*)?\.jpg")
_SHOWN = re.compile(rb'src="(contact-sheet(?:-[1-9][0-9]*)?\.jpg)" data-sha256="([0-9a-f]{64})"')


def is_right(output: Path, manifest: Manifest) -> bool:
    """Say whether summary and sheets are those of `manifest`, without drawing anything.

    The summary holds digests of the manifest and of the sheets.
    """
    try:
        page = read_file(output / SUMMARY)
        shown = [Sheet(name.decode(), digest.decode()) for name, digest in _SHOWN.findall(page)]
        there = [_digest(read_file(output / sheet.name)) for sheet in shown]
    except OSError:
        return False
    return there == [sheet.sha256 for sheet in shown] and page == render_summary(manifest, shown)


def write_overview(
    output: Path,
    manifest: Manifest,
    done: dict[str, Done],
    thumbnails: Thumbnails,
    pool: ThreadPoolExecutor,
) -> Generator[Step, None, None]:
    """Write the contact sheets, then the summary that shows them; a job, see `progress`.

    `done` has, for each source, the photo with its tiles, or why it was left out.
    """
    cards, total = cards_of(manifest), len(done)
    legend = group_totals(manifest)
    starts = range(0, len(cards), PER_SHEET)
    sheets = []
    for number, start in enumerate(starts, 1):
        part = cards[start : start + PER_SHEET]
        pictures = yield from in_order(
            pool,
            lambda card: thumbnails.of(done[card.source]),
            part,
            lambda _, card: Step(total, total, f"contact sheet: {card.source}"),
        )
        content = draw_sheet(part, pictures, legend, (number, len(starts)))
        write_bytes(output / sheet_name(number), content)
        sheets.append(Sheet(sheet_name(number), _digest(content)))
    _remove_others(output, {sheet.name for sheet in sheets})
    write_bytes(output / SUMMARY, render_summary(manifest, sheets))


def _remove_others(output: Path, sheets: set[str]) -> None:
    """Remove sheets of a larger dataset, and what a kill left half-written."""
    for path in output.iterdir():
        if path.name not in sheets and (_SHEET.fullmatch(path.name) or path.match(f"{PART}*.part")):
            with suppress(OSError):
                path.unlink()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
