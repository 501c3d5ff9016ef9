"""Giving a model of ours away in the format of bioimage.io, for ilastik, deepImageJ and others.

A folder or a zip with the network as TorchScript, an image to test it with and what has to come of
it, a cover, a README from the model card, and `rdf.yaml` (model RDF 0.5) that names them all.
Before anything appears, bioimage.io's own tool runs the network and compares what comes of it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator as Iterating
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import ValidationError

from napari_medrefine import __version__
from napari_medrefine._atomic import PART, cannot
from napari_medrefine._records import first_problem
from napari_medrefine.errors import MedRefineError
from napari_medrefine.photos import write_image
from napari_medrefine.progress import Step, finish
from napari_medrefine.samples import Slide
from napari_medrefine.superres import bioimage_card as words
from napari_medrefine.superres.cards import ModelCard
from napari_medrefine.superres.chain import Chain
from napari_medrefine.superres.inference import run_steps
from napari_medrefine.superres.models import Model, list_models, load_model
from napari_medrefine.superres.recording import record

_OURS = ("The napari-medrefine developers",)
_TEST_SHAPE = (96, 128)
_COVER = 256  # pixels a side of either half
_TOLERANCE = {"relative_tolerance": 1e-3, "absolute_tolerance": 0.05}  # of 255 grey levels
_STAGES = ("running the network", "recording it", "testing the package", "done")
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Content:
    """What is written besides the network."""

    card: ModelCard
    scale: int
    authors: tuple[str, ...]
    given: npt.NDArray[np.uint8]
    made: Floats


def export_model(
    model: str | Path,
    output: str | Path,
    *,
    scale: int | None = None,
    authors: tuple[str, ...] = (),
) -> Path:
    """Write a model as bioimage.io has it; see `export_model_steps`."""
    return finish(export_model_steps(model, output, scale=scale, authors=authors))


def export_model_steps(
    model: str | Path,
    output: str | Path,
    *,
    scale: int | None = None,
    authors: tuple[str, ...] = (),
) -> Iterating[Step, None, Path]:
    """Write a model as bioimage.io has it, tested with bioimage.io's own tool; nothing is fetched.

    Parameters
    ----------
    model : str or Path
        One of `list_models`, or a weight file of our own.
    output : str or Path
        A folder to make, or a file if its name ends in ``.zip``.
    scale : int, optional
        Which of the model's enlargements; default: its largest. Such a model has only one.
    authors : tuple of str
        Who made the weights; those that ship need none.

    Returns
    -------
    Path
        `output`.

    Raises
    ------
    MedRefineError
        If `output` exists, the model is not ours or lacks `scale`, nobody is named as its author,
        `bioimageio.core` is not installed, or its test fails.
    """
    output = Path(output)
    if output.exists():
        raise MedRefineError(f"{output} is already there; choose another name.")
    library = _library()
    yield Step(0, 3, _STAGES[0])
    ours = load_model(model)
    content = _content(ours, model, scale, authors)
    with _working(output) as folder:
        yield Step(1, 3, _STAGES[1])
        record(ours.generator, content.scale, folder / "weights.pt")
        _write_files(folder, content)
        yield Step(2, 3, _STAGES[2])
        with _silenced():
            package = _packed(library, folder, content, zipped=output.suffix == ".zip")
            _test(library, package)
        package.replace(output)
    yield Step(3, 3, _STAGES[3])
    return output


def _library() -> Any:
    try:
        import bioimageio.core
        import bioimageio.spec.model.v0_5
    except ModuleNotFoundError as error:
        raise MedRefineError(
            "Exporting needs one more package: pip install 'napari-medrefine[bioimageio]'."
        ) from error
    return bioimageio


@contextmanager
def _silenced() -> Iterating[None, None, None]:
    """Keep the tool's log, pages of it, from the terminal."""
    from loguru import logger

    logger.disable("bioimageio")
    try:
        yield
    finally:
        logger.enable("bioimageio")


@contextmanager
def _working(output: Path) -> Iterating[Path, None, None]:
    """Make a folder beside `output` that is gone afterwards."""
    try:
        with tempfile.TemporaryDirectory(prefix=PART, dir=output.absolute().parent) as folder:
            content = Path(folder) / "content"
            content.mkdir()
            yield content
    except OSError as error:
        raise MedRefineError(cannot("write", output, error)) from error


def _content(
    ours: Model, model: str | Path, scale: int | None, authors: tuple[str, ...]
) -> _Content:
    card = ours.card
    if not isinstance(card, ModelCard):
        raise MedRefineError(
            f"{model} is a network of others; only models with a model card can be exported."
        )
    scale = max(card.scales) if scale is None else scale
    if scale not in card.scales:
        known = ", ".join(str(one) for one in card.scales)
        raise MedRefineError(f"The model {card.name} has no scale {scale}; it has {known}.")
    if not authors and str(model) not in list_models():
        raise MedRefineError("Say who made these weights: bioimage.io wants an author.")
    given = _example()
    chain = Chain(ours.generator, (scale,))
    shape = (given.shape[0] * scale, given.shape[1] * scale)
    unit = given.astype(np.float32) / np.float32(255)
    made = finish(run_steps(unit, shape, chain)).astype(np.float32) * np.float32(255)
    return _Content(card, scale, authors or _OURS, given, made)


