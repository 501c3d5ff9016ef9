"""What a picture says of itself beside its provenance: read by people, and by our widgets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PureWindowsPath
from typing import Any

from napari_medrefine._names import as_text
from napari_medrefine.provenance import KEY, Input, Provenance
from napari_medrefine.superres.made import facts_from
from napari_medrefine.verify.pictures import only
from napari_medrefine.verify.report import Report

LAYERS = "made_from_file"  # only of what was made from a layer, whose name may be any


def check_facts(facts: Mapping[str, Any], made: Provenance, report: Report) -> None:
    """Compare what stands beside a provenance with it, and say what cannot be compared."""
    told = {name: value for name, value in facts.items() if value is not None and name != KEY}
    told["model"] = PureWindowsPath(str(told.get("model"))).name  # of any system's path
    wanted = _wanted(told, made, layered=LAYERS in facts)
    differing = [name for name in sorted(wanted) if told.get(name) != wanted[name]]
    if differing:
        report.problems.append(
            f"Beside its provenance it says otherwise than there: {', '.join(differing)}."
        )
    others = sorted(told.keys() - wanted.keys())
    if others:
        report.remarks.append(f"What it says of these was not compared: {', '.join(others)}.")


def check_inputs(made: Provenance, report: Report) -> None:
    """Name the inputs that have no part in it: a picture is made from one."""
    seen: list[Input] = []
    for one in made.inputs:
        if all(_another_hash(one, other) for other in seen):
            seen.append(one)
        else:
            report.problems.append(
                f"It names an input more, {one.name} (SHA-256 of its {one.of}), of no known use."
            )


def _another_hash(one: Input, other: Input) -> bool:
    """Return whether both are of one input; those of a file and of its windows are compared."""
    same = one.model_copy(update={"of": other.of, "sha256": other.sha256}) == other
    return same and {one.of, other.of} == {"file", "windows"}


def _wanted(told: Mapping[str, Any], made: Provenance, *, layered: bool) -> dict[str, Any]:
    """Return the facts that follow from a provenance, as far as they can be told."""
    absent = dict.fromkeys(("made_from_sha256", "made_from_windows_sha256"))
    wanted = {**absent, **facts_from(made)}  # a hash that is not in the provenance is none
    one, region, name = only(made), told.get("region"), told.get("made_from")
    if not layered:  # a name that is no text was noted with marks
        wanted["made_from"] = name if as_text(str(name)) == one.name else one.name
    if isinstance(region, Mapping):
        part = {"level": one.level, "rows": list(one.rows or ()), "cols": list(one.cols or ())}
        wanted["region"] = {**region, **part}
    return wanted
