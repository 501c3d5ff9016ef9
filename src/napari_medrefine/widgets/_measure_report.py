"""A measured pair as a report on disk, never over another one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from napari_medrefine.compare.pairs import Measured
from napari_medrefine.compare.report import write_report
from napari_medrefine.compare.report_page import Facts, Input


def save_report(
    measured: Measured, words: str, ours: Sequence[str], tuned: str, folder: Path
) -> list[Path]:
    """Write the report into a new sub-folder of `folder`, and return its files.

    Raises
    ------
    MedRefineError
        If it cannot be written.
    """
    pair, evaluation = measured.common.pair, measured.evaluation
    images = {
        "input, as far as it was used": (pair.name, pair.given),
        "truth": (pair.reference.name, pair.reference.image),
    }
    inputs = [Input.of(role, name, image) for role, (name, image) in images.items()]
    inputs += [Input.of("result", each.name, each.image) for each in pair.layers]
    facts = Facts(
        title=f"{pair.name} against {pair.reference.name}",
        summary=words,
        ours=tuple(ours),
        notes={evaluation.protocol.name: ()},
        inputs=inputs,
        cards=_cards(evaluation.protocol.scale) if ours else (),
        tuned_on=tuned,
    )
    return write_report([evaluation], _free(folder, pair.name), facts)


def _cards(scale: float) -> list[dict[str, str]]:
    from napari_medrefine.superres.card_facts import shipped_cards

    return shipped_cards("sharpen" if scale == 1 else "magnify")


def _free(folder: Path, name: str) -> Path:
    """Return a sub-folder that is not there yet."""
    safe = re.sub(r"[^\w.-]+", "-", f"measured {name}").strip("-.")
    found, n = folder / safe, 2
    while found.exists():
        found, n = folder / f"{safe}-{n}", n + 1
    return found
