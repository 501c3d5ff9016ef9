"""Lets ``python -m napari_medrefine.cli`` stand in for the `medrefine` command."""

from __future__ import annotations

import sys

from napari_medrefine.cli import main

if __name__ == "__main__":  # a spawned process imports this, too
    sys.exit(main())
