"""How many examples a test tries: a few always, many at night."""

from __future__ import annotations

import os
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, settings

NIGHTLY = os.environ.get("MEDREFINE_FUZZ") == "nightly"


def examples(few: int, many: int) -> Callable[..., object]:
    """Return hypothesis' settings: `few` examples, always the same, or `many` new ones at night."""
    return settings(
        max_examples=many if NIGHTLY else few,
        derandomize=not NIGHTLY,
        database=None,
        deadline=None,  # the judgement has a limit of its own
        print_blob=True,
        phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
