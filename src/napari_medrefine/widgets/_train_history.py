"""The course of a training, as its log and its events tell it, as curves to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from napari_medrefine.superres.events import TrainingEvent
from napari_medrefine.superres.run_folder import Epoch

PER_EPOCH = 20  # points of the line between two epochs
TRAINING, VALIDATION, PLAIN, NETWORK = "#e69f00", "#56b4e9", "#999999", "#56b4e9"


@dataclass(frozen=True)
class Curve:
    """A line of a chart.

    Attributes
    ----------
    name : str
        For the legend; empty: not in it.
    color : str
        As ``#rrggbb``.
    x, y : sequence of float
        The points; `x` in epochs.
    style : {"dots", "dashed", "faint"}
        A line with a dot at each point, a dashed one, or a thin pale one.
    """

    name: str
    color: str
    x: Sequence[float]
    y: Sequence[float]
    style: str = "dots"


@dataclass
class History:
    """The epochs so far, and the batches since: their mean loss, in pieces of an epoch."""

    epochs: list[Epoch] = field(default_factory=list)
    planned: int = 0
    pieces: list[tuple[float, float]] = field(default_factory=list)
    _sum: float = 0.0
    _count: int = 0
    _began: float = 0.0

    @classmethod
    def of(cls, epochs: Sequence[Epoch], planned: int = 0) -> History:
        """Return the history that a log tells."""
        return cls(list(epochs), max([planned, *(one.epochs for one in epochs[-1:])]))

    def take(self, event: TrainingEvent) -> None:
        """Add what an event tells."""
        self.planned = event.epochs
        if event.validation is not None:
            self.epochs.append(_epoch(event))
        if not event.losses or not event.total:
            return
        here = event.done * event.epochs / event.total
        if event.validation is None:  # else its losses are the epoch's means
            self._sum, self._count = self._sum + event.losses["pixel"], self._count + 1
        if self._count and (here - self._began >= 1 / PER_EPOCH or event.validation is not None):
            self.pieces.append(((self._began + here) / 2, self._sum / self._count))
            self._sum, self._count, self._began = 0.0, 0, here

    def begin_at(self, event: TrainingEvent) -> None:
        """Note where a training goes on that had been stopped."""
        self.planned = event.epochs
        self._began = event.done * event.epochs / event.total if event.total else 0.0

    @property
    def adversarial_from(self) -> float | None:
        """Where the second stage began, in epochs; None before that."""
        second = [one.epoch for one in self.epochs if one.stage == "adversarial"]
        return second[0] - 1 if second else None

    @property
    def chosen(self) -> Epoch | None:
        """The epoch whose weights are the faithful ones: the first stage's best."""
        first = [one for one in self.epochs if one.stage == "pixel"]
        return min(first, key=lambda one: one.validation, default=None)

    def losses(self) -> list[Curve]:
        """Return the curves of the pixel loss."""
        x = [float(one.epoch) for one in self.epochs]
        return [
            Curve("", TRAINING, *_columns(self.pieces), style="faint"),
            Curve("training", TRAINING, x, [one.losses["pixel"] for one in self.epochs]),
            Curve("validation", VALIDATION, x, [one.validation for one in self.epochs]),
        ]

    def quality(self) -> list[Curve]:
        """Return the curves of the PSNR on held-out slides, in dB."""
        x = [float(one.epoch) for one in self.epochs]
        plain = [one.plain_psnr for one in self.epochs]
        return [
            Curve("interpolation alone", PLAIN, x, plain, style="dashed"),
            Curve("network", NETWORK, x, [one.psnr for one in self.epochs]),
        ]


def _epoch(event: TrainingEvent) -> Epoch:
    return Epoch(
        event.epoch,
        event.epochs,
        event.stage,
        event.losses,
        event.validation or 0.0,
        event.psnr or 0.0,
        event.plain_psnr or 0.0,
    )


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]
