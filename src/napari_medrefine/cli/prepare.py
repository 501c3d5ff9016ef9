"""`medrefine prepare`: photos into a tiled dataset."""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_medrefine.cli._common import Commands, add_command

EXAMPLES = """\
  medrefine prepare photos -o dataset
  medrefine prepare photos -o dataset --tile 128 --reduce 1"""


def add_to(commands: Commands) -> None:
    """Add this command to the parser."""
    parser = add_command(
        commands, "prepare", "clean, crop, resize, tile and split a folder of photos", EXAMPLES
    )
    parser.add_argument("photos", type=Path, help="folder of JPEG, PNG or TIFF photos")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prepare the dataset."""
    return 0
