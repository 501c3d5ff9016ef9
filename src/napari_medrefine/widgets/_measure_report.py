"""A measured pair as a report on disk, never over another one."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_medrefine.compare.common_grid import windows
from napari_medrefine.compare.evaluate import Method
from napari_medrefine.compare.filters import nearest
from napari_medrefine.compare.gallery import Generated, Strip
from napari_medrefine.compare.pairs import Measured
from napari_medrefine.compare.report import write_report
from napari_medrefine.compare.report_page import Facts, Input
from napari_medrefine.compare.strips import strips_steps
from napari_medrefine.progress import Step
from napari_medrefine.superres.named_networks import FAITHFUL
from napari_medrefine.superres.result_trust import trust_of
from napari_medrefine.widgets._measure_networks import Own
from napari_medrefine.widgets._measure_whose import Whose
from napari_medrefine.widgets._measured_layers import MadeBy
from napari_medrefine.widgets._preferences import load_networks, preferences

MOST = 4  # layers of which pictures are shown
ALONE = (
    "it is told from the photo that '{name}' was made from, which is not open. Nor can its input "
    "and a filter be shown."
)


@dataclass(frozen=True, eq=False)
class Done:
    """What was measured, and what a report says of it beside the numbers.

    Attributes
    ----------
    measured : Measured
    words : str
        What came out.
    methods : mapping
        The filters and networks that were measured.
    ours : tuple of str
        Which of them are networks, and `own`.
    layers : tuple of MadeBy
        The layers that were measured.
    own : Own or None
        The network in use.
    tuned : str
        What filters were tuned on.
    whose : Whose
        Whose numbers they are.
    """

    measured: Measured
    words: str
    methods: Mapping[str, Method]
    ours: tuple[str, ...]
    layers: tuple[MadeBy, ...]
    own: Own | None
    tuned: str
    whose: Whose


def report_steps(done: Done, folder: Path) -> Generator[Step, None, list[Path]]:
    """Write the report into a new sub-folder of `folder`, and return its files.

    Raises
    ------
    MedRefineError
        If it cannot be written.
    """
    yield Step(0, 1, "Loading the networks ...")
    load_networks(preferences())
    strips = yield from _strips_steps(done)
    yield Step(1, 1, "Writing the report ...")
    pair, evaluation = done.measured.common.pair, done.measured.evaluation
    facts = Facts(
        title=f"{pair.name} against {pair.reference.name}",
        summary=done.words,
        ours=done.ours,
        notes={evaluation.protocol.name: ()},
        inputs=_inputs(done.measured),
        cards=_cards(done),
        strips={evaluation.protocol.name: strips},
        tuned_on=done.tuned,
    )
    return write_report([evaluation], _free(folder, pair.name), facts)


def _strips_steps(done: Done) -> Generator[Step, None, list[Strip]]:
    """Make pictures of the middle window: of each measured layer, else of what we generate."""
    common = done.measured.common
    parts, _ = windows(common, sample=common.pair.sample)
    filters = {name: how for name, how in done.methods.items() if name not in done.ours}
    sample = common.window(parts[0])
    return (yield from strips_steps([sample], done.measured.evaluation, filters, _generated(done)))


def _generated(done: Done) -> Sequence[Generated]:
    if not done.methods:
        (layer,) = done.layers
        return [Generated(layer.name, nearest, ALONE.format(name=layer.name))]
    if done.layers:
        return [Generated(layer.name, None, layer.trust()) for layer in done.layers[:MOST]]
    return [Generated(FAITHFUL, done.methods[FAITHFUL], trust_of)]


def _inputs(measured: Measured) -> list[Input]:
    pair = measured.common.pair
    images = {
        "input, as far as it was used": (pair.name, pair.given),
        "truth": (pair.reference.name, pair.reference.image),
    }
    inputs = [Input.of(role, name, image) for role, (name, image) in images.items()]
    return inputs + [Input.of("result", each.name, each.image) for each in pair.layers]


def _cards(done: Done) -> list[dict[str, str]]:
    """Return the card of every network that was measured, or made what was; each once."""
    from napari_medrefine.superres.card_facts import card_of, shipped_cards

    sharpening = done.measured.evaluation.protocol.scale == 1
    cards = shipped_cards("sharpen" if sharpening else "magnify") if done.methods else []
    cards += [card_of(done.own.file)] if done.own else []
    cards += [card for layer in done.layers for card in layer.cards()]
    return list({tuple(card.items()): card for card in cards}.values())


def _free(folder: Path, name: str) -> Path:
    """Return a sub-folder that is not there yet."""
    safe = re.sub(r"[^\w.-]+", "-", f"measured {name}").strip("-.")
    found, n = folder / safe, 2
    while found.exists():
        found, n = folder / f"{safe}-{n}", n + 1
    return found
