"""Registered fields and their overview made into pairs, and the network fine-tuned on them."""

from napari_medrefine.learning.job import LearnField, check_unused, learn_steps, refused_in
from napari_medrefine.learning.pair_folder import write_pairs
from napari_medrefine.learning.pairing import Paired, pairs_steps

__all__ = [
    "LearnField",
    "Paired",
    "check_unused",
    "learn_steps",
    "pairs_steps",
    "refused_in",
    "write_pairs",
]
