"""What the numbers of a measured pair say, in words."""

from __future__ import annotations

from collections.abc import Sequence

from napari_medrefine._words import counted
from napari_medrefine.compare.bootstrap import paired_difference
from napari_medrefine.compare.evaluate import NOTHING, Evaluation, Summary
from napari_medrefine.compare.pairs import Measured
from napari_medrefine.compare.report_page import comparisons

_SURE = "95 %"
_EVEN = 0.05  # dB below which nobody is nearer


def explain(
    measured: Measured,
    ours: Sequence[str],
    truth: str = "the real photo",
    *,
    layers: Sequence[str] = (),
) -> str:
    """Say how near our weights come to the truth, against bicubic and the best plain filter.

    Layers come first, then the nearest.

    Parameters
    ----------
    measured : Measured
        With rows of ``bicubic`` or of doing nothing.
    ours : sequence of str
        The methods to speak of; such as were refused are told with their reason.
    truth : str
        What they are measured against.
    layers : sequence of str
        Layers of the pair to speak of, too.
    """
    there = measured.evaluation.methods
    plain = [
        s for s in measured.scores if s.method not in ours and s.method not in _layers(measured)
    ]
    if not plain:
        return "Nothing could be measured: " + "; ".join(
            f"{method}: {why}" for method, why in measured.evaluation.refused.items()
        )
    base = "bicubic" if "bicubic" in there else NOTHING
    best = max(plain, key=lambda s: s.psnr)
    sentences = []
    ranked = sorted(ours, key=lambda name: -measured.score(name).psnr if name in there else 0)
    for method in (*layers, *ranked):
        if method not in there:
            why = measured.evaluation.refused.get(method)
            sentences.append(f"{method}: refused. {why}" if why else f"{method}: not measured.")
            continue
        who, whose = (f"the {method} weights are", "Their")
        if method in layers:
            who, whose = f"'{method}' is", "Its"
        first = f"Over this field {who} {_nearer(measured, method, base, truth)}"
        if best.method != base:
            first += f", and {_nearer(measured, method, best.method, '')}"
        sentences.append(f"{first}. {_detail(measured.score(method), truth, whose)}")
    return "\n\n".join(sentences)


def explain_alone(measured: Measured, name: str, truth: str = "the real photo") -> str:
    """Say how near a picture comes to the truth that nothing can be measured beside.

    Parameters
    ----------
    measured : Measured
        Of the picture as the input.
    name : str
        Of the picture.
    truth : str
        What it is measured against.
    """
    if NOTHING not in measured.evaluation.methods:
        return f"'{name}': refused. {measured.evaluation.refused.get(NOTHING, '')}".rstrip()
    score = measured.score(NOTHING)
    first = f"Over this field '{name}' has a PSNR of {score.psnr:.2f} dB against {truth}"
    return f"{first}. {_detail(score, truth, 'Its')}"


def headline(evaluation: Evaluation, ours: Sequence[str]) -> str:
    """Say in a sentence how a network stands against the best plain filter, over all slides."""
    found = comparisons(evaluation, ours)
    sentences = []
    for method in dict.fromkeys(c.method for c in found):
        best = [c for c in found if c.method == method][-1].other
        gain = next(c.found for c in found if (c.method, c.other) == (method, best))
        way = "nearer to the truth than" if gain.mean > 0 else "farther from the truth than"
        how = f"{abs(gain.mean):.2f} dB {way}"
        if gain.low < 0 < gain.high:
            how = f"not told apart ({gain.mean:+.2f} dB) from"
        sure = "too few images for an interval"
        if gain.has_interval:
            sure = f"{_SURE} {gain.low:+.2f} to {gain.high:+.2f} dB"
        sentences.append(f"{method}: {how} the best plain filter ({best}), {sure}")
    slides = len(evaluation.slides)
    where = counted(slides, "slide")
    if evaluation.blank:
        where += f", {counted(evaluation.blank, 'blank image')} left out"
    return f"{evaluation.protocol.name}, {where}: {'; '.join(sentences) or 'nothing to compare'}."


def _nearer(measured: Measured, method: str, other: str, truth: str) -> str:
    gain = measured.score(method).psnr - measured.score(other).psnr
    name = {NOTHING: "doing nothing"}.get(other, other)
    name = name if other in ("bicubic", NOTHING) else f"the best plain filter ({name})"
    sure = ""
    if len({row.image for row in measured.evaluation.rows}) > 2:
        found = paired_difference(
            measured.evaluation.rows, method, other, slide=measured.common.pair.slide
        )
        sure = f" ({_SURE} of resampled windows: {found.low:+.2f} to {found.high:+.2f} dB)"
    to = f" to {truth}" if truth else ""
    if abs(gain) < _EVEN:
        return f"as near{to} as {name}{sure}"
    way = "nearer" if gain > 0 else "farther"
    return f"{abs(gain):.2f} dB {way}{to} than {name}{sure}".replace("farther to", "farther from")


def _detail(score: Summary, truth: str, whose: str) -> str:
    kind = "softer than it" if score.detail < 0.8 else "as rich as it"
    kind = "richer than it, which is noise or invention" if score.detail > 1.25 else kind
    return (
        f"{whose} fine detail has {score.detail:.0%} of the energy of {truth}'s ({kind}); mean "
        f"colour difference {score.colour:.1f} (CIEDE2000), SSIM {score.ssim:.3f}."
    )


def _layers(measured: Measured) -> set[str]:
    return {layer.name for layer in measured.common.pair.layers}
