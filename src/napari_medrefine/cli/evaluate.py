"""`medrefine evaluate`: numbers and pictures, the networks beside ordinary filters."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from napari_medrefine.cli._common import (
    Commands,
    add_command,
    add_overwrite,
    check_free,
    run_with_progress,
)
from napari_medrefine.compare import (
    PROTOCOLS,
    Method,
    Protocol,
    Sample,
    baselines,
    evaluate_steps,
    text_table,
    tune_steps,
    write_report,
)
from napari_medrefine.compare.visuals import as_picture
from napari_medrefine.dataset.recipe import Split
from napari_medrefine.errors import MedRefineError
from napari_medrefine.photos import find_photos, read_photo

EXAMPLES = """\
  medrefine evaluate dataset -o report
  medrefine evaluate photos -o report --protocol x4
  medrefine evaluate dataset -o report --model run/best.safetensors --limit 20
  medrefine evaluate dataset -o report --tune-on dataset"""
_TUNED_ON = 13  # images; more change the parameters little


def add_to(commands: Commands) -> None:
    """Add this command to the parser."""
    parser = add_command(
        commands, "evaluate", "measure the networks beside ordinary filters", EXAMPLES
    )
    parser.add_argument(
        "images",
        type=Path,
        help="a prepared dataset (its test tiles are used), or a folder of sharp photos; "
        "sub-folders are slides",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="folder for CSV, pictures and HTML"
    )
    parser.add_argument(
        "--protocol",
        choices=sorted(PROTOCOLS),
        action="append",
        help="how the sharp images are degraded; may be repeated (default: all)",
    )
    parser.add_argument(
        "--tune-on",
        type=Path,
        help="tune the sharpening filters on these images and measure them too: a prepared dataset "
        "(its training tiles are used), or a folder of photos of other slides",
    )
    parser.add_argument("--model", help="a weight file to measure too")
    parser.add_argument("--limit", type=int, help="at most this many images")
    add_overwrite(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Evaluate, print the tables and write the report."""
    check_free(arguments.output / "report.html", overwrite=arguments.overwrite)
    paths = _images(arguments.images, "test")
    others = _others(arguments.tune_on, paths)
    if arguments.limit is not None:
        paths = _spread(paths, arguments.limit)
    evaluations = []
    for name in arguments.protocol or sorted(PROTOCOLS):
        protocol = PROTOCOLS[name]
        methods = baselines(protocol)
        if others:
            tuning = tune_steps(list(_samples(others)), protocol)
            methods |= run_with_progress(tuning, f"{name}, filters")
        methods |= _networks(protocol, arguments.model)
        job = evaluate_steps(_samples(paths), protocol, methods, total=len(paths))
        evaluations.append(run_with_progress(job, name))
        print(text_table(evaluations[-1]), end="\n\n")
    write_report(evaluations, arguments.output)
    print(f"The report is in {arguments.output.resolve()}")
    return 0


def _others(source: Path | None, measured: list[tuple[Path, str]]) -> list[tuple[Path, str]]:
    """Return the images to tune on, none of a slide that is measured on."""
    if source is None:
        return []
    others = _images(source, "train")
    shared = {slide for _, slide in others} & {slide for _, slide in measured}
    if shared:
        raise MedRefineError(
            f"Slide {min(shared)} would be tuned on and measured on; choose other photos."
        )
    return _spread(others, _TUNED_ON)


def _images(source: Path, split: Split) -> list[tuple[Path, str]]:
    """Return the path and the slide of every image, or of the tiles of a dataset's `split`."""
    from napari_medrefine.dataset import MANIFEST, load_manifest

    if (source / MANIFEST).exists():
        manifest = load_manifest(source / MANIFEST)
        slides = {photo.name: photo.slide for photo in manifest.photos}
        tiles = [tile for tile in manifest.tiles if tile.split == split]
        if not tiles:
            raise MedRefineError(f"{source} holds no {split} tiles.")
        return [(source / tile.file, slides[tile.photo]) for tile in tiles]
    paths = find_photos(source, recursive=True)
    if not paths:
        raise MedRefineError(f"There are no photos in {source}.")
    return [(path, path.parent.name if path.parent != source else path.stem) for path in paths]


def _spread(paths: list[tuple[Path, str]], limit: int) -> list[tuple[Path, str]]:
    """Return `limit` of `paths`, evenly over them, so that no slide is left out needlessly."""
    if limit < 1:
        raise MedRefineError(f"The limit must be at least 1, not {limit}.")
    chosen = np.unique(np.linspace(0, len(paths) - 1, min(limit, len(paths))).round().astype(int))
    return [paths[i] for i in chosen]


def _samples(paths: list[tuple[Path, str]]) -> Iterator[Sample]:
    for path, slide in paths:
        yield Sample(path.name, slide, as_picture(read_photo(path).image))


def _networks(protocol: Protocol, model: str | None) -> dict[str, Method]:
    from napari_medrefine.superres import magnify, sharpen

    def method(realism: float, weights: str | None) -> Method:
        if protocol.scale == 1:
            return lambda image, _: sharpen(image, realism=realism, model=weights)
        return lambda image, scale: magnify(image, scale, realism=realism, model=weights)

    networks = {"faithful": method(0.0, None), "GAN": method(1.0, None)}
    if model is not None:
        networks[Path(model).stem] = method(0.0, model)
    return networks
