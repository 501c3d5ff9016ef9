"""Objective and pixel size, as far as a file's name and metadata say them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

# Finer than any light microscope, and coarser than any photo through one (so that the 72 to
# 1200 dpi which cameras and paint programs write are not taken for a pixel size).
PIXEL_UM = (0.01, 20.0)
OBJECTIVES = (0.5, 250.0)
MICRONS = {
    "nm": 1e-3, "um": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "mm": 1e3, "cm": 1e4,
    "centimeter": 1e4, "inch": 25_400.0, "in": 25_400.0, "m": 1e6,
    "nanometer": 1e-3, "millimeter": 1e3, "meter": 1e6,
}  # fmt: skip
PRINTERS = (2400.0, 4800.0)  # dots per inch that would pass for a pixel size

Sides = tuple[float, float]  # height and width of a pixel

_NUMBER = r"(\d{1,3}(?:[.,]\d{1,2})?)"
_USUAL = r"(1[.,]25|2[.,]5|100|[245]|[12456]0|63)"  # objectives that one can buy
_HIGH = r"(100|[12456]0|63)"
_TIMES = "[x×хХ]"  # the last two are Cyrillic
_LETTER = "0-9A-Za-zА-Яа-я"
_APERTURE = r"(?:[ _/-]?[01][.,]\d{1,2})?(?:NA|oil|water|dry|imm)?"
_NUMBER_FIRST = re.compile(
    rf"(?:(?<![{_LETTER}.,]){_NUMBER}{_TIMES}(?![{_LETTER}])"
    rf"|(?<![{_LETTER}.,]){_NUMBER}[ _]{_TIMES}(?![ _]?\d)(?![{_LETTER}])"  # not 3 x 3
    rf"|(?<![{_LETTER}.,]){_NUMBER}[ _]?(?:fach(?![{_LETTER}])|倍(?!体|體))"  # not a ploidy
    rf"|(?<![{_LETTER}.,]){_USUAL}{_TIMES}{_APERTURE}(?![{_LETTER}])"
    rf"|(?:plan[ _-]?)?(?:plan|apo|fluor|fluar|achro|lens)[ _-]?{_USUAL}{_TIMES}(?![{_LETTER}])"
    rf"|(?<![A-Za-z])obj(?:ective)?[ _-]?{_NUMBER}x?(?![{_LETTER}]))",
    re.IGNORECASE,
)
# After a stain also without a space (HEx40). Not x2 or x4: that is how enlarged pictures are named.
_TIMES_FIRST = re.compile(
    rf"(?<!magnified )(?:(?<![{_LETTER}])[XХ]|(?<![0-9a-zа-я])[xх]){_HIGH}(?![{_LETTER}])"
    r"(?![.,]\d)"
)
_PLACE = re.compile(r"(?<![A-Za-z])y[ =]?\d", re.IGNORECASE)  # beside it, x100 is one, too
_IN_TEXT = re.compile(
    rf"(?:NominalMagnification\s*=\s*\"{_NUMBER}"
    rf"|AppMag\s*=\s*{_NUMBER}"
    rf"|(?:objective|magnification)[^0-9<>\n]{{0,20}}?{_NUMBER}\s*x?(?![0-9A-Za-z.])"
    rf"|(?<![0-9A-Za-z.,]){_NUMBER}\s?[x×]\s+(?:objective|lens|magnification))",
    re.IGNORECASE,
)
_MPP = re.compile(r"\bMPP\s*=\s*(\d*\.?\d+)")
_OME_SIZE = re.compile(r"\bPhysicalSize([XY])\s*=\s*\"([0-9.eE+-]+)\"")
_OME_UNIT = re.compile(r"\bPhysicalSize([XY])Unit\s*=\s*\"([^\"]{1,20})\"")


def objective_of(path: Path, texts: Iterable[str] = ()) -> float | None:
    """Return the objective's magnification: from the file name, else `texts`, else the folder.

    ``slide1_40x_3.jpg`` and ``10X.tif`` say it; ``x264.png`` and ``scan_1024x768.png`` do not. Two
    different magnifications in one name say nothing.
    """
    candidates = [
        objective_in(path.stem),
        *(_only_value(_IN_TEXT, text) for text in texts),
        objective_in(path.parent.name),
    ]
    return next((value for value in candidates if value is not None), None)


def objective_in(name: str) -> float | None:
    """Return the magnification that the name of a file (without suffix) or folder says."""
    return _only_value(_spelling(name), name)


def name_before_objective(stem: str) -> str | None:
    """Return what stands before the objective in a file name (the slide), if it names one."""
    match = _spelling(stem).search(stem)
    return stem[: match.start()].rstrip(" _-.,([") if match else None


def name_after_objective(stem: str) -> str:
    """Return what stands behind the objective in a file name, if it names one."""
    match = _spelling(stem).search(stem)
    return stem[match.end() :].lstrip(" _-.,)]") if match else ""


def _spelling(name: str) -> re.Pattern[str]:
    """Return how a name spells its objective: ``40x``, or only where it does not, ``x40``."""
    usual = _NUMBER_FIRST.search(name) or _PLACE.search(name)
    return _NUMBER_FIRST if usual else _TIMES_FIRST


def _only_value(pattern: re.Pattern[str], text: str) -> float | None:
    values = {
        float(next(filter(None, match.groups())).replace(",", "."))
        for match in pattern.finditer(text)
    }
    low, high = OBJECTIVES
    return values.pop() if len(values) == 1 and low <= min(values) <= high else None


def plausible(pixel_um: float | None) -> float | None:
    """Return `pixel_um` if a microscope photo can have such pixels, else None."""
    low, high = PIXEL_UM
    return pixel_um if pixel_um is not None and low <= pixel_um <= high else None


def microns_in(unit: str) -> float | None:
    """Return how many micrometres a unit has, None if it is no length that we know."""
    return MICRONS.get(unit.replace("µ", "u").replace("μ", "u").replace("\\u00B5", "u").lower())


def square(sides: Sides | None) -> float | None:
    """Return the side of a pixel, None where it is not known or pixels are not square."""
    if sides is None or abs(sides[0] - sides[1]) > 0.01 * sides[1]:
        return None
    return sides[1]


def from_density(x: float, y: float, unit: str) -> Sides | None:
    """Return the pixel size (um) that a density in pixels per `unit` says, if it is plausible."""
    microns = microns_in(unit)
    if not microns or not (x > 0 and y > 0):
        return None
    printed = any(abs(x - dots) < 1e-4 * dots for dots in PRINTERS)
    if microns == MICRONS["inch"] and printed:
        return None
    return _plausible_sides(microns / y, microns / x)


def from_text(text: str) -> Sides | None:
    """Return the pixel size (um) that OME-XML or a scanner's description says."""
    sizes = {axis: float(size) for axis, size in _OME_SIZE.findall(text) if _is_number(size)}
    units = dict(_OME_UNIT.findall(text))
    if "X" in sizes:
        sides = {
            axis: size * (microns_in(units.get(axis, "um")) or 0.0) for axis, size in sizes.items()
        }
        return _plausible_sides(sides.get("Y", sides["X"]), sides["X"])
    match = _MPP.search(text)
    return None if match is None else _plausible_sides(*[float(match.group(1))] * 2)


def _plausible_sides(height: float, width: float) -> Sides | None:
    return (height, width) if plausible(height) and plausible(width) else None


def _is_number(text: str) -> bool:
    try:
        return float(text) > 0
    except ValueError:
        return False
