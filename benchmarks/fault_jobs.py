"""The jobs and saves that `faults.py` disturbs, each as a process that can be killed.

A job reads from the folder ``input`` and writes into the folder ``out`` of its own place. The same
call begins it, goes on with it, and, with an older `variant`, makes what it is to replace.
"""

from __future__ import annotations

import os
import resource
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from napari_medrefine import cli
from napari_medrefine._hashing import digest
from napari_medrefine._tables import write_csv
from napari_medrefine.atlas import Atlas
from napari_medrefine.atlas.record import PhotoRecord, load_atlas, save_atlas
from napari_medrefine.atlas.slides import save_slides_steps
from napari_medrefine.compare import PROTOCOLS, Sample, evaluate_steps, write_report
from napari_medrefine.dataset import MANIFEST, load_manifest
from napari_medrefine.dataset._journal import JOURNAL
from napari_medrefine.errors import NO_MEMORY, MedRefineError, is_out_of_memory
from napari_medrefine.io.ome_tiff import write_ome_tiff
from napari_medrefine.io.ome_zarr import write_ome_zarr
from napari_medrefine.io.writer import save_layers
from napari_medrefine.photos import write_image
from napari_medrefine.progress import finish
from napari_medrefine.registration import Placement
from napari_medrefine.samples import demo_photos
from napari_medrefine.slides import magnify as slide_job
from napari_medrefine.superres.models import load_model, save_model
from napari_medrefine.superres.run_folder import CHECKPOINT, RECORD, read_run
from napari_medrefine.superres.training import TrainingConfig, read_sides, train_steps

OLD, NEW = 1, 2
TIMES = 40  # a save takes a millisecond: this often, or no kill would meet it


def textured(seed: int, height: int = 280, width: int = 400) -> np.ndarray:
    """Return a picture with structure at every scale on a light ground, RGB uint8."""
    rng = np.random.default_rng(seed)
    structure = sum(
        sigma * gaussian_filter(rng.normal(size=(height, width)), sigma) for sigma in (1, 3, 9)
    )
    return np.clip(190 + structure[..., None] * np.array([18.0, 30.0, 16.0]), 0, 250).astype("u1")


