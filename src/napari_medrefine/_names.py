"""Names for files that every system takes: what Windows forbids, Linux would let pass."""

from __future__ import annotations

import re

FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
MARK = "\ufffd"  # what stands for letters that are none
_HALVES = re.compile("[\ud800-\udfff]")
_DEVICES = {"con", "prn", "aux", "nul"} | {
    f"{kind}{n}" for kind in ("com", "lpt") for n in "123456789"
}


def as_text(name: str) -> str:
    """Return `name` as text that can be written; where it is none, it has a `MARK`.

    Linux takes any bytes for a file's name. Python stands in for those that are no text with
    halves of letters, which no file of text may hold.
    """
    return _HALVES.sub(MARK, name)


def safe_name(text: str, otherwise: str = "file") -> str:
    """Return `text` as the name of a file or folder; `otherwise` where nothing is left of it.

    A colon would name a hidden part of another file, ``nul`` is a device under any suffix, and
    spaces and dots at the end are dropped, by Windows.
    """
    name = FORBIDDEN.sub("_", text).strip(" .") or otherwise
    return f"_{name}" if name.partition(".")[0].rstrip(" ").casefold() in _DEVICES else name
