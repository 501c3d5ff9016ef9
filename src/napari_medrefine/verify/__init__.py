"""Making a result again, to confirm it or to say what differs."""

from napari_medrefine.verify.report import Report
from napari_medrefine.verify.verifying import verify, verify_steps

__all__ = ["Report", "verify", "verify_steps"]
