"""Weights on disk: one safetensors file each, its model card in the file's own metadata.

Nothing in such a file is run as a program. Whatever is wrong with one is said in one sentence
that names it, before any image is touched.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from napari_medrefine._atomic import cannot, write_bytes
from napari_medrefine._hashing import sha256_of_file
from napari_medrefine._paths import read_file
from napari_medrefine.errors import MedRefineError
from napari_medrefine.superres.cards import ModelCard, Task, parse_card
from napari_medrefine.superres.foreign_files import ForeignCard, container_of
from napari_medrefine.superres.generator import Generator, Trunk, UNet
from napari_medrefine.superres.model_files import weights_in
from napari_medrefine.superres.run_folder import FAITHFUL, GAN

SUFFIX = ".safetensors"
_SHIPPED = Path(__file__).parent / "weights"
# Which file holds the GAN weights that belong to faithful ones: ours, and those of a training run.
_PARTNERS = {"faithful" + SUFFIX: "gan" + SUFFIX, FAITHFUL: GAN}


@dataclass(frozen=True, slots=True)
class Model:
    """A generator with its weights, ready to run, and what is known about it."""

    generator: Generator
    card: ModelCard | ForeignCard


def list_models() -> tuple[str, ...]:
    """Return the names of the models that ship with this package."""
    return tuple(sorted(path.stem for path in _SHIPPED.glob(f"*{SUFFIX}")))


def load_model(name_or_path: str | Path) -> Model:
    """Read one weight file.

    Parameters
    ----------
    name_or_path : str or Path
        One of `list_models`, or the path of a ``.safetensors`` file, or of one of others
        (``.pth``, ``.pt``, ``.ckpt`` too), which takes the package spandrel. The folder of a
        training stands for its faithful weights.

    Returns
    -------
    Model
        The network, ready to run, and its card.

    Raises
    ------
    MedRefineError
        If there is no such file, or it is damaged, holds no model of ours nor one that spandrel
        knows, or its tensors do not fit the architecture its card names.
    """
    path = _find(name_or_path)
    if container_of(path) is not None:
        from napari_medrefine.superres.foreign import load_foreign

        return Model(*load_foreign(path))
    state, metadata = _read(path)
    card = _card(path, metadata)
    if card.sha256 != state_sha256(state):
        raise MedRefineError(f"Cannot use {path}: its weights are not those its card describes.")
    with torch.device("meta"):  # before there is memory for a network of a billion weights
        expected = _build(card).state_dict()
    if {n: t.shape for n, t in state.items()} != {n: t.shape for n, t in expected.items()}:
        raise MedRefineError(
            f"Cannot use {path}: its weights do not fit a {card.architecture} of {card.channels} "
            "channels."
        )
    generator = _build(card)
    generator.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    return Model(generator.eval().requires_grad_(requires_grad=False), card)


def model_for(task: Task, realism: float = 0.0, model: str | Path | None = None) -> Model:
    """Return the model to run: faithful and GAN weights mixed (Wang et al. 2018, ESRGAN).

    Parameters
    ----------
    task : {"magnify", "sharpen"}
        Which shipped model, where none is named.
    realism : float
        0 (faithful) to 1 (GAN): the weights between are interpolated linearly.
    model : str, Path or None
        Weights to use instead. With `realism` above 0, the GAN weights must lie beside them:
        ``gan.safetensors`` beside ``best.safetensors``, ``X-gan`` beside ``X-faithful``; networks
        of others have none.

    Raises
    ------
    MedRefineError
        As `load_model`; or if the model is for the other task, or has no GAN weights.
    """
    faithful, *gan = (load_model(path) for path in files_for(task, realism, model))
    if faithful.card.task != task and task == "sharpen":
        if isinstance(faithful.card, ForeignCard):
            raise MedRefineError(
                f"The network in {model} enlarges {faithful.card.scale} times; it cannot sharpen "
                "at the same size."
            )
        raise MedRefineError(f"The model {model} is for magnifying; it cannot sharpen.")
    return Model(_mixed(faithful, gan[0], realism), gan[0].card) if gan else faithful


def weights_of(
    task: Task, realism: float = 0.0, model: str | Path | None = None
) -> list[dict[str, str]]:
    """Return name and SHA-256 of the weights that `model_for` mixes, for a result's provenance.

    Of ours the SHA-256 is that of the tensors, as their card has it; of others' that of the file.
    """
    (path, *_) = files_for(task, realism, model)
    if container_of(path) is not None:
        return [{"name": path.name, "sha256": sha256_of_file(path)}]
    mixed = [0.0, realism] if realism > 0 else [0.0]
    cards = [model_for(task, one, model).card for one in mixed]
    return [{"name": card.name, "sha256": card.sha256} for card in cards]


def files_for(
    task: Task, realism: float = 0.0, model: str | Path | None = None
) -> tuple[Path, ...]:
    """Return the weight files that `model_for` reads: the faithful one, then the GAN's if needed.

    Raises
    ------
    MedRefineError
        If one of them is missing.
    """
    faithful = _find(f"{task}-faithful" if model is None else model)
    if realism and container_of(faithful) is not None:
        raise MedRefineError(
            f"{faithful} is a network of others, of which there are no faithful and GAN weights to "
            "mix: realism must be 0."
        )
    return (faithful,) if realism == 0 else (faithful, _partner(faithful))


def save_model(path: Path, generator: Generator, card: ModelCard, *, half: bool = False) -> None:
    """Write weights and card as one file, whole or not at all.

    Parameters
    ----------
    path : Path
        Where to; replaced if it exists.
    generator : Generator
        Whose weights to write; its architecture takes the place of what `card` says.
    card : ModelCard
        The rest.
    half : bool
        Store float16: half the size, and the network still computes in float32.

    Raises
    ------
    MedRefineError
        If the folder is missing or read-only, or the disk is full.
    """
    kind = torch.float16 if half else torch.float32
    state = {
        name: tensor.detach().cpu().to(kind).contiguous()
        for name, tensor in generator.state_dict().items()
    }
    full = card.model_copy(update={**describe(generator), "sha256": state_sha256(state)})
    write_bytes(Path(path), _as_bytes(state, full))


def _as_bytes(state: dict[str, Tensor], card: ModelCard) -> bytes:
    # Where there is no room for its copies, let Python say so: Rust says more than a user can read.
    bytearray(3 * sum(tensor.nbytes for tensor in state.values()))
    try:
        return save(state, {"card": card.model_dump_json()})
    except BaseException as error:
        # Rust, out of memory, panics: no Exception, so that nobody would tell the user.
        if type(error).__name__ == "PanicException":
            raise MemoryError from error
        raise


def describe(generator: Generator) -> dict[str, Any]:
    """Return the fields of a `ModelCard` that follow from the architecture."""
    common = {"scales": tuple(generator.scales), "halo": generator.halo}
    if isinstance(generator, Trunk):
        channels, blocks = generator.entry.out_channels, len(generator.blocks)
        return {"architecture": "trunk", "channels": channels, "blocks": blocks, **common}
    if isinstance(generator, UNet):
        channels, blocks = generator.exit.in_channels, len(generator.blocks)
        return {"architecture": "unet", "channels": channels, "blocks": blocks, **common}
    raise TypeError(f"no card describes a {type(generator).__name__}")


def state_sha256(state: dict[str, Tensor]) -> str:
    """Return the SHA-256 of names, dtypes, shapes and values, as hexadecimal text."""
    digest = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _find(name_or_path: str | Path) -> Path:
    if str(name_or_path) in list_models():
        return _SHIPPED / f"{name_or_path}{SUFFIX}"
    if not isinstance(name_or_path, str | Path):
        raise MedRefineError(f"A model is a name or a path, not {name_or_path!r:.60}.")
    path = Path(name_or_path)
    with suppress(OSError):  # a name longer than names may be
        path = weights_in(path)
        if path.is_file():
            return path
    raise MedRefineError(
        f"There is no weight file {path}; give the path of one (such as {SUFFIX}) or one of "
        f"{', '.join(list_models())}."
    )


def _partner(path: Path) -> Path:
    for ending, other in _PARTNERS.items():
        partner = path.with_name(path.name.removesuffix(ending) + other)
        if path.name.endswith(ending) and partner.is_file():
            return partner
    raise MedRefineError(f"No GAN weights lie beside {path}, so realism must be 0.")


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        content = read_file(path)
    except OSError as error:
        raise MedRefineError(cannot("read", path, error)) from error
    try:
        state = load(content)  # checks lengths and offsets, which makes the next line safe
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise MedRefineError(
            f"Cannot read {path}: it is damaged, or no weight file (ours, or of others as "
            ".safetensors, .pth, .pt or .ckpt)."
        ) from error
    if not all(bool(torch.isfinite(t).all()) for t in state.values() if t.is_floating_point()):
        raise MedRefineError(f"Cannot use {path}: its weights are not all finite numbers.")
    return state, header.get("__metadata__") or {}


def _card(path: Path, metadata: dict[str, str]) -> ModelCard:
    if "card" not in metadata:
        raise MedRefineError(f"Cannot use {path}: it has no model card of napari-medrefine.")
    return parse_card(path, metadata["card"])


def _build(card: ModelCard) -> Generator:
    with torch.random.fork_rng(devices=[]):  # layers draw weights: leave the user's seed alone
        if card.architecture == "unet":
            return UNet(card.channels, card.blocks)
        return Trunk(card.channels, card.blocks, card.scales)


def _mixed(faithful: Model, gan: Model, realism: float) -> Generator:
    first, second = faithful.generator.state_dict(), gan.generator.state_dict()
    if {n: t.shape for n, t in first.items()} != {n: t.shape for n, t in second.items()}:
        raise MedRefineError(
            f"The weights {faithful.card.name} and {gan.card.name} are of different networks and "
            "cannot be mixed."
        )
    mixed = {name: torch.lerp(first[name], second[name], realism) for name in first}
    gan.generator.load_state_dict(mixed)
    return gan.generator
