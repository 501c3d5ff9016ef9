"""A folder of photos put in order: which are overviews, and where every field lies on them."""

from napari_medrefine.atlas.covered import coverage_rows, describe_coverage
from napari_medrefine.atlas.folder import atlas_steps, finished_steps, rows_of
from napari_medrefine.atlas.record import RECORD, Atlas, PhotoRecord, Role, load_atlas
from napari_medrefine.atlas.table import COLUMNS

__all__ = [
    "COLUMNS",
    "RECORD",
    "Atlas",
    "PhotoRecord",
    "Role",
    "atlas_steps",
    "coverage_rows",
    "describe_coverage",
    "finished_steps",
    "load_atlas",
    "rows_of",
]
