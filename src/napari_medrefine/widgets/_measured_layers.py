"""Which network made a layer that is measured: its trust map and its model card, for a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_medrefine.compare.gallery import Trust
from napari_medrefine.superres.card_facts import card_of, shipped_cards
from napari_medrefine.superres.cards import CAUTION
from napari_medrefine.widgets._geometry import Layer
from napari_medrefine.widgets._layers import about

UNKNOWN = "nothing says which network made '{name}'."
WEAK = "'{name}' was made at strength {strength:g}, and the map is of the network at full strength."
OTHER = "'{name}' was made by other weights than those the map is calibrated for."


@dataclass(frozen=True)
class MadeBy:
    """What the notes on a layer say of the network that made it; they may be none, or others'.

    Attributes
    ----------
    name : str
        Of the layer.
    noted : mapping
        Our notes.
    """

    name: str
    noted: Mapping[str, Any]

    @classmethod
    def of(cls, layer: Layer) -> MadeBy:
        """Read them off a layer."""
        return cls(layer.name, about(layer))

    @property
    def weights(self) -> dict[str, str]:
        """SHA-256 of the weights that were mixed -> their name."""
        found = self.noted.get("weights")
        known = [w for w in found if isinstance(w, dict)] if isinstance(found, list) else []
        return {str(w.get("sha256")): str(w.get("name")) for w in known}

    def trust(self) -> Trust | str:
        """Return what computes the trust map of such a picture, or why none can be.

        It is told from the input: that picture lies on other pixels than the layer, by a little,
        where its scale is not the one that is measured at.
        """
        from napari_medrefine.superres import trust_map
        from napari_medrefine.superres.trust_model import trust_for

        realism, strength = self.noted.get("realism"), self.noted.get("strength", 1.0)
        noted = self.noted.get("model", "shipped")
        model = None if noted == "shipped" else str(noted)
        if not self.weights or not isinstance(realism, float | int):
            return UNKNOWN.format(name=self.name)
        if trust_for(self.weights.keys()) is None:
            return OTHER.format(name=self.name)
        if strength != 1:
            return WEAK.format(name=self.name, strength=strength)
        return lambda given, scale, _: trust_map(given, scale, realism=float(realism), model=model)

    def cards(self) -> list[dict[str, str]]:
        """Return the cards of its weights; of such as are not there any more, what was noted."""
        if not self.weights:
            return []
        task = self.noted.get("task")
        shipped = shipped_cards(task) if task in ("magnify", "sharpen") else []
        known = {card["weights SHA-256"]: card for card in shipped}
        file = Path(str(self.noted.get("model")))
        if not self.weights.keys() <= known.keys() and file.is_file():
            card = card_of(file)
            known[card.get("weights SHA-256") or card["file SHA-256"]] = card
        return [known.get(sha, _noted(name, sha)) for sha, name in self.weights.items()]


def _noted(name: str, sha256: str) -> dict[str, str]:
    return {"name": name, "weights SHA-256": sha256, "caution": CAUTION}
