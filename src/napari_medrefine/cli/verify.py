"""`medrefine verify`: a result made again, and compared."""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_medrefine.cli._common import Commands, add_command, run_with_progress

EXAMPLES = """\
  medrefine verify slide1_x4.png
  medrefine verify slide1_40x_1.placement.json --inputs photos
  medrefine verify slide_x4.ome.zarr --inputs slides --all

The inputs are looked for in the named folder and beside the file, by name and by hash. Of a large
picture a sample of blocks is made again, always the same; --all takes all. Between a computer with
bfloat16 and one with float32, a few grey levels of rounding are let pass, and said."""

DIFFERS = 4


def add_to(commands: Commands) -> None:
    """Add this command to the parser."""
    parser = add_command(
        commands, "verify", "make a result again and confirm it, or say what differs", EXAMPLES
    )
    parser.add_argument(
        "files",
        type=Path,
        nargs="+",
        help="pictures, OME-Zarr folders, placements, datasets, atlases, models",
    )
    parser.add_argument("--inputs", type=Path, help="folder with what they were made from")
    parser.add_argument(
        "--all", action="store_true", dest="everything", help="make all again, not a sample"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Verify every file, and say what came of it."""
    from napari_medrefine.verify import verify_steps

    ok = True
    for path in arguments.files:
        job = verify_steps(path, inputs=arguments.inputs, everything=arguments.everything)
        report = run_with_progress(job, path.name)
        for line in report.lines():
            print(line)
        ok &= report.ok
    return 0 if ok else DIFFERS
