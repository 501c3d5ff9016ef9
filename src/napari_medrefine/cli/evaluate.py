"""`medrefine evaluate`: numbers and pictures, the networks beside ordinary filters."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from napari_medrefine._paths import check_no_input
from napari_medrefine.cli._common import (
    Commands,
    add_command,
    add_overwrite,
    check_folder,
    check_free,
    run_with_progress,
)
from napari_medrefine.cli._images_to_measure import Images
from napari_medrefine.compare import (
    PROTOCOLS,
    Evaluation,
    Facts,
    Method,
    Protocol,
    evaluate_steps,
    text_table,
    write_report,
)
from napari_medrefine.compare.contenders import (
    filters_for,
    track_of,
    tuned_words,
)
from napari_medrefine.compare.gallery import Generated, Strip
from napari_medrefine.compare.strips import strips_steps
from napari_medrefine.compare.study import is_study, table4
from napari_medrefine.compare.tune import parameters_steps
from napari_medrefine.compare.words import headline
from napari_medrefine.errors import MedRefineError
from napari_medrefine.superres.model_files import FOR_PHOTOS
from napari_medrefine.superres.named_networks import (
    FAITHFUL,
    SHIPPED,
    named_networks,
    own_name,
)
from napari_medrefine.superres.result_trust import trust_of

EXAMPLES = """\
  medrefine evaluate dataset -o report
  medrefine evaluate photos -o report --protocol x4
  medrefine evaluate pairs -o report             (pairs/input/a.png, pairs/sharp/a.png)
  medrefine evaluate dataset -o report --model run/best.safetensors --limit 20
  medrefine evaluate dataset -o report --tune-on dataset"""
_TUNED_ON = 13  # images; more change the parameters little
_STRIPS = 4  # slides of which pictures are shown
SHARED = (
    "Caution: the dataset is split by photo. If {model} was trained on it, it has seen other "
    "photos of the slides that it is measured on, and its figures say little about other slides."
)


def add_to(commands: Commands) -> None:
    """Add this command to the parser."""
    parser = add_command(
        commands, "evaluate", "measure the networks beside ordinary filters", EXAMPLES
    )
    parser.add_argument(
        "images",
        type=Path,
        help="a prepared dataset (its test tiles are used); a folder of sharp photos; or a folder "
        "of pairs, with sub-folders input/ and sharp/ that hold the same names. Slides are told by "
        "sub-folders (of these) and names, as medrefine prepare does",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="folder for CSV, pictures and HTML"
    )
    parser.add_argument(
        "--protocol",
        choices=sorted(PROTOCOLS),
        action="append",
        help="how the sharp images are degraded; may be repeated (default: all); not for pairs",
    )
    parser.add_argument(
        "--tune-on",
        type=Path,
        help="tune the sharpening filters on these images instead of taking what was tuned on our "
        "training slides: a prepared dataset (its training tiles are used), or a folder of photos "
        "of other slides",
    )
    parser.add_argument("--model", help="a weight file to measure too")
    parser.add_argument("--limit", type=int, help="at most this many images (default: all)")
    add_overwrite(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Evaluate, print the tables and write the report."""
    check_folder(arguments.output)
    check_free(arguments.output / "report.html", overwrite=arguments.overwrite)
    images = Images.of(arguments.images, "test")
    _check_apart(arguments, images)
    others = _others(arguments.tune_on, images)
    if arguments.limit is not None:
        images = images.spread(arguments.limit)
    evaluations, strips = [], {}
    for name, protocol in _protocols(images, arguments.protocol).items():
        ours = _networks(protocol, arguments.model)
        methods = _filters(name, protocol, others) | ours
        job = evaluate_steps(images.samples(), protocol, methods, total=len(images.files))
        evaluations.append(run_with_progress(job, name))
        strips[protocol.name] = _strips(images, evaluations[-1], methods)
        print(text_table(evaluations[-1]), end="\n\n")
    facts = _facts(arguments, images, evaluations, strips)
    print(facts.summary)
    write_report(evaluations, arguments.output, facts)
    print(f"The report is in {arguments.output.resolve()}")
    return 0


