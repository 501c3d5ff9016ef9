"""The tables of `superres.py`: for the terminal, and as Markdown for README and docs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import wrap

from napari_medrefine.compare.evaluate import Summary
from napari_medrefine.compare.protocols import PROTOCOLS, STUDY_MSE
from superres_results import ALL_SLIDES, Results, Track
from superres_tracks import BACK, BICUBIC, FAITHFUL, GAN, HELD_OUT, IHC, PHOTO, PHOTO_GAN
from superres_verdicts import Verdict

TITLES = {
    "x4": "x4, reduced by area averaging",
    "x4-bicubic": "x4, reduced by antialiased bicubic",
    "x4-optical": "x4, optical: NA 0.25 against 0.65, noise of 1.5 grey levels",
    "x4-camera": "x4, camera: NA 0.10 against 0.65 at 1.25 um, noise of 1.5 grey levels",
    "x2": "x2, reduced by area averaging",
    "study-tiles": "The study's protocol, tiles as they are (x2-blurred tile, the study's 0.25 um)",
    "study": "The study's protocol, the photos' pixels halved first (0.5 um)",
}
COLUMNS = {
    "mse": ("MSE", ".1f"),
    "psnr": ("PSNR", ".2f"),
    "ssim": ("SSIM", ".4f"),
    "detail": ("detail", ".2f"),
    "consistency": ("consist.", ".3f"),
    "colour": ("dE2000", ".2f"),
    "shift": ("shift", ".2f"),
    "worst_psnr": ("worst 5%", ".2f"),
}


def track_text(name: str, track: Track) -> str:
    """Return one track for the terminal."""
    lines = ["", TITLES[name], *wrap(track.note, 110)]
    for slide in track.slides:
        heads = "".join(f"{head:>10}" for head, _ in COLUMNS.values())
        lines += ["", f"{slide[:36]:38}{heads}{'gain/bp':>10}"]
        for method in track.methods:
            values = "".join(f"{_cell(track.of(slide, method), k):>10}" for k in COLUMNS)
            lines.append(f"{method:38}{values}{_gain(track, slide, method):>10}")
        lines += [f"  {text}" for text in differences(track, slide)]
    lines += ["", *(f"{ALL_SLIDES}: {text}" for text in differences(track, ALL_SLIDES))]
    return "\n".join(lines)


def differences(track: Track, slide: str) -> list[str]:
    """Return the paired differences on `slide`, in words."""
    return [
        f"{pair}: {d.mean:+.2f} dB (95 %: {d.low:+.2f} to {d.high:+.2f})"
        for pair, d in track.differences[slide].items()
    ]


def verdict_text(found: Sequence[Verdict]) -> str:
    """Return the verdicts for the terminal."""
    rows = [(f"{v.line}", v.claim, v.target, v.measured, v.word) for v in found]
    widths = [max(len(row[k]) for row in rows) + 2 for k in range(5)]
    return "\n".join(
        "".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )


def tuned_text(results: Results) -> str:
    """Return the parameters of the tuned filters."""
    return "\n".join(
        f"{track:12}" + "; ".join(f"{name}: {_values(v)}" for name, v in tuned.items())
        for track, tuned in results.tuned.items()
    )


def study_text(results: Results) -> str:
    """Return what a sharp image costs against its own unsharp mask, on one range and on two."""
    return "\n".join(
        f"{slide:38}" + "; ".join(f"{name}: {error:.1f}" for name, error in errors.items())
        for slide, errors in results.study.items()
    )


def blocks(results: Results, found: Sequence[Verdict]) -> dict[str, str]:
    """Return the Markdown that stands between the markers of README and docs, by name."""
    return {
        "magnifying": f"{_magnifying(results)}\n\n{means_over(results)}",
        "sharpening": f"{_sharpening(results)}\n\n{means_over(results)}",
        "study": _study_table(results),
        "verdicts": _verdict_table(found),
        "tracks": "\n\n".join(_track_table(n, t) for n, t in results.tracks.items()),
        "tuned": _tuned_table(results),
    }


def means_over(results: Results) -> str:
    """Say what the means are over."""
    fields = "one field" if results.each == 1 else f"up to {results.each} fields"
    return f"Means over {fields} of each held-out slide, and one image of the other stain."


def _magnifying(results: Results) -> str:
    slides = _shown(results)
    order = ("x4", "x4-bicubic", "x4-optical", "x4-camera")
    rows = []
    for method, label in ((BICUBIC, "bicubic"), (BACK, "back-projection, 10 rounds")):
        rows.append([label, *(_psnrs(results, order, s, method) for s in slides)])
    best = [
        " / ".join(f"{results.tracks[t].best_filter(s).psnr:.2f}" for t in order) for s in slides
    ]
    rows.append(["best tuned filter", *best])
    for method, label in (
        (FAITHFUL, "**faithful weights**"),
        (GAN, "GAN weights (`realism=1`)"),
        (PHOTO, '**faithful weights for photos** (`model="photo-faithful"`)'),
        (PHOTO_GAN, "GAN weights for photos"),
    ):
        rows.append([label, *(_psnrs(results, order, s, method) for s in slides)])
    detail = [" / ".join(_details(results.tracks[t], s) for t in order) for s in slides]
    rows.append(["fine detail, faithful : GAN (1 is the truth's)", *detail])
    return _markdown(["", *slides], rows)


def _sharpening(results: Results) -> str:
    slides = _shown(results)
    rows = []
    for name, label in (("study-tiles", "tile as it is"), ("study", "halved first")):
        track = results.tracks[name]
        best = [track.best_filter(s) for s in slides]
        errors = {m: [f"{track.of(s, m).mse:.1f}" for s in slides] for m in track.methods}
        rows += [
            [label, "do nothing", *errors["do nothing"]],
            [
                label,
                "best tuned filter",
                *(f"{b.mse:.1f} ({b.method.split(',')[0]})" for b in best),
            ],
            [label, "**faithful weights**", *errors[FAITHFUL]],
            [label, "GAN weights", *errors[GAN]],
        ]
    rows.append(["the study's training photos", "its network", *[f"{STUDY_MSE}"] * len(slides)])
    return _markdown(["sharp image", "MSE per pixel, 0-255", *slides], rows)


def _verdict_table(found: Sequence[Verdict]) -> str:
    rows = [[f"{v.line}", v.claim, v.target, v.measured, v.word] for v in found]
    return _markdown(["line", "what", "target", "worst measured", ""], rows)


def _track_table(name: str, track: Track) -> str:
    parts = [f"### {TITLES[name]}"]
    heads = ["", *(head for head, _ in COLUMNS.values())]
    gains = not PROTOCOLS[name].same_size
    for slide in track.slides:
        rows = []
        for method in track.methods:
            cells = [method, *(_cell(track.of(slide, method), key) for key in COLUMNS)]
            rows.append(cells + ([_gain(track, slide, method)] if gains else []))
        parts.append(f"**{slide}**\n\n{_markdown(heads + ['gain'] * gains, rows)}")
        parts.append("; ".join(differences(track, slide)) + ".")
    parts.append(f"Over {ALL_SLIDES}: " + "; ".join(differences(track, ALL_SLIDES)) + ".")
    return "\n\n".join(parts)


def _study_table(results: Results) -> str:
    names = list(next(iter(results.study.values())))
    rows = [[s, *(f"{e[name]:,.1f}" for name in names)] for s, e in results.study.items()]
    return _markdown(["MSE of the sharp image and its own unsharp mask", *names], rows)


def _tuned_table(results: Results) -> str:
    names = list(next(iter(results.tuned.values())))
    rows = [[t, *(_values(tuned[name]) for name in names)] for t, tuned in results.tuned.items()]
    return _markdown(["track", *names], rows)


def _shown(results: Results) -> tuple[str, ...]:
    return (*results.slides(HELD_OUT), IHC)


def _psnrs(results: Results, tracks: Iterable[str], slide: str, method: str) -> str:
    known = (results.tracks[t] for t in tracks)
    return " / ".join(
        f"{t.of(slide, method).psnr:.2f}" if method in t.methods else "-" for t in known
    )


def _details(track: Track, slide: str) -> str:
    return " : ".join(f"{track.of(slide, method).detail:.2f}" for method in (FAITHFUL, GAN))


def _values(parameters: dict[str, float]) -> str:
    return ", ".join(f"{key} {value:g}" for key, value in parameters.items())


def _gain(track: Track, slide: str, method: str) -> str:
    sanity = method == "black" or track.of(slide, method).mse == 0
    if BACK not in track.methods or sanity:
        return ""
    return f"{track.gain(slide, method):.2f}"


def _cell(summary: Summary, key: str) -> str:
    return format(getattr(summary, key), COLUMNS[key][1])


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
