"""`medrefine export-model`: a network of ours in the format of bioimage.io."""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_medrefine.cli._common import Commands, add_command, run_with_progress

EXAMPLES = """\
  medrefine export-model magnify-faithful -o magnify-x4.zip
  medrefine export-model magnify-faithful --scale 2 -o magnify-x2.zip
  medrefine export-model run/best.safetensors --author "Ada Lovelace" -o mine

Needs pip install 'napari-medrefine[bioimageio]'. bioimage.io's own tool tests what is written."""


def add_to(commands: Commands) -> None:
    """Add this command to the parser."""
    parser = add_command(
        commands, "export-model", "write a model in the format of bioimage.io", EXAMPLES
    )
    parser.add_argument("model", help="a model's name or a weight file that you trained")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="folder, or .zip file, to write"
    )
    parser.add_argument(
        "--scale", type=int, help="which of its enlargements (default: its largest)"
    )
    parser.add_argument(
        "--author", action="append", default=[], help="who made the weights; may be repeated"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Export one model."""
    from napari_medrefine.superres.bioimage_export import export_model_steps

    job = export_model_steps(
        arguments.model, arguments.output, scale=arguments.scale, authors=tuple(arguments.author)
    )
    run_with_progress(job, arguments.model)
    print(f"Wrote {arguments.output}, which passed bioimage.io's own test.")
    return 0