class Held:
    """A picture as the pyramid writers want it."""

    def __init__(self, seed: int) -> None:
        self._image = textured(seed, 1100, 1300)
        self.shape, self.dtype = self._image.shape, self._image.dtype

    def render(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        return self._image[top : top + height, left : left + width]


@dataclass(frozen=True)
class Job:
    """Something that writes files.

    Attributes
    ----------
    make_input : callable
        Fills the input folder.
    run : callable
        ``(input, out, variant)``: does it, and goes on where it was.
    target : str
        What comes to be in ``out``: a file, or a folder.
    marker : str
        The file that says that `target` is complete; empty: the target itself.
    journal : str
        A file that is there as long as something is to be done, if only to remove what is stale.
    complete : callable
        Says so where the marker alone does not.
    compared : sequence of str
        Patterns of the files that count; empty: all that are not hidden.
    replaces : bool
        Whether an older one is there, and stays until the new one is whole.
    """

    make_input: Callable[[Path], None]
    run: Callable[[Path, Path, int], int | None]
    target: str
    marker: str = ""
    journal: str = ""
    complete: Callable[[Path], bool] = Path.exists
    compared: Sequence[str] = ()
    replaces: bool = False


def nothing(_: Path) -> None:
    """Need no input."""


def photos(folder: Path) -> None:
    for slide in range(1, 5):
        write_image(folder / f"slide{slide}_4x.png", textured(slide))
        write_image(folder / f"slide{slide}_40x_1.png", textured(10 + slide), pixel_um=0.125)


def prepare(given: Path, out: Path, _: int) -> int:
    return cli.main(["prepare", str(given), "-o", str(out / "dataset"), "--tile", "64"])


def slides(folder: Path) -> None:
    for slide in range(3):
        (folder / f"slide{slide}").mkdir()
        write_image(folder / f"slide{slide}" / "photo.png", textured(slide, 200, 200))


SETTINGS = TrainingConfig(
    epochs=3, steps_per_epoch=4, batch=2, crop=16, channels=8, blocks=1, validation_steps=1,
    adversarial=0.34, checkpoint_every=2, precision="float32", held_out=0.34,
)  # fmt: skip


def train(given: Path, out: Path, _: int) -> None:
    sides, folder = read_sides(given, SETTINGS), out / "run"
    resume = (folder / CHECKPOINT).exists() or (folder / RECORD).exists()
    job = train_steps(
        sides.training, sides.validation, SETTINGS, folder, resume=resume, source=given
    )
    finish(job)


def is_trained(record: Path) -> bool:
    return record.exists() and read_run(record.parent).finished


def photo(folder: Path) -> None:
    write_image(folder / "slide_10x.png", textured(1, 280, 400), pixel_um=1.0)


def magnify(given: Path, out: Path, _: int) -> int:
    slide_job.BLOCK = 512
    return cli.main(
        ["magnify", str(given / "slide_10x.png"), "-o", str(out / "big.ome.zarr"), "--scale", "2"]
    )


def box(folder: Path) -> None:
    overview, fields = demo_photos(0)
    write_image(folder / "slide_4x.png", overview.image)
    for number, field in enumerate(fields[:2]):
        write_image(folder / f"slide_10x_{number}.png", field.image)


def atlas(given: Path, out: Path, _: int) -> int:
    return cli.main(["atlas", str(given), "-o", str(out / "atlas")])


def placed(shift: float) -> Placement:
    matrix = np.array([[0.4, 0, 40 + shift], [0, 0.4, 60], [0, 0, 1]])
    return Placement(matrix, (280, 400), (280, 400), accepted=True, reason="as made", score=0.9)


def assembled(folder: Path) -> None:
    """Make an atlas of two slides with a field each."""
    records = []
    for slide in "ab":
        for kind, seed in (("4x", 1), ("10x", 2)):
            name = f"{slide}_{kind}"
            path = folder / f"{name}.png"
            write_image(path, textured(seed + ord(slide)))
            field = kind == "10x"
            records.append(
                PhotoRecord(
                    source=path.name, name=name, sha256=digest(path), shape=(280, 400),
                    objective=10.0 if field else 4.0, pixel_um=None,
                    role="field" if field else "overview",
                    overview=f"{slide}_4x.png" if field else None,
                    placement=f"placements/{name}.placement.json" if field else None,
                )
            )  # fmt: skip
    (folder / "placements").mkdir()
    for slide in "ab":
        placed(0).save(folder / "placements" / f"{slide}_10x.placement.json")
    save_atlas(folder, Atlas(software="the benchmark", folder=".", photos=tuple(records)))


def slides_as(kind: str) -> Callable[[Path, Path, int], None]:
    def run(given: Path, out: Path, _: int) -> None:
        made = load_atlas(given)
        folder = out / "atlas"
        if not (folder / "placements").exists():  # the atlas was taken away, or never there
            (folder / "placements").mkdir(parents=True)
            for file in given.rglob("*.json"):
                (folder / file.relative_to(given)).write_bytes(file.read_bytes())
        try:
            finish(save_slides_steps(folder, made.model_copy(update={"folder": str(given)}), kind))
        except MedRefineError as error:
            if "already there" not in str(error):  # all are
                raise

    return run


def save_placement(_: Path, out: Path, variant: int) -> None:
    for shift in [*[OLD, variant] * TIMES, variant]:
        placed(shift).save(out / "saved" / "field.placement.json")


def save_weights(_: Path, out: Path, variant: int) -> None:
    model = load_model("magnify-faithful")
    state = model.generator.state_dict()
    first = next(iter(state))
    state[first] = state[first] * 0 + variant
    model.generator.load_state_dict(state)
    for _number in range(TIMES // 8):
        save_model(out / "saved" / "mine.safetensors", model.generator, model.card)


def save_photo(_: Path, out: Path, variant: int) -> None:
    for _number in range(TIMES // 10):
        write_image(out / "saved" / "photo.tif", textured(variant, 500, 700))


def save_tiff(_: Path, out: Path, variant: int) -> None:
    path = out / "saved" / "slide.ome.tif"
    facts = {"made_from": variant}
    finish(write_ome_tiff(path, Held(variant), pixel_um=1.0, overwrite=True, facts=facts))


def save_zarr(_: Path, out: Path, variant: int) -> None:
    path = out / "saved" / "slide.ome.zarr"
    finish(write_ome_zarr(path, Held(variant), pixel_um=1.0, overwrite=True))


def save_dataset(_: Path, out: Path, variant: int) -> None:
    layers = [
        (textured(variant + k, 600, 700), {"name": f"liver {k}", "rgb": True}, "image")
        for k in range(3)
    ]
    save_layers(out / "saved" / "liver.medrefine.json", layers)


def is_dataset(manifest: Path) -> bool:
    """Say whether it opens, with all its tiles."""
    made = load_manifest(manifest)
    return all(digest(manifest.parent / tile.file) == tile.sha256 for tile in made.tiles)


def save_report(_: Path, out: Path, variant: int) -> None:
    samples = [Sample("one", "a slide", textured(variant, 128, 128))]
    job = evaluate_steps(samples, PROTOCOLS["x4"], {})
    made = finish(job)
    same = replace(made, rows=[replace(row, seconds=0.0) for row in made.rows])
    for _number in range(TIMES // 8):
        write_report([same], out / "saved")


def save_table(_: Path, out: Path, variant: int) -> None:
    rows = [{"photo": f"{variant}-{k}.jpg", "role": "field"} for k in range(4000)]
    for _number in range(TIMES // 8):
        write_csv(out / "saved" / "atlas.csv", rows, ("photo", "role"))


def are_slides(last: Path) -> bool:
    """Say whether all are there; each comes to be by itself, the last of them at the end."""
    return last.exists() and last.with_name(last.name.replace("b_", "a_", 1)).exists()


SLIDE_FILES = ("*.ome.zarr/**/*", "*.ome.tif")
JOBS: dict[str, Job] = {
    "prepare": Job(photos, prepare, "dataset", MANIFEST, JOURNAL),
    "train": Job(
        slides, train, "run", RECORD, complete=is_trained,
        compared=("best.safetensors", "gan.safetensors"),
    ),
    "magnify to disk": Job(photo, magnify, "big.ome.zarr"),
    "atlas": Job(box, atlas, "atlas", "medrefine-atlas.json"),
    "slides as OME-Zarr": Job(
        assembled, slides_as("ome-zarr"), "atlas", "b_4x.ome.zarr", complete=are_slides,
        compared=SLIDE_FILES,
    ),
    "slides as OME-TIFF": Job(
        assembled, slides_as("ome-tiff"), "atlas", "b_4x.ome.tif", complete=are_slides,
        compared=SLIDE_FILES,
    ),
    "placement": Job(nothing, save_placement, "saved/field.placement.json", replaces=True),
    "weights": Job(nothing, save_weights, "saved/mine.safetensors", replaces=True),
    "photo": Job(nothing, save_photo, "saved/photo.tif", replaces=True),
    "OME-TIFF": Job(nothing, save_tiff, "saved/slide.ome.tif", replaces=True),
    "OME-Zarr": Job(nothing, save_zarr, "saved/slide.ome.zarr", replaces=True),
    "dataset of layers": Job(
        nothing, save_dataset, "saved", "liver.medrefine.json", complete=is_dataset, replaces=True
    ),
    "report": Job(nothing, save_report, "saved", "report.html", replaces=True,
                  compared=("report.html",)),
    "table (CSV)": Job(nothing, save_table, "saved/atlas.csv", replaces=True),
}  # fmt: skip


def work(name: str, place: Path, variant: int, room_mb: int | None, begun: Connection) -> None:
    """Do a job in a process of its own, as the command line does: a sentence, an exit status."""
    torch.set_num_threads(1)
    log = os.open(place / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    job = JOBS[name]
    if room_mb is not None:
        limit = _size() + room_mb * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    begun.send("begun")
    status = 1
    try:
        status = job.run(place / "input", place / "out", variant) or 0
    except MedRefineError as error:
        print(f"medrefine: {error}", file=sys.stderr)
    except Exception as error:  # noqa: BLE001 - what a user would see as a traceback
        if is_out_of_memory(error):
            print(f"medrefine: {NO_MEMORY}", file=sys.stderr)
        else:
            traceback.print_exc()
    sys.stderr.flush()
    sys.stdout.flush()
    os._exit(status)


def _size() -> int:
    """Return the bytes of address space that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
