"""What a measurement says in words: the chosen layer first, then the networks, then the notes."""

from __future__ import annotations

from napari_medrefine.compare.pairs import Measured
from napari_medrefine.compare.words import explain, explain_alone
from napari_medrefine.widgets._measure_networks import Own
from napari_medrefine.widgets._measure_roles import Roles

NOT_OPEN = (
    "The photo that '{name}' was made from is not open, so that filters and networks could not be "
    "measured beside it."
)


def words_of(
    measured: Measured, roles: Roles, ours: tuple[str, ...], tuned: str, own: Own | None
) -> str:
    """Return the sentences, in paragraphs.

    Parameters
    ----------
    measured : Measured
    roles : Roles
        Whose numbers they are.
    ours : tuple of str
        The methods that are networks.
    tuned : str
        What filters were tuned on.
    own : Own or None
        The network in use.
    """
    truth = "the real photo" if measured.common.match.kind != "none" else "the original"
    if roles.alone:
        name = roles.given.name
        parts = [explain_alone(measured, name, truth), NOT_OPEN.format(name=name)]
    else:
        layers = [layer.name for layer in roles.results[:1]]
        parts = [explain(measured, ours, truth, layers=layers)]
    if own is not None and (caution := own.caution(measured.common.pair)):
        parts.append(caution)
    parts += measured.notes
    if tuned:
        parts.append(f"Tuned filters: {tuned}")
    return "\n\n".join(parts)
