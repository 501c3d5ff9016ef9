"""Long jobs: the result comes through, and a stopped job cleans up after itself."""

from __future__ import annotations

import threading
from collections.abc import Generator

import pytest

from napari_medrefine.progress import (
    WHOLE,
    JobStopped,
    Step,
    apart,
    finish,
    in_part,
    retold,
    stoppable,
)


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


def test_a_job_retold_as_part_of_another_returns_and_is_closed_with_it():
    closed = []

    def part():
        try:
            yield Step(1, 2, "part")
            yield Step(2, 2, "part")
            return "done"
        finally:
            closed.append(True)

    def whole():
        return (yield from retold(part(), lambda step: Step(step.done, 10, "whole")))

    said = []
    assert finish(whole(), said.append) == "done"
    assert said == [Step(1, 10, "whole"), Step(2, 10, "whole")]
    job = whole()
    next(job)
    job.close()
    assert closed == [True, True]


def test_what_cannot_be_stopped_is_not_waited_for() -> None:
    begun, end, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        assert end.wait(60)
        ended.set()

    with stoppable(begun.is_set), pytest.raises(JobStopped):
        apart(work)
    assert not ended.is_set()
    end.set()
    assert ended.wait(60)
    assert apart(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        apart(lambda: 1 // 0)


def test_the_parts_of_a_job_make_one_progress_that_never_goes_back():
    closed = []

    def part(*dones):
        try:
            for done in dones:
                yield Step(done, 4, "part")
            yield "a layer"
            return len(dones)
        finally:
            closed.append(True)

    def whole():
        first = yield from in_part(part(0, 4, 2), 0, 0.5)
        return first + (yield from in_part(part(0, 1, 4), 0.5, 1))

    said = []
    assert finish(whole(), said.append) == 6
    assert [x.done for x in said if isinstance(x, Step)] == [0, 50, 50, 50, 62, 100]
    assert {x.total for x in said if isinstance(x, Step)} == {WHOLE}
    assert said.count("a layer") == 2
    assert closed == [True, True]