def _check_apart(arguments: argparse.Namespace, images: Images) -> None:
    """Refuse a folder with images that are measured: a picture of the report may be named alike."""
    folders = {file.parent for one in images.files for file in (one.given, one.sharp)}
    inputs = (arguments.images, arguments.tune_on, *folders)
    check_no_input(arguments.output, inputs, replaced=False)


def _protocols(images: Images, chosen: list[str] | None) -> Mapping[str, Protocol]:
    if not images.paired:
        return {name: PROTOCOLS[name] for name in chosen or sorted(PROTOCOLS)}
    if chosen:
        raise MedRefineError("Pairs bring their own inputs; leave --protocol out.")
    protocol = images.protocol()
    return {protocol.name: protocol}


def _others(source: Path | None, measured: Images) -> Images | None:
    """Return the images to tune on, none of a slide that is measured on."""
    if source is None:
        return None
    others = Images.of(source, "train")
    shared = others.slides & measured.slides
    if shared:
        raise MedRefineError(
            f"Slide {min(shared)} would be tuned on and measured on; choose other photos."
        )
    return others.spread(_TUNED_ON)


def _filters(name: str, protocol: Protocol, others: Images | None) -> dict[str, Method]:
    """Return the plain filters: tuned on `others`, or as they ship for this protocol."""
    if others is None:
        return filters_for(protocol.scale, track=name if name in PROTOCOLS else None)
    tuning = parameters_steps(list(others.samples()), protocol)
    return filters_for(protocol.scale, tuned=run_with_progress(tuning, f"{name}, filters"))


def _networks(protocol: Protocol, model: str | None) -> dict[str, Method]:
    own = {} if model is None else {own_name(Path(model).stem): model}
    return named_networks(sharpening=protocol.scale == 1, photo=protocol.photographed, own=own)


def _strips(images: Images, evaluation: Evaluation, methods: Mapping[str, Method]) -> list[Strip]:
    """Return pictures of the first image of a few slides."""
    plain = {name: method for name, method in methods.items() if name not in _ours(methods)}
    first = images.first_of_slides(_STRIPS)
    samples = (images.sample(one) for one in first)
    ours = Generated(FAITHFUL, methods[FAITHFUL], trust_of)
    job = strips_steps(samples, evaluation, plain, [ours], total=len(first))
    return run_with_progress(job, "pictures")


def _ours(methods: Mapping[str, Method]) -> tuple[str, ...]:
    """Return which methods are networks: they come last, from the faithful weights on."""
    names = list(methods)
    return tuple(names[names.index(FAITHFUL) :])


def _facts(
    arguments: argparse.Namespace,
    images: Images,
    evaluations: list[Evaluation],
    strips: Mapping[str, list[Strip]],
) -> Facts:
    from napari_medrefine.superres.card_facts import card_of, shipped_cards

    own = [] if arguments.model is None else [arguments.model]
    ours = (*SHIPPED, *(own_name(Path(model).stem) for model in own))
    scales = {e.protocol.scale == 1 for e in evaluations}
    cards = [c for same in sorted(scales) for c in shipped_cards("sharpen" if same else "magnify")]
    if any(e.protocol.photographed for e in evaluations):
        cards.append(card_of(FOR_PHOTOS))
    study = is_study(evaluations)
    tracks = [n for n, p in PROTOCOLS.items() if p in {e.protocol for e in evaluations}]
    tracks = tracks or [track_of(evaluations[0].protocol.scale)]
    tuned = f"Rows named 'tuned': {tuned_words(*tracks)}"
    if arguments.tune_on is not None:
        tuned = f"Rows with parameters in their names: tuned on {arguments.tune_on.name}."
    summary = [headline(e, ours) for e in evaluations]
    if images.shared_slides and own:
        summary.append(SHARED.format(model=Path(own[0]).stem))
    return Facts(
        title=f"Evaluation of {arguments.images.name}",
        summary="\n".join(summary),
        ours=ours,
        inputs=tuple(images.inputs.values()),
        cards=[*cards, *(card_of(model) for model in own)],
        strips=strips,
        study=table4(study, images.sample(images.files[0]).sharp) if study else None,
        tuned_on=tuned,
    )
