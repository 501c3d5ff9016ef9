"""What is kept of a napari layer that was saved as a photo of a dataset, so that it opens again."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

Pair = tuple[float, float]
Row = tuple[float, float, float]
Colour = tuple[float, float, float, float]
Name = Annotated[str, Field(max_length=1024)]
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
    """The properties of a napari image layer, by napari's names; None: napari's default."""

    name: Name | None = None
    metadata: dict[str, JsonValue] | None = None
    scale: Pair | None = None
    translate: Pair | None = None
    rotate: tuple[Pair, Pair] | None = None
    shear: tuple[float, ...] | None = None
    affine: tuple[Row, Row, Row] | None = None
    units: tuple[Name, Name] | None = None
    axis_labels: tuple[Name, Name] | None = None
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
