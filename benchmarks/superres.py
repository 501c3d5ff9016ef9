"""Super-resolution by slide: plain filters, tuned filters, faithful and GAN weights, verdicts.

usage: python benchmarks/superres.py ../shared/data/fields/test [--slides A B] [--each N]
       [--also PHOTOS] [--train ../shared/data/fields/train] [--json results.json]
       [--chart chart.png] [--pictures FOLDER] [--cards] [--docs]
       python benchmarks/superres.py --from results.json [--chart chart.png] [--docs]

The folder holds one folder of images per slide. Tracks: x4 by area averaging, by antialiased
bicubic and optical (blur and noise); x2; and the study's protocol on tiles as they are and halved.
Filters are tuned on the training slides, once: the parameters are kept beside the results.
scikit-image's immunohistochemistry() is always there, out of domain. Prints the tables, then a
verdict on each part of what must hold; exits with 1 if one is short. `--cards` writes the means
into the shipped model cards, `--docs` the tables into README.md and docs/superres.md: no figure
there comes from anywhere else.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import superres_results
from napari_medrefine.compare.tune import grid_ends
from superres_publish import weights_measured, write_cards, write_docs
from superres_results import Results, track_of
from superres_study import study_errors
from superres_tables import blocks, study_text, track_text, tuned_text, verdict_text
from superres_tracks import TRACKS, measure, sources, tuned_filters
from superres_verdicts import colour_checks, verdicts


def measured(arguments: argparse.Namespace) -> Results:
    """Measure everything, printing each track as it is done."""
    print("Tuning filters, unless that was done before ...", flush=True)
    train = arguments.train or arguments.folder.parent / "train"
    cache = arguments.json.with_suffix(".tuned.json") if arguments.json else None
    tuned = tuned_filters(train, cache, arguments.workers)
    images = sources(arguments.folder, arguments.also, arguments.slides, arguments.each)
    domains = {source.slide: source.domain for source in images}
    weights = weights_measured()
    study = study_errors(images)
    results = Results(arguments.each, weights, tuned, domains, colour_checks(), study)
    print(f"Filters, tuned on one field of each slide of {train.name}:\n{tuned_text(results)}")
    for track, parameters in tuned.items():
        for end in grid_ends(parameters):
            print(f"  {track}: {end} is at the end of what was tried")
    jobs = measure(images, tuned, arguments.workers)
    for name, evaluation in zip(TRACKS, jobs, strict=True):
        results.tracks[name] = track_of(evaluation, results.slides())
        print(track_text(name, results.tracks[name]), flush=True)
        for method, why in evaluation.refused.items():
            print(f"REFUSED: {method}: {why}")
    if arguments.json:
        superres_results.save(results, arguments.json)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path, nargs="?", help="one folder of images per slide")
    parser.add_argument("--from", type=Path, dest="known", help="results measured before")
    parser.add_argument("--slides", nargs="+")
    parser.add_argument("--each", type=int, default=6, help="fields per slide")
    parser.add_argument("--also", type=Path, help="photos out of domain, e.g. of a plant section")
    parser.add_argument("--train", type=Path, help="slides to tune filters on; default ../train")
    parser.add_argument("--workers", type=int, default=2, help="processes of one core each")
    parser.add_argument("--json", type=Path, help="where to keep the results")
    parser.add_argument("--chart", type=Path, help="where to draw the chart (PNG)")
    parser.add_argument("--pictures", type=Path, help="folder for crops at full size")
    parser.add_argument("--cards", action="store_true", help="write metrics into the model cards")
    parser.add_argument("--docs", action="store_true", help="write the tables into README and docs")
    arguments = parser.parse_args()
    if (arguments.folder is None) == (arguments.known is None):
        parser.error("give the folder of test slides, or --from results")
    if arguments.known and arguments.pictures:
        parser.error("pictures need the folder of test slides")
    known = arguments.known
    results = superres_results.load(known) if known else measured(arguments)
    found = verdicts(results)
    print(f"\nThe study's 40463.4\n{study_text(results)}")
    print(f"\nWhat must hold\n{verdict_text(found)}")
    print("Lines 6 and 7 have their own: calibrate_trust.py --test, inference.py --generators.")
    publish(arguments, results, blocks(results, found))
    sys.exit(1 if any(verdict.holds is False for verdict in found) else 0)


def publish(arguments: argparse.Namespace, results: Results, texts: dict[str, str]) -> None:
    """Write chart, pictures, cards and pages, as far as they are asked for."""
    if arguments.chart:
        from superres_chart import draw

        draw(results, arguments.chart)
    if arguments.pictures:
        from superres_pictures import save_pictures

        images = sources(arguments.folder, arguments.also, arguments.slides, arguments.each)
        save_pictures(images, results, arguments.pictures)
    if arguments.cards:
        write_cards(results)
    if arguments.docs:
        write_docs(texts)


if __name__ == "__main__":
    main()
