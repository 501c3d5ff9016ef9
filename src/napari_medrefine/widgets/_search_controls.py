"""The controls that say what a registration has to look for."""

from __future__ import annotations

from collections.abc import Sequence

from magicgui.widgets import ComboBox, FloatSpinBox, Label

from napari_medrefine.errors import MedRefineError
from napari_medrefine.widgets._fold import Fold
from napari_medrefine.widgets._geometry import Layer
from napari_medrefine.widgets._layers import Magnification
from napari_medrefine.widgets._panel import row, wrapped_label
from napari_medrefine.widgets._placing import Ratio

AUTOMATIC, ENTERED, UNKNOWN = "automatic", "entered", "unknown"
USUAL = (-15.0, 15.0)
ANGLES = {"about ±15°": USUAL, "any": (-180.0, 180.0)}
METHODS = {
    "spiral pyramid": "pyramid",
    "brute-force spiral": "spiral",
}


class SearchControls:
    """Magnification, angle and, folded away, the method; `widgets` in the order to show them."""

    def __init__(self) -> None:
        self.magnification = ComboBox(
            label="Magnification",
            choices=[
                ("automatic", AUTOMATIC),
                ("enter objectives", ENTERED),
                ("unknown (slower)", UNKNOWN),
            ],
            tooltip="How many times finer the fields are than the overview: read from the layers' "
            "pixel sizes or names (4x, 40x), or entered by you",
        )
        self.overview_power = FloatSpinBox(
            value=4, min=0.5, max=200, step=1, tooltip="Objective of the overview, e.g. 4"
        )
        self.field_power = FloatSpinBox(
            value=40, min=0.5, max=200, step=1, tooltip="Objective of the chosen fields, e.g. 40"
        )
        self.objectives = row(
            self.overview_power, Label(value="x, fields"), self.field_power, Label(value="x"),
            label="Overview", visible=False, tooltip="The magnifications written on the objectives",
        )  # fmt: skip
        self.known = wrapped_label("What the chosen layers say of their magnification")
        self.angle = ComboBox(
            label="Camera angle",
            choices=list(ANGLES.items()),
            tooltip="How far the camera may have been turned between the photos",
        )
        self.method = ComboBox(
            label="Method",
            choices=list(METHODS.items()),
            tooltip="The pyramid is recommended. The brute-force spiral on RGB differences is the "
            "original idea, kept for comparison: slow, and it seldom finds real photos",
        )
        folded = Fold("Advanced", "Show or hide the choice of the search method", [self.method])
        self.widgets = (
            self.magnification,
            self.objectives,
            self.known,
            self.angle,
            *folded.widgets,
        )
        self.magnification.changed.connect(self._show_objectives)

    def ratio(self, overview: Layer, field: Layer) -> Ratio:
        """Return how many field pixels make one overview pixel, None where that is unknown.

        Raises
        ------
        MedRefineError
            If the entered or known objectives make the field no finer than the overview.
        """
        if self.magnification.value == UNKNOWN:
            return None
        if self.magnification.value == ENTERED:
            ratio: float | None = self.field_power.value / self.overview_power.value
        else:
            ratio = Magnification.of(overview).ratio(Magnification.of(field))
        if ratio is not None and ratio < 1:
            raise MedRefineError(
                f"'{field.name}' would be coarser than the overview '{overview.name}' (ratio "
                f"{ratio:.2f}); exchange the two, or enter the right objectives."
            )
        return ratio

    @property
    def angles(self) -> tuple[float, float] | None:
        """Degrees to search; None leaves it to the search: any where the ratio is unknown."""
        angles: tuple[float, float] = self.angle.value
        return None if angles == USUAL else angles

    def tell(self, overview: Layer | None, fields: Sequence[Layer]) -> None:
        """Say what the chosen layers tell of their magnification."""
        self.known.value = self._known(overview, fields)

    def _known(self, overview: Layer | None, fields: Sequence[Layer]) -> str:
        if self.magnification.value != AUTOMATIC or overview is None or not fields:
            return ""
        own = Magnification.of(overview)
        ratios = [own.ratio(Magnification.of(field)) for field in fields]
        if None in ratios:
            name = fields[ratios.index(None)].name
            return (
                f"The magnification of '{name}' or of the overview is not known: the search takes "
                "longer. Enter the objectives to be faster."
            )
        distinct = sorted({f"{ratio:.3g}" for ratio in ratios}, key=float)
        return f"{' or '.join(distinct)} field pixels make one overview pixel"

    def _show_objectives(self) -> None:
        self.objectives.visible = self.magnification.value == ENTERED
