"""`medrefine demo`: the main job once, on embedded data."""

from __future__ import annotations

from pathlib import Path

from napari_medrefine.cli._common import Commands, add_command

EXAMPLES = """\
  medrefine demo
  medrefine demo -o my-folder --no-napari"""


def add_to(commands: Commands) -> None:
    """Add this command to the parser."""
    parser = add_command(
        commands, "demo", "register, magnify and compare on a procedural slide", EXAMPLES
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("medrefine-demo"), help="folder for the pictures"
    )
    parser.add_argument("--seed", type=int, default=0, help="another slide (default: 0)")
    parser.add_argument(
        "--no-napari", action="store_true", help="only write pictures, open no window"
    )
    parser.set_defaults(run=run)
