"""What came of verifying a file."""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_medrefine import __version__


@dataclass
class Report:
    """What was confirmed, and what differs.

    Attributes
    ----------
    what : str
        The file and what it is.
    confirmed, remarks, problems : list of str
        Sentences: what is as it was said; what was not looked at, or should be known; what differs.
    """

    what: str
    confirmed: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing differs, and something was confirmed."""
        return not self.problems and bool(self.confirmed)

    def lines(self) -> list[str]:
        """Return it as text, line by line."""
        verdict = "confirmed" if self.ok else "NOT confirmed"
        lines = [f"{self.what}: {verdict}"]
        lines += [f"  ok: {text}" for text in self.confirmed]
        lines += [f"  note: {text}" for text in self.remarks]
        return lines + [f"  differs: {text}" for text in self.problems]

    def check_version(self, version: str) -> None:
        """Remark on another version than the one that runs."""
        if version != __version__:
            self.remarks.append(f"Made by version {version}; verified with {__version__}.")
