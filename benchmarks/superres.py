"""Super-resolution by slide: plain filters, faithful and GAN weights, and the study's MSE.

usage: python benchmarks/superres.py ../shared/data/fields/test [--slides A B] [--each N]
       [--json results.json] [--cards]

The folder holds one folder of images per slide. Tracks: x4 by area averaging, x4 optical (blur and
noise), and the study's protocol (halve, reduce by 2 and enlarge again, sharpen). `--cards` writes
the means into the shipped model cards.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from napari_medrefine import magnify, sharpen
from napari_medrefine.compare import filters
from napari_medrefine.compare.evaluate import Method, Sample, Summary, evaluate_steps
from napari_medrefine.compare.protocols import PROTOCOLS
from napari_medrefine.photos import read_photo
from napari_medrefine.progress import finish

MEASURES = ("mse", "psnr", "ssim", "detail", "colour", "consistency", "worst_psnr")
MAGNIFY: dict[str, Method] = {
    "bicubic": filters.bicubic,
    "back-projection": filters.back_projection,
    "faithful": magnify,
    "gan": lambda image, scale: magnify(image, scale, realism=1.0),
}
SHARPEN: dict[str, Method] = {
    "unsharp mask": lambda image, _: filters.unsharp_mask(image),
    "faithful": lambda image, _: sharpen(image),
    "gan": lambda image, _: sharpen(image, realism=1.0),
}
TRACKS = {"x4": MAGNIFY, "x4-optical": MAGNIFY, "study": SHARPEN}


def samples(folder: Path, slides: list[str] | None, each: int) -> Iterator[Sample]:
    for slide in sorted(p for p in folder.iterdir() if p.is_dir()):
        if slides and slide.name not in slides:
            continue
        files = sorted(p for p in slide.iterdir() if p.suffix in (".png", ".jpg"))
        for file in files[:: max(1, len(files) // each)][:each]:
            yield Sample(file.name, slide.name, read_photo(file).image)


def write_cards(results: dict[str, list[Summary]]) -> None:
    from napari_medrefine.superres.models import _SHIPPED, list_models, load_model, save_model

    for name in list_models():
        model = load_model(name)
        metrics: dict[str, dict[str, dict[str, float]]] = {}
        for track, rows in results.items():
            for row in rows:
                if (track == "study") == (model.card.task == "sharpen"):
                    kept = {m: round(getattr(row, m), 4) for m in MEASURES}
                    if row.method == model.card.weights:
                        metrics.setdefault(track, {})[row.slide] = kept
        card = model.card.model_copy(update={"metrics": metrics})
        save_model(_SHIPPED / f"{name}.safetensors", model.generator, card, half=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--slides", nargs="+")
    parser.add_argument("--each", type=int, default=3, help="fields per slide")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--cards", action="store_true")
    arguments = parser.parse_args()
    results: dict[str, list[Summary]] = {}
    for track, methods in TRACKS.items():
        pictures = samples(arguments.folder, arguments.slides, arguments.each)
        result = finish(evaluate_steps(pictures, PROTOCOLS[track], methods))
        results[track] = list(result.summaries())
        print(f"\n{track}: {PROTOCOLS[track].note}")
        print(f"{'slide':24s}{'method':24s}" + "".join(f"{m:>12s}" for m in MEASURES))
        for row in results[track]:
            values = "".join(f"{getattr(row, m):12.3f}" for m in MEASURES)
            print(f"{row.slide:24s}{row.method:24s}{values}", flush=True)
    if arguments.json:
        table = {
            t: [
                {"slide": r.slide, "method": r.method, **{m: getattr(r, m) for m in MEASURES}}
                for r in rows
            ]
            for t, rows in results.items()
        }
        arguments.json.write_text(json.dumps(table, indent=1))
    if arguments.cards:
        write_cards(results)


if __name__ == "__main__":
    main()
