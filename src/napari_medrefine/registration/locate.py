"""Where one field lies: cheap ways first, others where these do not convince."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial

import numpy as np

from napari_medrefine.progress import Step
from napari_medrefine.registration.brute_force import Spotted
from napari_medrefine.registration.coarse import CANDIDATES, NETS, Candidate, coarse_steps
from napari_medrefine.registration.distortion import closest_affine, fit_distortion
from napari_medrefine.registration.doubts import doubt
from napari_medrefine.registration.field import Field
from napari_medrefine.registration.keypoints import Voted
from napari_medrefine.registration.pair import Pair
from napari_medrefine.registration.patch_search import Ground, PatchSearch
from napari_medrefine.registration.placement import Placement
from napari_medrefine.registration.pyramid import Matrix
from napari_medrefine.registration.refine import Fit
from napari_medrefine.registration.search import (
    descend_steps,
    finest_level,
    refine_at,
    rivals,
    search_steps,
    weight,
)
from napari_medrefine.registration.sought import Sought
from napari_medrefine.registration.stretch import unstretched
from napari_medrefine.registration.trace import Trace, Visit
from napari_medrefine.registration.uncertainty import standard_error
from napari_medrefine.registration.verdict import (
    LEAST_SCORE,
    Blocks,
    Evidence,
    block_level,
    judge,
)
from napari_medrefine.registration.window import Window, scale_of

OVERWHELMING = 1e-6  # false alarms below which only a convincing rival casts doubt
REFINED = 8  # places voted for that are refined
STEP = 1.25  # between two ratios that keypoints are compared at
ALL = 0.95  # share of the blocks that agree above which the others do no harm
CLOSE = 0.5  # share of the best one's weight above which a rival is looked at closely

Fits = Generator[Step, None, list[Fit]]


class Locator:
    """The search for one field on one overview.

    Parameters
    ----------
    ground : Overview
        Where to look.
    sought : Sought
        The field.
    window : Window
        Ratios and angles to look for.
    trace : Trace, optional
        Filled with all that is looked at.
    """

    def __init__(
        self, ground: Ground, sought: Sought, window: Window, trace: Trace | None = None
    ) -> None:
        self._ground, self._sought, self._window, self._trace = ground, sought, window, trace
        self._fields = {mirrored: sought.seen(mirrored=mirrored) for mirrored in window.mirrored}
        self._any = next(iter(self._fields.values()))
        self._patches = {m: PatchSearch(ground, field) for m, field in self._fields.items()}
        self._tests = CANDIDATES
        self._glanced: dict[bool, list[Candidate]] = {}

    def glance_steps(self) -> Generator[Step, None, float]:
        """Return how much speaks for the best place of the coarse net; nothing is refined.

        Chance alone gives about the same for every overview and ratio, since what counts are the
        pixels of the level that is looked at. `by_pyramid_steps` goes on from there.
        """
        best = 0.0
        if not self._window.known:
            return best  # there is no one level to look at
        for mirrored, field in self._fields.items():
            found = yield from coarse_steps(self._ground.levels, field, self._window)
            self._glanced[mirrored] = found
            for first in found[:1]:
                factor = self._ground.levels[first.level].factor
                best = max(best, weight(Fit(first.score, first.matrix), field) / factor)
        return best

    def by_pyramid_steps(self, *, thorough: bool = True) -> Generator[Step, None, Placement]:
        """Try the coarse net, upright patches and patches at every angle, as far as needed.

        If not `thorough`, the first way only.
        """
        coarse, fine = (partial(self._by_net, net) for net in NETS)
        ways: list[Callable[[], Fits]] = [
            coarse,
            self._by_upright_patches,
            fine,
            self._by_turned_patches,
        ]
        if not self._window.known:
            ways = [self._by_upright_patches, fine]
        fits: list[Fit] = []
        place: Placement | None = None
        for way in ways if thorough else ways[:1]:
            fits += yield from way()
            if not fits:
                continue
            place, best, evidence = self._best_of(fits)
            if place.accepted:
                yield Step(0, 1, "refining what agrees")
                place, evidence = self._polished(place, best, evidence)
                return self._doubted(place, evidence)
            if evidence.convincing and best.score >= LEAST_SCORE:
                return place  # it fits, and so does another place: looking on does not help
        return self._nowhere() if place is None else place

    def judge_spotted(self, found: Spotted) -> Placement:
        """Judge what the brute-force spiral found; it stays where the spiral put it."""
        fit = refine_at(self._ground.levels[found.level], self._any, found.matrix)
        as_found = Fit(fit.score, found.matrix, fit.share, fit.spread)
        moved = (fit.matrix - found.matrix) @ [*self._any.middle, 1.0]
        if np.hypot(*moved[:2]) > 3 * found.factor:
            as_found = Fit(0.0, found.matrix)  # what the spiral found is no place of its own
        return self._judged(as_found, 0.0, self._evidence(fit), method="spiral")

    def _by_net(self, net: float) -> Fits:
        fits: list[Fit] = []
        octaves = len(self._window.octaves())
        self._tests = CANDIDATES * octaves * len(self._fields)
        levels = self._ground.levels
        for mirrored, field in self._fields.items():
            if net == NETS[0] and mirrored in self._glanced:
                found = yield from descend_steps(levels, field, self._glanced[mirrored])
                found = rivals(found, field)
            else:
                found = yield from search_steps(levels, field, self._window, net, self._trace)
            fits += [_as_given(fit, field) for fit in found]
        return fits

    def _by_upright_patches(self) -> Fits:
        low, high = self._window.angle
        if self._window.known and high - low < 60:
            return []
        ratios = [self._window.nominal]
        if not self._window.known:
            ends = self._window.ratio
            ratios = list(np.geomspace(*ends, 1 + round(np.log(ends[1] / ends[0]) / np.log(STEP))))
        self._tests = max(self._tests, CANDIDATES * len(ratios))
        fits: list[Fit] = []
        for patches in self._patches.values():
            found: list[Voted] = []
            for number, ratio in enumerate(ratios):
                yield Step(number, len(ratios), "comparing patches")
                found += patches.upright(ratio)
            fits += yield from self._refined(patches.field, found)
        return fits

    def _by_turned_patches(self) -> Fits:
        fits: list[Fit] = []
        for patches in self._patches.values():
            found = yield from patches.turned_steps(self._window.nominal, self._window.angle)
            fits += yield from self._refined(patches.field, found)
        return fits

    def _refined(self, field: Field, found: list[Voted]) -> Fits:
        """Refine the places most voted for."""
        found = [voted for voted in found if self._window.allows(voted.matrix)]
        found = sorted(found, key=lambda voted: -voted.support)[:REFINED]
        levels = self._ground.levels
        fits = []
        for number, voted in enumerate(found):
            yield Step(number, len(found), "refining")
            finest = finest_level(levels, field, voted.matrix)
            rough = refine_at(levels[min(finest + 1, len(levels) - 1)], field, voted.matrix)
            fits.append(refine_at(levels[finest], field, rough.matrix))
            if self._trace is not None:
                self._trace.visits.append(
                    Visit(levels[finest].factor, fits[-1].score, fits[-1].matrix)
                )
        return [_as_given(fit, field) for fit in fits]

    def _best_of(self, fits: list[Fit]) -> tuple[Placement, Fit, Evidence]:
        """Judge the best of `fits`, and how clearly it is the best."""
        best, *others = rivals(fits, self._any)
        limit = CLOSE * weight(best, self._any)
        close = [self._finally(fit) for fit in others[:2] if weight(fit, self._any) > limit]
        best, *others = rivals([best, *close], self._any)
        evidence = self._evidence(best)
        place = self._judged(best, 0.0, evidence)
        if not others or not place.accepted:
            return place, best, evidence
        # A rival counts if it convinces as well, or if the best one hardly does.
        if evidence.false_alarms < OVERWHELMING and not self._evidence(others[0]).convincing:
            return place, best, evidence
        return self._judged(best, others[0].score, evidence), best, evidence

    def _finally(self, fit: Fit) -> Fit:
        """Return `fit` refined down to the finest level."""
        if fit.final:
            return fit
        field, matrix = self._seen_as(fit.matrix)
        finest = finest_level(self._ground.levels, field, matrix)
        for index in range(min(finest + 2, len(self._ground.levels) - 1), finest - 1, -1):
            matrix = (fit := refine_at(self._ground.levels[index], field, matrix)).matrix
        return _as_given(fit, field)

    def _seen_as(self, matrix: Matrix) -> tuple[Field, Matrix]:
        """Return the field as it was looked at (mirrored, perhaps), and `matrix` for it."""
        mirrored = bool(np.linalg.det(matrix[:2, :2]) < 0)
        field = self._fields.get(mirrored, self._any)
        return field, matrix @ field.unmirror

    def _evidence(self, fit: Fit) -> Evidence:
        pair = self._pair(fit.matrix)
        return pair.ask(pair.matrix)

    def _pair(self, matrix: Matrix) -> Pair:
        """Return what the blocks are asked on: the field at `matrix` and a level, both reduced."""
        field, matrix = self._seen_as(matrix)
        side = min(field.shape) * scale_of(matrix)
        level = self._ground.levels[block_level(self._ground.levels, side)]
        factor = field.factor(level.factor, matrix)
        return Pair(level, field.features(factor), factor, field.unmirror, matrix, self._tests)

    def _doubted(self, place: Placement, evidence: Evidence) -> Placement:
        """Return `place`, refused where something makes blocks agree at wrong places."""
        why = doubt(place, self._pair(place.matrix), evidence)
        return replace(place, accepted=False, reason=f"Refused: {why}") if why else place

    def _polished(
        self, place: Placement, best: Fit, evidence: Evidence
    ) -> tuple[Placement, Evidence]:
        """Return `place` by the parts that agree alone, and through the lenses that they show."""
        field, matrix = self._seen_as(best.matrix)
        level = self._ground.levels[finest_level(self._ground.levels, field, matrix)]
        if evidence.agreeing < ALL * evidence.usable:
            fit = refine_at(level, field, matrix, evidence.blocks)
            again = self._evidence(fit := _as_given(fit, field))
            if again.agreeing >= ALL * evidence.agreeing:
                evidence, matrix = again, self._seen_as(fit.matrix)[1]
                error = standard_error(fit, field.shape)
                place = replace(
                    place, matrix=fit.matrix, residual=again.residual, standard_error=error
                )
        bent = self._through_lenses(place, field, matrix, evidence.blocks)
        found = unstretched(bent, self._pair(place.matrix), evidence)
        if found is None:
            return bent, evidence
        place, evidence = found
        seen = self._seen_as(place.matrix)
        return self._through_lenses(place, *seen, evidence.blocks), evidence

    def _through_lenses(
        self, place: Placement, field: Field, matrix: Matrix, blocks: Blocks
    ) -> Placement:
        """Return `place` with the lens distortion that the photos show, if any."""
        level = self._ground.levels[finest_level(self._ground.levels, field, matrix)]
        factor = field.factor(level.factor, matrix)
        shapes = (place.field_shape, place.overview_shape)
        bent = fit_distortion(level, field.features(factor), factor, matrix, shapes, blocks)
        if bent is None:
            return place
        distortion = replace(bent.distortion, core=bent.distortion.core @ field.unmirror)
        affine = closest_affine(distortion, place.field_shape)
        return replace(place, matrix=affine, distortion=distortion)

    def _nowhere(self) -> Placement:
        reason = "Refused: the field has nothing in common with any place of the overview."
        return self._placement(np.eye(3), score=0.0, accepted=False, reason=reason)

    def _judged(
        self, fit: Fit, second: float, evidence: Evidence, method: str = "pyramid"
    ) -> Placement:
        draft = self._placement(
            fit.matrix,
            score=fit.score,
            accepted=False,
            reason="",
            method=method,
            false_alarms=evidence.false_alarms,
            residual=evidence.residual,
            standard_error=standard_error(fit, self._any.shape),
        )
        accepted, reason = judge(evidence, fit.score, second, draft.overlap)
        return replace(draft, accepted=accepted, reason=reason)

    def _placement(
        self,
        matrix: Matrix,
        *,
        score: float,
        accepted: bool,
        reason: str,
        method: str = "pyramid",
        false_alarms: float = float("nan"),
        residual: float = float("nan"),
        standard_error: float = float("nan"),
    ) -> Placement:
        return Placement(
            matrix=matrix,
            field_shape=self._any.shape,
            overview_shape=self._ground.shape,
            accepted=accepted,
            reason=reason,
            score=score,
            false_alarms=false_alarms,
            residual=residual,
            standard_error=standard_error,
            field_sha256=self._sought.sha256,
            overview_sha256=self._ground.sha256,
            method=method,
        )


def _as_given(fit: Fit, field: Field) -> Fit:
    """Return `fit` for the field's image as it was given, not as it was looked at."""
    return replace(fit, matrix=fit.matrix @ field.unmirror)
