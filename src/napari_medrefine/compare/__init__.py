"""Believe it or not: plain filters as baselines, metrics, difference pictures, evaluations.

``finish(evaluate_steps(samples, PROTOCOLS["x4"], methods))`` measures on sharp images that it
degrades, ``finish(measure_steps(pair, methods))`` against a real photo; `write_report` puts results
into a folder as CSV, PNG and one self-contained HTML page.
"""

from napari_medrefine.compare.bootstrap import Difference, paired_difference
from napari_medrefine.compare.evaluate import Evaluation, Method, Sample, baselines, evaluate_steps
from napari_medrefine.compare.pairs import Measured, Pair, measure_steps
from napari_medrefine.compare.placed import Placed
from napari_medrefine.compare.protocols import (
    PROTOCOLS,
    Protocol,
    area_protocol,
    bicubic_protocol,
    optical_protocol,
    study_protocol,
)
from napari_medrefine.compare.report import text_table, write_report
from napari_medrefine.compare.report_page import Facts
from napari_medrefine.compare.tune import tune_steps

__all__ = [
    "PROTOCOLS",
    "Difference",
    "Evaluation",
    "Facts",
    "Measured",
    "Method",
    "Pair",
    "Placed",
    "Protocol",
    "Sample",
    "area_protocol",
    "baselines",
    "bicubic_protocol",
    "evaluate_steps",
    "measure_steps",
    "optical_protocol",
    "paired_difference",
    "study_protocol",
    "text_table",
    "tune_steps",
    "write_report",
]
