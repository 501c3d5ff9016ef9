"""Long jobs: the result comes through, and a stopped job cleans up after itself."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from napari_medrefine.progress import Step, finish


def _job(log: list[str]) -> Generator[Step, None, str]:
    try:
        for done in range(3):
            yield Step(done, 3, "working")
        return "result"
    finally:
        log.append("cleaned up")


def test_the_result_and_every_report_come_through() -> None:
    seen: list[int] = []
    assert finish(_job([]), lambda step: seen.append(step.done)) == "result"
    assert seen == [0, 1, 2]


def test_a_stopped_job_cleans_up() -> None:
    log: list[str] = []

    def stop(step: Step) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finish(_job(log), stop)
    assert log == ["cleaned up"]
