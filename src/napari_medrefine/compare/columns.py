"""What each measure is called, how it is written, what it means and which way is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from napari_medrefine.compare.evaluate import Summary

Better = Literal["lower", "higher", "one", ""]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table of `Summary`.

    Attributes
    ----------
    key : str
        Of `Summary`.
    head : str
        What stands above it.
    form : str
        How a value is written (`format`).
    meaning : str
        What it means, and which way is better.
    better : {"lower", "higher", "one", ""}
        The latter in a form that code can use: "one" means the nearer to 1, "" neither way.
    """

    key: str
    head: str
    form: str
    meaning: str
    better: Better = ""

    def cell(self, summary: Summary) -> str:
        """Return the value as text."""
        return format(getattr(summary, self.key), self.form)


COLUMNS = (
    Column("method", "method", "", "what was measured"),
    Column("images", "images", "d", "how many images or windows the numbers are over"),
    Column(
        "mse",
        "MSE",
        ".1f",
        "mean squared error per pixel and channel, white at 255; lower is better",
        "lower",
    ),
    Column(
        "psnr",
        "PSNR dB",
        ".2f",
        "peak signal-to-noise ratio; higher is better, 3 dB more is half the squared error",
        "higher",
    ),
    Column(
        "worst_psnr",
        "worst 5 % dB",
        ".2f",
        "PSNR of the worst 5 % of 128-pixel tiles; higher is better",
        "higher",
    ),
    Column(
        "ssim",
        "SSIM",
        ".4f",
        "structural similarity, Gaussian window of sigma 1.5; higher is better, 1 at most",
        "higher",
    ),
    Column(
        "detail",
        "fine detail",
        ".2f",
        "energy of fine detail against the sharp image's: 1 is best, less is soft, more is noise "
        "or invention",
        "one",
    ),
    Column(
        "colour",
        "colour dE",
        ".2f",
        "mean CIEDE2000 colour difference; lower is better, below 1 is invisible",
        "lower",
    ),
    Column(
        "shift",
        "mean shift",
        ".2f",
        "largest difference of a mean colour, in grey levels; 0 is best",
        "lower",
    ),
    Column(
        "consistency",
        "consistency",
        ".3f",
        "how far the result, reduced again, contradicts its input, in grey levels; lower is better",
        "lower",
    ),
    Column("seconds", "s", ".2f", "computing time, a mean over the images"),
)
BY_KEY = {column.key: column for column in COLUMNS}
