"""How many cases there are: 500 and more in every test run, over 10,000 in the nightly one.

``MEDREFINE_FUZZ=nightly`` asks for the nightly ones, which are new ones every night; without it
the cases are always the same, so that nobody's work is stopped by what it did not cause. The
number of cases is printed at the end.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fuzzing.outcome import CASES

ENOUGH = {"ci": 500, "nightly": 10_000}


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the files that are broken."""
    return tmp_path_factory.mktemp("bench")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail where all of the suite ran and yet too few cases were judged."""
    here = {path.name for path in Path(__file__).parent.glob("test_*.py")}
    ran = {item.path.name for item in session.items if item.path.parent == Path(__file__).parent}
    whole = here <= ran and not session.config.option.keyword and not session.shouldstop
    least = ENOUGH[os.environ.get("MEDREFINE_FUZZ", "ci")]
    if whole and session.testsfailed == 0 and CASES.total() < least:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the number of cases, all and by kind."""
    if CASES:
        terminalreporter.section(f"fuzz: {CASES.total():,} cases")
        for kind, count in sorted(CASES.items()):
            terminalreporter.write_line(f"{count:7,}  {kind}")
