"""What a folder of photos holds, as far as their headers say; no pixel is decoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Mapping
from concurrent.futures import wait
from dataclasses import dataclass
from pathlib import Path

from napari_medrefine.dataset._parallel import PATIENCE, in_order, threads
from napari_medrefine.dataset.sources import find_sources
from napari_medrefine.errors import MedRefineError
from napari_medrefine.photos import PhotoHeader, read_header
from napari_medrefine.progress import Step


@dataclass(frozen=True, slots=True)
class Survey:
    """The photos of a folder.

    Attributes
    ----------
    headers : mapping of str to PhotoHeader
        What the photos say of themselves, by their path inside the folder.
    unreadable : tuple of str
        Those that are no photos, or damaged.
    """

    headers: Mapping[str, PhotoHeader]
    unreadable: tuple[str, ...]

    @property
    def objectives(self) -> dict[float, int]:
        """How many photos were taken through which objective, the weakest first."""
        known = [h.objective for h in self.headers.values() if h.objective is not None]
        return dict(sorted(Counter(known).items()))

    @property
    def silent(self) -> list[str]:
        """The photos that do not say through which objective they were taken."""
        return [source for source, h in self.headers.items() if h.objective is None]

    def unmeasured(self, otherwise: float | None = None) -> list[float]:
        """Return the objectives of photos that do not say the size of their pixels.

        Parameters
        ----------
        otherwise : float, optional
            The objective of the photos that do not say theirs.
        """
        headers = [h for h in self.headers.values() if h.pixel_um is None]
        return sorted({known for h in headers if (known := h.objective or otherwise)})

    @property
    def usual_shape(self) -> tuple[int, int] | None:
        """Rows and columns that most photos have, None without photos."""
        shapes = Counter((h.shape[0], h.shape[1]) for h in self.headers.values())
        return shapes.most_common(1)[0][0] if shapes else None


def survey_steps(
    photos_folder: str | Path, output_folder: str | Path
) -> Generator[Step, None, Survey]:
    """Read the headers of the photos that `prepare_steps` would take; a job, see `progress`.

    Raises
    ------
    MedRefineError
        If there are no photos; see `prepare_steps`.
    """
    with threads(None) as pool:
        search = pool.submit(find_sources, Path(photos_folder), Path(output_folder))
        while not search.done():
            yield Step(0, 0, f"looking for photos in {photos_folder}")
            wait([search], timeout=PATIENCE)
        sources = search.result()
        names = list(sources)

        def step(finished: int, source: str) -> Step:
            return Step(finished, len(names), f"looking at {source}")

        found = yield from in_order(pool, lambda source: _header(sources[source]), names, step)
    by_source = dict(zip(names, found, strict=True))
    return Survey(
        {source: header for source, header in by_source.items() if header is not None},
        tuple(source for source, header in by_source.items() if header is None),
    )


def _header(path: Path) -> PhotoHeader | None:
    try:
        return read_header(path)
    except MedRefineError:
        return None
