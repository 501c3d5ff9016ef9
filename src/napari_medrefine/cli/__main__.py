"""Lets ``python -m napari_medrefine.cli`` stand in for the `medrefine` command."""

from __future__ import annotations

import sys

from napari_medrefine.cli import main

sys.exit(main())
