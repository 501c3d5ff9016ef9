"""Believe it or not: plain filters as baselines, metrics, difference pictures, evaluations.

``finish(evaluate_steps(pairs, methods, protocol))`` measures; `write_evaluation` puts the result
into a folder as CSV, PNG and one self-contained HTML page.
"""

from napari_medrefine.compare.evaluate import Evaluation, Pair, baselines, evaluate_steps
from napari_medrefine.compare.protocols import (
    Protocol,
    area_protocol,
    optical_protocol,
    study_protocol,
)
from napari_medrefine.compare.report import as_text, write_evaluation
from napari_medrefine.compare.tune import tune_steps

__all__ = [
    "Evaluation",
    "Pair",
    "Protocol",
    "area_protocol",
    "as_text",
    "baselines",
    "evaluate_steps",
    "optical_protocol",
    "study_protocol",
    "tune_steps",
    "write_evaluation",
]
