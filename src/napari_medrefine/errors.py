"""The errors a user may see: each message is one clear sentence."""

from __future__ import annotations


class MedRefineError(ValueError):
    """Something about the input is wrong; the message says what, and what to do about it."""