def _example() -> npt.NDArray[np.uint8]:
    """Return a photo of the procedural slide, so that nobody's image is given away."""
    photo = Slide(size_um=(400.0, 500.0)).photograph(10, shape=_TEST_SHAPE, pixel_um=1.0)
    return photo.image


def _write_files(folder: Path, content: _Content) -> None:
    for name, image in (("input", content.given), ("output", content.made)):
        np.save(folder / f"test-{name}.npy", np.moveaxis(image, -1, 0)[None])
    text = words.documentation_of(content.card, content.scale)
    (folder / "README.md").write_text(text, encoding="utf-8")
    (folder / "model-card.json").write_text(content.card.model_dump_json(indent=1))
    write_image(folder / "cover.png", _cover(content))


def _cover(content: _Content) -> npt.NDArray[np.uint8]:
    """Return what goes in and what comes out, side by side, the same part of both."""
    high = _COVER // content.scale
    left = content.given[:high, :high]
    left = left.repeat(_COVER // high, axis=0).repeat(_COVER // high, axis=1)
    right = np.rint(content.made).astype(np.uint8)
    side = min(len(left), right.shape[0])
    return np.concatenate([left[:side, :side], right[:side, :side]], axis=1)


def _packed(library: Any, folder: Path, content: _Content, *, zipped: bool) -> Path:
    try:
        described = _described(library.spec, folder, content)
    except ValidationError as error:
        what = first_problem(error)[:90]
        raise MedRefineError(
            f"bioimage.io's library cannot describe the model ({what} ...). It does not work with "
            'every version of pydantic: pip install "napari-medrefine[bioimageio]" installs two '
            "that fit."
        ) from error
    if zipped:
        file = folder.parent / "model.zip"
        return Path(library.spec.save_bioimageio_package(described, output_path=file))
    whole = folder.parent / "model"
    return Path(library.spec.save_bioimageio_package_as_folder(described, output_path=whole))


def _test(library: Any, package: Path) -> None:
    """Let bioimage.io's tool run the network and compare.

    Raises
    ------
    MedRefineError
        With the first thing that it complains of.
    """
    summary = library.core.test_description(package, devices=["cpu"])
    if summary.status != "passed":
        errors = [error.msg for detail in summary.details for error in detail.errors]
        said = " ".join(errors[0].split())[:300] if errors else summary.status
        raise MedRefineError(f"bioimage.io's own test of the package failed: {said}")


def _described(spec: Any, folder: Path, content: _Content) -> Any:
    v0_5, card, scale = spec.model.v0_5, content.card, content.scale

    def file(name: str) -> Any:
        return v0_5.FileDescr(source=folder / name)

    authors = [v0_5.Author(name=name) for name in content.authors]
    return v0_5.ModelDescr(
        name=words.name_of(card, scale),
        description=words.description_of(card, scale),
        authors=authors,
        cite=[v0_5.CiteEntry(text=text, doi=doi) for text, doi in words.citations_of(card)],
        license=words.licence_of(card),
        documentation=file("README.md"),
        covers=[file("cover.png")],
        attachments=[file("model-card.json")],
        tags=["super-resolution", "image-restoration", "histology", "2d", "pytorch", card.task],
        version=__version__,
        inputs=[_tensor(v0_5, file, "input", scale)],
        outputs=[_tensor(v0_5, file, "output", scale)],
        weights=v0_5.WeightsDescr(
            torchscript=v0_5.TorchscriptWeightsDescr(
                source=folder / "weights.pt",
                pytorch_version=torch.__version__.split("+")[0],
                authors=authors,
            )
        ),
        config=v0_5.Config(
            bioimageio=v0_5.BioimageioConfig(
                reproducibility_tolerance=[v0_5.ReproducibilityTolerance(**_TOLERANCE)]
            )
        ),
    )


def _tensor(v0_5: Any, file: Any, name: str, scale: int) -> Any:
    """Describe what goes in or comes out: RGB from 0 to 255, of any size in steps of 8."""
    out = name == "output"
    gain = 255.0 if out else 1 / 255
    scaled = v0_5.ScaleLinearDescr(kwargs=v0_5.ScaleLinearKwargs(gain=gain))
    axes = [v0_5.BatchAxis(), v0_5.ChannelAxis(channel_names=["red", "green", "blue"])]
    for axis in ("y", "x"):
        if out:
            size = v0_5.SizeReference(tensor_id="input", axis_id=axis)
            axes.append(v0_5.SpaceOutputAxis(id=axis, size=size, scale=1 / scale))
        else:
            size = v0_5.ParameterizedSize(min=64, step=8)
            axes.append(v0_5.SpaceInputAxis(id=axis, size=size))
    data = v0_5.IntervalOrRatioDataDescr(type="float32" if out else "uint8", range=(0, 255))
    described = v0_5.OutputTensorDescr if out else v0_5.InputTensorDescr
    numbers = v0_5.EnsureDtypeDescr(kwargs=v0_5.EnsureDtypeKwargs(dtype="float32"))
    steps = {"postprocessing" if out else "preprocessing": [scaled, numbers]}
    return described(id=name, axes=axes, data=data, test_tensor=file(f"test-{name}.npy"), **steps)
