"""What is kept of a napari layer that was saved as a photo of a dataset, so that it opens again."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

Pair = tuple[float, float]
Row = tuple[float, float, float]
Colour = tuple[float, float, float, float]
Vector = Annotated[tuple[float, ...], Field(min_length=2)]  # a number for each axis
Name = Annotated[str, Field(max_length=1024)]
Names = Annotated[tuple[Name, ...], Field(min_length=2)]
LayerDtype = Literal["uint8", "uint16", "float16", "float32", "float64"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ColourMap(_Model):
    """A colour map: RGBA colours at `controls` (0 to 1), and those of what lies outside."""

    name: Name
    colors: tuple[Colour, ...]
    controls: tuple[float, ...]
    interpolation: Name
    nan_color: Colour | None = None
    high_color: Colour | None = None
    low_color: Colour | None = None


class Plane(_Model):
    """A plane of napari's 3-D view."""

    position: Row
    normal: Row
    thickness: float | None = None
    enabled: bool | None = None


class LayerAttributes(_Model):
    """The properties of a napari image layer, by napari's names; None: napari's default.

    All that have a number for each axis have as many: two of a photo, more of a stack.
    """

    name: Name | None = None
    metadata: dict[str, JsonValue] | None = None
    scale: Vector | None = None
    translate: Vector | None = None
    rotate: tuple[Vector, ...] | None = None
    shear: tuple[float, ...] | None = None
    affine: tuple[Vector, ...] | None = None
    units: Names | None = None
    axis_labels: Names | None = None
    opacity: Annotated[float, Field(ge=0, le=1)] | None = None
    blending: Name | None = None
    visible: bool | None = None
    projection_mode: Name | None = None
    colormap: ColourMap | None = None
    contrast_limits: Pair | None = None
    auto_contrast: bool | None = None
    gamma: float | None = None
    interpolation2d: Name | None = None
    interpolation3d: Name | None = None
    custom_interpolation_kernel_2d: tuple[tuple[float, ...], ...] | None = None
    rendering: Name | None = None
    depiction: Name | None = None
    iso_threshold: float | None = None
    attenuation: float | None = None
    plane: Plane | None = None
    experimental_clipping_planes: tuple[Plane, ...] | None = None

    @property
    def ndim(self) -> int | None:
        """How many axes the layer has, its colours' aside; None where nothing says."""
        vectors = (self.scale, self.translate, self.rotate, self.units, self.axis_labels)
        known = {len(one) for one in vectors if one is not None}
        return known.pop() if known else len(self.affine) - 1 if self.affine else None

    @model_validator(mode="after")
    def _of_as_many_axes(self) -> Self:
        """Check that all are of as many axes."""
        if self.ndim is not None:
            check_axes(self, self.ndim)
        return self


def check_axes(attributes: LayerAttributes, ndim: int) -> None:
    """Raise where something has not a number for each of `ndim` axes.

    Raises
    ------
    ValueError
        Naming it.
    """
    shapes = {
        **dict.fromkeys(("scale", "translate", "units", "axis_labels"), (ndim,)),
        "rotate": (ndim, ndim),
        "affine": (ndim + 1, ndim + 1),
    }
    for name, shape in shapes.items():
        value = getattr(attributes, name)
        if value is not None and _shape(value) != shape:
            raise ValueError(f"{name} is not of {ndim} axes")


def _shape(value: tuple[object, ...]) -> tuple[int, ...]:
    """Return the shape of a vector or a matrix; of one with rows of several lengths, nonsense."""
    rows = {len(row) for row in value if isinstance(row, tuple)}
    return (len(value), *sorted(rows))


class LayerState(_Model):
    """A layer as it was saved.

    Attributes
    ----------
    dtype : str
        Of its pixels, and so of its tiles.
    channels : {0, 3, 4}
        0: grey, ``(H, W)``; else ``(H, W, channels)``.
    white : float
        The value that training takes for full white.
    attributes : LayerAttributes
        Everything else.
    """

    dtype: LayerDtype
    channels: Literal[0, 3, 4]
    white: Annotated[float, Field(gt=0)]
    attributes: LayerAttributes

    @model_validator(mode="after")
    def _of_a_photo(self) -> Self:
        check_axes(self.attributes, 2)
        return self
