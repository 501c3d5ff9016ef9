"""What `superres.py` found, as one record that tables, chart, cards and pages are made from."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

from napari_medrefine.compare import Difference, Evaluation, paired_difference, tune
from napari_medrefine.compare.evaluate import Summary
from napari_medrefine.errors import MedRefineError
from superres_tracks import BACK, BACK_SHARP, BICUBIC, BICUBIC_SHARP, FAITHFUL, GAN, HELD_OUT, TUNED

ALL_SLIDES = "all held-out slides"


@dataclass(frozen=True)
class Track:
    """One track: means by slide and method, and paired differences of PSNR.

    `differences` is slide -> "faithful - back-projection" -> difference.
    """

    note: str
    summaries: tuple[Summary, ...]
    differences: dict[str, dict[str, Difference]]

    @property
    def slides(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(s.slide for s in self.summaries))

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(s.method for s in self.summaries))

    def of(self, slide: str, method: str) -> Summary:
        for summary in self.summaries:
            if (summary.slide, summary.method) == (slide, method):
                return summary
        raise MedRefineError(f"{method} was refused or not measured on {slide}.")

    def gain(self, slide: str, method: str) -> float:
        """Return the gain over bicubic as a multiple of back-projection's (NaN where that is 0).

        The smaller one where both were measured with both cubic kernels.
        """
        pairs = ((BICUBIC, BACK), (BICUBIC_SHARP, BACK_SHARP))
        known = [pair for pair in pairs if pair[1] in self.methods]
        return min(self._gain(slide, method, *pair) for pair in known)

    def _gain(self, slide: str, method: str, bicubic: str, back: str) -> float:
        base = self.of(slide, bicubic).psnr
        reference = self.of(slide, back).psnr - base
        return (self.of(slide, method).psnr - base) / reference if reference else math.nan

    def back_projection(self, slide: str) -> float:
        """Return the PSNR of back-projection, of the better kernel where both were measured."""
        return max(self.of(slide, m).psnr for m in (BACK, BACK_SHARP) if m in self.methods)

    def best_filter(self, slide: str) -> Summary:
        """Return the tuned filter with the highest PSNR on `slide`."""
        tuned = [s for s in self.summaries if s.slide == slide and s.method.endswith(TUNED)]
        return max(tuned, key=lambda s: s.psnr)


@dataclass(frozen=True)
class Results:
    """Everything, as it is kept in JSON.

    `domains` says of each slide whether it is held out or out of domain; `checks` are the colour
    checks of `superres_verdicts`, `study` what `superres_study` found, `weights` the SHA-256 of
    each model measured.
    """

    each: int
    weights: dict[str, str]
    tuned: dict[str, tune.Parameters]
    domains: dict[str, str]
    checks: dict[str, float]
    study: dict[str, dict[str, float]]
    tracks: dict[str, Track] = field(default_factory=dict)

    def slides(self, domain: str = HELD_OUT) -> tuple[str, ...]:
        return tuple(slide for slide, kind in self.domains.items() if kind == domain)


def track_of(evaluation: Evaluation, held_out: tuple[str, ...]) -> Track:
    """Return what is kept of an evaluation."""
    bare = Track(evaluation.protocol.note, evaluation.summaries(), {})
    differences: dict[str, dict[str, Difference]] = {}
    for slide in bare.slides:
        differences[slide] = {
            f"{ours} - {other}": paired_difference(evaluation.rows, ours, other, slide=slide)
            for ours, other in _pairs(bare, slide)
        }
    rows = [row for row in evaluation.rows if row.slide in held_out]
    pairs = {pair for slide in held_out for pair in _pairs(bare, slide)}
    differences[ALL_SLIDES] = {
        f"{ours} - {other}": paired_difference(rows, ours, other) for ours, other in sorted(pairs)
    }
    return Track(bare.note, bare.summaries, differences)


def _pairs(track: Track, slide: str) -> list[tuple[str, str]]:
    others = [track.best_filter(slide).method]
    others += [BACK] if BACK in track.methods else []
    return [(ours, other) for ours in (FAITHFUL, GAN) for other in others if ours in track.methods]


def save(results: Results, path: Path) -> None:
    """Write the record, numbers rounded to six digits."""
    path.write_text(json.dumps(_rounded(asdict(results)), indent=1) + "\n")


def load(path: Path) -> Results:
    """Read a record back."""
    data = json.loads(path.read_text())
    tracks = {
        name: Track(
            track["note"],
            tuple(Summary(**_floats(s)) for s in track["summaries"]),
            {
                slide: {pair: Difference(**d) for pair, d in pairs.items()}
                for slide, pairs in track["differences"].items()
            },
        )
        for name, track in data.pop("tracks").items()
    }
    return Results(**data, tracks=tracks)


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    return [_rounded(v) for v in value] if isinstance(value, (list, tuple)) else value


def _floats(summary: dict[str, object]) -> dict[str, object]:
    """Return the fields of a summary; JSON has no infinity, which the sharp image's PSNR is."""
    return {key: math.inf if value is None else value for key, value in summary.items()}
