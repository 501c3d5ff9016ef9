"""What a result says of how it was made: from which inputs, with what, by which version.

The same record for layers (in the metadata, under `KEY`), image files and pyramids, so that
`napari_medrefine.verify` can make any of them again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from napari_medrefine import __version__
from napari_medrefine._names import as_text
from napari_medrefine._records import record_of

KEY = "provenance"  # in a layer's ``metadata["medrefine"]``, and in a pyramid's facts
KIND: Literal["napari-medrefine provenance"] = "napari-medrefine provenance"
Made = Literal["magnify", "sharpen"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Span = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Input(_Model):
    """Something that a result was made from.

    Attributes
    ----------
    name : str
        Its file, without folders; of a layer without a file, the layer's name.
    sha256 : str or None
        Of what `of` says; None where nothing was hashed.
    of : {"pixels", "file", "windows"}
        The array (shape and dtype included), the file's bytes, or windows all over a picture that
        is too large (`superres.magnified.Magnified.fingerprint`).
    shape : tuple of int
        Of the whole input, or of the part `rows` by `cols`.
    level : int
        Of a pyramid, the level that the part was cut from; 0 is the finest.
    rows, cols : (int, int) or None
        The part that was used, the last one excluded; None: all of it.
    planes : dict of int to (int, int), or None
        Of a stack, whose planes were taken one by one: its axes that number them, and which were
        used along each, the last one excluded. What is hashed is one plane after the other, the
        last of these axes fastest. None: no stack.
    """

    name: Annotated[str, AfterValidator(as_text)]
    sha256: Sha256 | None
    of: Literal["pixels", "file", "windows"] = "pixels"
    shape: tuple[int, ...] = ()
    level: Annotated[int, Field(ge=0)] = 0
    rows: Span | None = None
    cols: Span | None = None
    planes: dict[int, Span] | None = None


class Weights(_Model):
    """Weights that were used, by the hash of their tensors; several were mixed."""

    name: str
    sha256: str


class Provenance(_Model):
    """How a result was made.

    Attributes
    ----------
    made : {"magnify", "sharpen"}
        By what.
    inputs : tuple of Input
        From what; hashes of one and the same input may be several.
    parameters : dict
        Of the recipe, by its names.
    weights : tuple of Weights
    computed : str
        Device and precision, e.g. ``"cpu float32"``: bfloat16 rounds otherwise.
    version : str
        Of the package.
    """

    kind: Literal["napari-medrefine provenance"] = KIND
    format: Literal[1] = 1
    made: Made
    inputs: tuple[Input, ...]
    parameters: dict[str, JsonValue]
    weights: tuple[Weights, ...] = ()
    computed: str = ""
    version: str = __version__

    def as_dict(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        record = self.model_dump(mode="json")
        for one in record["inputs"]:
            if one["planes"] is None:  # as versions wrote it that knew no stacks
                del one["planes"]
        return record

    def as_text(self) -> str:
        """Return it as one line of ASCII, for a file's description.

        It does not begin with a brace: tifffile takes such descriptions for its own.
        """
        return f"{KIND}: {json.dumps(self.as_dict())}"

    @classmethod
    def of_text(cls, text: str, where: object) -> Self | None:
        """Return what `as_text` wrote; None if `text` is something else; see `of_facts`."""
        try:
            found = json.loads(text.removeprefix(f"{KIND}: ")) if is_note(text) else None
        except (ValueError, RecursionError):
            return None
        return cls._checked(found, where)

    @classmethod
    def of_facts(cls, facts: object, where: object) -> Self | None:
        """Return the record that stands under `KEY` in `facts`, or in an entry of it.

        Raises
        ------
        MedRefineError
            If it is damaged or of a newer version; `where` says of what.
        """
        if not isinstance(facts, Mapping):
            return None
        return cls._checked(facts.get(KEY), where)

    @classmethod
    def _checked(cls, found: object, where: object) -> Self | None:
        if not isinstance(found, Mapping) or found.get("kind") != KIND:
            return None
        return record_of(found, cls, f"The provenance of {where}")


def is_note(text: str) -> bool:
    """Return whether a file's description is our own record, which says nothing of the optics."""
    return text.startswith(KIND)


def inputs_of(name: str, hashes: Sequence[tuple[Any, str | None]], **part: Any) -> list[Input]:
    """Return one input known by several hashes, each with what it is of."""
    return [Input(name=name, sha256=sha256, of=of, **part) for of, sha256 in hashes if sha256]
