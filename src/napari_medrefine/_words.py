"""Numbers in sentences."""

from __future__ import annotations


def counted(number: int, what: str) -> str:
    """Return ``1 field`` or ``1,540 fields``, of a word whose plural ends in s."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
