"""Which strips of pictures a report shows: the best plain filter beside what was generated."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence

from napari_medrefine.compare.evaluate import Evaluation, Method, Sample
from napari_medrefine.compare.gallery import Generated, Strip, strip
from napari_medrefine.compare.report_page import overall
from napari_medrefine.progress import Step


def strips_steps(
    samples: Iterable[Sample],
    evaluation: Evaluation,
    filters: Mapping[str, Method],
    generated: Sequence[Generated],
    *,
    total: int = 1,
) -> Generator[Step, None, list[Strip]]:
    """Make a strip of every sample and generated result; yield a `Step` before each.

    Parameters
    ----------
    samples : iterable of Sample
        Some of those that were evaluated.
    evaluation : Evaluation
        What came of it: the filter shown is the one with the highest PSNR, and what was refused
        is not shown.
    filters : mapping of name to method
        The plain ones; none where there was no input to give to them.
    generated : sequence of Generated
    total : int
        How many samples there are.

    Returns
    -------
    list of Strip
    """
    plain = [s for s in overall(evaluation) if s.method in filters]
    best = max(plain, key=lambda s: s.psnr).method if plain else None
    chosen = None if best is None else (best, filters[best])
    shown = [one for one in generated if one.name not in evaluation.refused]
    made: list[Strip] = []
    for sample in samples:
        for one in shown:
            yield Step(len(made), total * len(shown), f"Pictures of {sample.name}: {one.name}")
            made.append(strip(sample, evaluation.protocol, chosen, one))
    return made
