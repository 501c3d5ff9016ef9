"""What a fine-tuning on registered fields is asked to do, and what came of it; without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from napari_medrefine._records import read_record_in, write_record
from napari_medrefine._words import counted

RECORD = "medrefine-learning.json"
PAIR_FOLDER = "pairs"  # inside the folder of a fine-tuning
LEAST = 0.005  # dB, which is told as 0.01
Positive = Annotated[int, Field(gt=0)]


class LearningConfig(BaseModel):
    """Everything that decides how a fine-tuning comes out, besides its pairs.

    Attributes
    ----------
    steps : int
        Batches at most.
    every : int
        Batches between two looks at the held-out fields.
    patience : int
        It ends after this many looks in a row without a better one.
    batch, crop : int
        Crops per batch, and their side in overview pixels.
    learning_rate : float
        Small: what the shipped weights know is to be changed, not replaced.
    margin : float
        dB of PSNR by which the held-out fields must come nearer on average, or it is not kept. Nor
        is it if one of them comes out worse, or the shipped weights for photos come nearer.
    seed : int
        Of the crops, and of which fields are held out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    steps: Positive = 160
    every: Positive = 20
    patience: Positive = 3
    batch: Positive = 4
    crop: Annotated[int, Field(ge=16)] = 64
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 3e-4
    margin: Annotated[float, Field(ge=0)] = 0.5
    seed: Annotated[int, Field(ge=0)] = 0


class FieldScore(BaseModel):
    """PSNR in dB of a field that was not learned from: shipped, learned, shipped for photos.

    Against the real field on the pixels of the network's largest step, brought to the overview's
    intensities, as far as it may be learned from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    before: float
    after: float
    photo: float | None = None  # unknown in records of before there were any

    @property
    def gain(self) -> float:
        """How much nearer, in dB."""
        return self.after - self.before


def gain_over_photo(scores: Sequence[FieldScore]) -> float | None:
    """Return how much nearer than the weights for photos, on average, in dB; None if unknown."""
    gains = [score.after - score.photo for score in scores if score.photo is not None]
    return sum(gains) / len(gains) if gains else None


def _hint(scores: Sequence[FieldScore]) -> str:
    """Say how much nearer those for photos are than the shipped ones; nothing if they are not."""
    gains = [score.photo - score.before for score in scores if score.photo is not None]
    nearer = sum(gains) / len(gains) if gains else 0.0
    if nearer < LEAST:
        return ""
    return (
        f" The shipped weights for photos are {nearer:.2f} dB nearer: "
        "--model photo-faithful, or 'For photos' in napari."
    )


def helps(scores: Sequence[FieldScore], margin: float) -> bool:
    """Return whether what was learned is to be kept: see `LearningConfig.margin`."""
    gains, over_photo = [score.gain for score in scores], gain_over_photo(scores)
    enough = sum(gains) / len(gains) >= margin and min(gains) >= 0
    return enough and (over_photo is None or over_photo >= 0)


@dataclass(frozen=True, slots=True)
class LearningResult:
    """What a fine-tuning leaves.

    Attributes
    ----------
    folder : Path
        Of the run.
    kept : bool
        Whether it helped enough.
    scores : tuple of FieldScore
        Of the fields that were held out.
    learned : int
        Fields that the weights have learned from.
    steps : int
        Batches that they have learned from.
    in_turn : bool
        There were so few fields that each was held out in turn; the weights have then learned from
        all of them, as long as was best on the one held out.
    margin : float
        The gain that was asked for, in dB.
    weights : Path or None
        What ``magnify(..., model=path)`` takes, if it was kept; GAN weights lie beside it.
    """

    folder: Path
    kept: bool
    scores: tuple[FieldScore, ...]
    learned: int
    steps: int
    in_turn: bool
    margin: float
    weights: Path | None = None

    @property
    def gain(self) -> float:
        """The mean gain on held-out fields, in dB."""
        return sum(score.gain for score in self.scores) / len(self.scores)

    @property
    def sentence(self) -> str:
        """The verdict in words, with the numbers."""
        gain, count = self.gain, len(self.scores)
        fields = f"{counted(count, 'field')} it did not learn from"
        if self.in_turn:
            fields = f"fields left out in turn ({count})"
        nearer = f"{gain:.2f} dB nearer to the real photo"  # the look before all batches takes part
        over_photo = gain_over_photo(self.scores)
        if self.kept:
            kept = f"{nearer} on {fields}; kept as {self.folder.name}."
            if over_photo is None:
                return kept
            return f"{kept} The shipped weights for photos are {over_photo:.2f} dB behind."
        worst = min(self.scores, key=lambda score: score.gain)
        why = f"at least {self.margin:g} dB were asked for"
        if gain >= self.margin and worst.gain < 0:
            why = f"{worst.name} came out {-worst.gain:.2f} dB worse"
        elif gain >= self.margin and over_photo is not None:
            return (
                f"{nearer} on {fields}: not kept, the shipped weights for photos come "
                f"{-over_photo:.2f} dB nearer still. Choose 'For photos' as the model."
            )
        stay = "The shipped weights stay in use."
        return f"{nearer} on {fields}: not kept, {why}. {stay}{_hint(self.scores)}"


class LearningRecord(BaseModel):
    """What a fine-tuning was started with, and its verdict once there is one."""

    model_config = ConfigDict(frozen=True)

    format: Literal["medrefine-learning"] = "medrefine-learning"
    version: Literal[1] = 1
    pairs_sha256: str
    config: LearningConfig
    kept: bool | None = None
    scores: tuple[FieldScore, ...] = ()
    learned: int = 0
    steps: int = 0
    in_turn: bool = False

    def result(self, folder: Path, weights: Path) -> LearningResult | None:
        """Return the result, or None while there is none."""
        if self.kept is None:
            return None
        return LearningResult(
            folder,
            self.kept,
            self.scores,
            self.learned,
            self.steps,
            self.in_turn,
            self.config.margin,
            weights if self.kept else None,
        )


def read_learning(folder: Path) -> LearningRecord:
    """Return what the fine-tuning in `folder` was started with.

    Raises
    ------
    MedRefineError
        If there is none, or its record is damaged.
    """
    return read_record_in(folder, RECORD, LearningRecord, "fine-tuning")


def write_learning(folder: Path, record: LearningRecord) -> None:
    """Write the record into the run's folder."""
    write_record(folder / RECORD, record.model_dump(mode="json"))
