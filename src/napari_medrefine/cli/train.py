"""`medrefine train`: a network of one's own, from one's own photos."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from napari_medrefine.cli._common import Commands, add_command, settings_of
from napari_medrefine.cli._stopping import status_of, terminate
from napari_medrefine.progress import say_duration
from napari_medrefine.superres.events import TrainingConfig

if TYPE_CHECKING:
    from napari_medrefine.superres.events import TrainingEvent, TrainingResult

EXAMPLES = """\
  medrefine train dataset -o run
  medrefine train dataset -o run --task sharpen --epochs 60
  medrefine train dataset -o run --resume
  medrefine train slides -o run --no-gan       (slides/SLIDE/*.jpg, one folder per slide)
  medrefine magnify photo.jpg -o large.png --model run/best.safetensors"""

_SETTINGS = ("task", "epochs", "steps_per_epoch", "batch", "crop", "learning_rate", "seed",
             "patience", "held_out", "precision")  # fmt: skip
_AT_ONCE = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: terminate}


def add_to(commands: Commands) -> None:
    """Add this command to the parser."""
    parser = add_command(
        commands, "train", "train a network on a prepared dataset or folders of photos", EXAMPLES
    )
    parser.add_argument(
        "dataset", type=Path, help="prepared dataset, or a folder with one folder of photos a slide"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the run")
    parser.add_argument("--task", choices=("magnify", "sharpen"), help="default: magnify")
    parser.add_argument("--epochs", type=int, help="default: 30")
    parser.add_argument(
        "--steps-per-epoch", type=int, help="default: enough to see each pixel about once"
    )
    parser.add_argument("--batch", type=int, help="crops per batch (default: 16; sharpen: 8)")
    parser.add_argument(
        "--crop", type=int, help="side of a crop in input pixels (default: 48; sharpen: 128)"
    )
    parser.add_argument("--learning-rate", type=float, help="default: 0.001")
    parser.add_argument("--seed", type=int, help="default: 0")
    parser.add_argument(
        "--patience",
        type=int,
        help="the first stage ends after so many epochs without a better validation loss "
        "(default: 8)",
    )
    parser.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        help="of the convolutions (default: auto, by a short measurement)",
    )
    parser.add_argument(
        "--held-out", type=float, help="share of slides to hold out of folders (default: 0.2)"
    )
    parser.add_argument(
        "--gan",
        action=argparse.BooleanOptionalAction,
        help="train the last third of the epochs against a discriminator (default: yes)",
    )
    parser.add_argument(
        "--workers", type=int, default=0, help="processes that prepare batches (default: none)"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the run in the folder")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train, one line per epoch, and say where the weights are and how they are used."""
    from napari_medrefine.superres.training import read_sides, train_steps

    config = _config(arguments)
    sides = read_sides(arguments.dataset, config)
    print(f"{len(sides.training)} tiles to train on, {len(sides.validation)} held out.", flush=True)
    if sides.caution:
        print(f"Caution: {sides.caution}.", flush=True)
    job = train_steps(
        sides.training,
        sides.validation,
        config,
        arguments.output,
        resume=arguments.resume,
        workers=arguments.workers,
        source=arguments.dataset,
    )
    result = _follow(job)
    if isinstance(result, int):
        print(
            f"Stopped; go on with: medrefine train {arguments.dataset} -o {arguments.output} "
            "--resume",
            file=sys.stderr,
        )
        return status_of(result)
    _tell(result, config.task)
    return 0


def _config(arguments: argparse.Namespace) -> TrainingConfig:
    """Return the settings asked for; when resuming, the run's own stand in for those left out."""
    settings: dict[str, Any] = {}
    if arguments.resume:
        from napari_medrefine.superres.training import stored_config

        settings = stored_config(arguments.output).model_dump()
    given = {name: getattr(arguments, name) for name in _SETTINGS}
    settings |= {name: value for name, value in given.items() if value is not None}
    if arguments.gan is not None:
        share = TrainingConfig.model_fields["adversarial"].default
        settings["adversarial"] = share if arguments.gan else 0.0
    return settings_of(TrainingConfig, settings)


def _follow(job: Generator[TrainingEvent, None, TrainingResult]) -> TrainingResult | int:
    """Run `job` to its end, or to Ctrl-C or SIGTERM and return the number of that signal."""
    with _interrupts() as interrupted, tqdm(disable=None, leave=False, file=sys.stderr) as bar:
        try:
            while True:
                event = next(job)
                bar.total = event.total
                bar.set_postfix_str(event.text, refresh=False)
                bar.update(event.done - bar.n)
                if event.validation is not None:
                    bar.clear()
                    print(_line(event), flush=True)
                if interrupted:
                    return interrupted[0]
        except StopIteration as stop:
            result: TrainingResult = stop.value
            return result
        finally:
            job.close()


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Collect the first Ctrl-C or SIGTERM: the batch is finished, and a checkpoint written.

    The second one interrupts at once; the last checkpoint is then kept.
    """
    seen: list[int] = []

    def note(number: int, frame: object) -> None:  # noqa: ARG001
        seen.append(number)
        for one, at_once in _AT_ONCE.items():
            signal.signal(one, at_once)

    try:
        before = {one: signal.signal(one, note) for one in _AT_ONCE}
    except ValueError:  # not the main thread: whoever runs us there handles signals
        yield seen
        return
    try:
        yield seen
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _line(event: TrainingEvent) -> str:
    losses = ", ".join(f"{name} {loss:.4f}" for name, loss in event.losses.items())
    return (
        f"epoch {event.epoch}/{event.epochs} ({event.stage}): {losses}; validation "
        f"{event.validation:.4f}, {event.psnr:.2f} dB (interpolated {event.plain_psnr:.2f} dB); "
        f"{say_duration(event.seconds_left or 0.0)} left"
    )


def _tell(result: TrainingResult, task: str) -> None:
    print(f"Trained {result.epochs} epochs; best validation loss {result.validation:.4f}.")
    print(f"Faithful weights: {result.best}")
    if result.gan is not None:
        print(f"GAN weights:      {result.gan}")
    print(f"Use them with: medrefine {task} PHOTO -o OUTPUT --model {result.best}")
