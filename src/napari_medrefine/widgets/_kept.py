"""What a mode changes for a while, and how it was before."""

from __future__ import annotations

from typing import Any


class Kept:
    """Sets attributes and gives them back what they had, in reverse order."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, str, Any]] = []

    def set(self, owner: Any, **values: Any) -> None:
        """Set attributes of `owner`; only those that are something else now."""
        for name, value in values.items():
            before = getattr(owner, name)
            if before == value:
                continue
            if not any(each is owner and known == name for each, known, _ in self._before):
                self._before.append((owner, name, before))
            setattr(owner, name, value)

    def restore(self) -> None:
        """Give everything back what it had before."""
        while self._before:
            owner, name, before = self._before.pop()
            setattr(owner, name, before)
