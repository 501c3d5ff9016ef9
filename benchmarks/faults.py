"""Every fault in the middle of every job: killed, disk full, folder gone, out of memory.

usage: python benchmarks/faults.py [--times 6] [--seed 0] [--parallel 2] [--jobs prepare train ...]

Each job runs in a process of its own. What must hold afterwards: what was finished before is as it
was, nothing half-written passes for whole, the job says in one sentence what is wrong (where it can
say anything), and the same call again comes to the same bytes. Writes ``faults.md`` beside itself,
job by job; of jobs that are left out, what it said before stays.

The disk is a small tmpfs, which takes root, or sudo without a password; without it that fault is
left out, saying so. Linux only.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent
os.environ["PYTHONPATH"] = os.pathsep.join([str(FOLDER), *sys.path])  # of the fork server
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(FOLDER))

from fault_jobs import JOBS, NEW, OLD, Job, work  # noqa: E402

PATIENCE_S = 180.0
TOLD = "medrefine: "
ROOMS = (4, 24, 80)  # MB of address space beyond what a process has when it begins
SHARES = (0.15, 0.5, 0.85)  # of what a job writes, that the disk holds
EXPLAINED = """\
After every fault: what was finished before is as it was, nothing half-written passes for whole, and
the same call again comes to the same bytes, file by file (of a training, its weights). *Ok* means
all of that, and where the job could still speak, one sentence and no traceback; of a full disk, one
that says what to do."""
NOTES = "a note of the user.txt"
State = dict[str, str]


@dataclass(frozen=True)
class Case:
    """What was done to a job, what was seen, and what is wrong with that."""

    fault: str
    job: str
    cause: str
    seen: str
    wrong: str = ""


class Bench:
    """One job in a place of its own: its input, and how its output should be in the end."""

    def __init__(self, name: str, place: Path) -> None:
        self.name, self.place = name, place
        self.job: Job = JOBS[name]
        self.out, self.given = place / "out", place / "input"
        self.given.mkdir(parents=True)
        self.job.make_input(self.given)
        self.older: State = {}
        if self.job.replaces:
            self._fresh()
            self._finish(OLD)
            self.older = self.state()
            shutil.copytree(self.out, place / "older")
        self._fresh()
        process, began = self.start(), time.monotonic()
        ended(process)
        self.seconds = time.monotonic() - began
        self.wanted, self.size = self.state(), used(self.out)
        assert self.whole(), f"{name} made nothing: {self.said()}"

    @property
    def target(self) -> Path:
        return self.out / self.job.target

    def _fresh(self) -> None:
        shutil.rmtree(self.out, ignore_errors=True)
        self._furnish()

    def _furnish(self) -> None:
        """Put what was finished before into the output folder."""
        self.out.mkdir(exist_ok=True)
        (self.out / NOTES).write_text("mine")
        if "/" in self.job.target or self.job.target == "saved":
            (self.out / "saved").mkdir()
        if self.older:
            shutil.copytree(self.place / "older", self.out, dirs_exist_ok=True)

    def start(self, variant: int = NEW, room_mb: int | None = None) -> ForkServerProcess:
        """Begin the job; return its process once the job itself begins."""
        context = get_context("forkserver")
        context.set_forkserver_preload(["fault_jobs"])
        here, there = context.Pipe(duplex=False)
        told = (self.name, self.place, variant, room_mb, there)
        process = context.Process(target=work, args=told)
        process.start()
        there.close()
        if here.poll(PATIENCE_S):
            here.recv()
        return process

    def _finish(self, variant: int = NEW) -> int | None:
        return ended(self.start(variant))

    def said(self) -> str:
        return (self.place / "log.txt").read_text(errors="replace").strip()

    def state(self) -> State:
        """Return the SHA-256 of all files of the target that count."""
        if self.target.is_file():
            return {self.target.name: digest(self.target)}
        patterns = self.job.compared or ("**/*",)
        files = {path for pattern in patterns for path in self.target.glob(pattern)}
        seen = {path.relative_to(self.target).as_posix(): path for path in files if path.is_file()}
        return {
            name: digest(path)
            for name, path in sorted(seen.items())
            if not any(part.startswith(".medrefine-") for part in Path(name).parts)
        }

    def whole(self) -> bool:
        """Say whether what is there passes for complete."""
        marker = self.target / self.job.marker if self.job.marker else self.target
        if self.job.journal and (self.target / self.job.journal).exists():
            return False
        return marker.exists() and self.job.complete(marker)

    def problem(self) -> str:
        """Return what is wrong with what is there now; empty if nothing is."""
        if not (self.out / NOTES).is_file():
            return "a file of the user is gone"
        there = self.whole()
        if there and not self._is(self.wanted) and not self._is(self.older):
            return "what is half-written passes for whole"
        if self.job.replaces and not there:
            return "what was there before is gone"
        return ""

    def _is(self, state: State) -> bool:
        """Whether the files of a state are there; a killed save may leave more, never seen."""
        if not state:
            return False
        now = self.state()
        if self.job.complete is not Path.exists or self.job.compared:
            return all(now.get(name) == sha for name, sha in state.items())
        return now == state

    def resumed(self) -> str:
        """Do it again, unless it is done; return what is wrong with that."""
        if not self.job.replaces and self.whole() and self._is(self.wanted):
            return ""
        status = self._finish()
        if status != 0:
            return f"does not go on: {self.said()[-200:]}"
        if self.job.complete is Path.exists and not self.job.compared:
            return "" if self.state() == self.wanted else "goes on to other bytes"
        return "" if self._is(self.wanted) else "goes on to other bytes"

    def sentence(self, status: int | None) -> tuple[str, str]:
        """Return what a job that failed with `status` said, and what is wrong with that."""
        said = self.said()
        # A library of codecs says that memory ran out, too, and ends no line.
        told = [line[line.index(TOLD) :] for line in said.splitlines() if TOLD in line]
        last = (told or said.splitlines() or [""])[-1]
        if "Traceback" in said or not told:
            tail = said[-300:].replace("\n", " / ")
            return last[-160:], f"no sentence, status {status}: {tail}"
        return last.removeprefix(TOLD), ""


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def used(folder: Path) -> int:
    """Return how much of a tmpfs the files in a folder take."""
    return sum(-(-p.stat().st_size // 4096) * 4096 for p in folder.rglob("*") if p.is_file())


def ended(process: ForkServerProcess) -> int | None:
    """Wait for a process; return its exit status, None if it hangs."""
    process.join(PATIENCE_S)
    if process.exitcode is None:
        process.kill()
        process.join()
        return None
    return process.exitcode


def killed(bench: Bench, rng: np.random.Generator) -> Case:
    """Kill the job at a random moment, then do it again."""
    bench._fresh()
    process, wait = bench.start(), float(rng.uniform(0.02, 0.95)) * bench.seconds
    time.sleep(wait)
    process.kill()
    process.join()
    seen = "killed" if process.exitcode == -9 else "it had ended"
    wrong = bench.problem() or bench.resumed()
    return Case("kill -9", bench.name, f"SIGKILL after {wait:.2f} s", seen, wrong)


def filled(bench: Bench, share: float) -> Case:
    """Give the job a disk that holds a share of what it writes, then a larger one."""
    shutil.rmtree(bench.out, ignore_errors=True)
    bench.out.mkdir()
    held = 4096 + (used(bench.place / "older") if bench.older else 0)
    size = int(held + share * bench.size)
    with disk(bench.out, size) as grow:
        bench._furnish()
        status = ended(bench.start())
        seen, wrong = "it fitted", ""
        if status != 0:
            seen, wrong = bench.sentence(status)
            if not wrong and not (
                "disk is full" in seen and ("start again" in seen or "resume" in seen)
            ):
                wrong = "does not say what to do"
        wrong = wrong or bench.problem()
        grow(size + 4 * bench.size + 2**23)
        wrong = wrong or bench.resumed()
    shutil.rmtree(bench.out, ignore_errors=True)
    return Case(
        "full disk", bench.name, f"a disk of {size / 1e6:.2f} MB", plain(seen, bench), wrong
    )


def vanished(bench: Bench, rng: np.random.Generator, *, comes_back: bool) -> Case:
    """Take the output folder away at a random moment; bring it back, or not; do it again."""
    bench._fresh()
    top = bench.out / Path(bench.job.target).parts[0]
    away = bench.place / "away"
    shutil.rmtree(away, ignore_errors=True)
    process, wait = bench.start(), float(rng.uniform(0.1, 0.9)) * bench.seconds
    time.sleep(wait)
    filling = top.with_name(f"{top.name}.part")  # what a picture is called until it is complete
    while not (top.exists() or filling.exists()) and process.exitcode is None:
        time.sleep(0.001)
    there = top if top.exists() else filling
    try:
        there.rename(away)
    except OSError:  # it has just got its name
        away.mkdir()
    status = ended(process)
    seen, wrong = "it had ended", ""
    if status != 0:
        seen, wrong = bench.sentence(status)
    if bench.whole() and not bench._is(bench.wanted):
        wrong = wrong or "what is half-written passes for whole"
    if comes_back and not wrong and any(away.iterdir()):
        shutil.rmtree(there, ignore_errors=True)
        away.rename(there)
    elif bench.older:
        shutil.copytree(bench.place / "older", bench.out, dirs_exist_ok=True)
    wrong = wrong or bench.resumed()
    how = "renamed and brought back" if comes_back else "taken away"
    cause = f"the output folder {how} after {wait:.2f} s"
    return Case("vanished folder", bench.name, cause, plain(seen, bench), wrong)


def vanished_input(bench: Bench, rng: np.random.Generator) -> Case:
    """Take the input folder away at a random moment, and bring it back."""
    bench._fresh()
    process, wait = bench.start(), float(rng.uniform(0.0, 0.7)) * bench.seconds
    time.sleep(wait)
    away = bench.place / "input-away"
    bench.given.rename(away)
    status = ended(process)
    seen, wrong = ("it needed it no more", "") if status == 0 else bench.sentence(status)
    away.rename(bench.given)
    wrong = wrong or bench.problem() or bench.resumed()
    cause = f"the input folder renamed after {wait:.2f} s"
    return Case("vanished folder", bench.name, cause, plain(seen, bench), wrong)


def starved(bench: Bench, room_mb: int) -> Case:
    """Let the job have little memory, then all."""
    bench._fresh()
    status = ended(bench.start(room_mb=room_mb))
    seen, wrong = "it was enough", ""
    if status is None:
        seen, wrong = "it hung", "it hung"
    elif status < 0:
        seen = f"ended by the system (signal {-status})"
    elif status != 0:
        seen, wrong = bench.sentence(status)
        if not wrong and "memory" not in seen:
            wrong = "does not say that memory ran out"
    wrong = wrong or bench.problem() or bench.resumed()
    return Case(
        "out of memory", bench.name, f"{room_mb} MB to begin with", plain(seen, bench), wrong
    )


def plain(text: str, bench: Bench) -> str:
    """Return text without the place of this run."""
    return text.replace(f"{bench.place}/", "").replace("|", "/")


def root() -> list[str] | None:
    """Return what a command is to begin with to be run by root; None if it cannot."""
    if os.geteuid() == 0:
        return []
    sudo = ["sudo", "-n"]
    if not shutil.which("sudo"):
        return None
    if not subprocess.run([*sudo, "true"], check=False, capture_output=True).returncode:
        return sudo
    return None


def can_mount() -> bool:
    """Say whether this machine lets us make a small disk."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with disk(Path(folder), 2**20):
                return True
        except (OSError, subprocess.CalledProcessError):
            return False


@contextmanager
def disk(folder: Path, size: int) -> Iterator[Any]:
    """Mount a disk of `size` bytes; yields a function that gives it another size."""
    first = root()
    if first is None or not sys.platform.startswith("linux"):
        raise OSError("only root may mount")
    kind = ["-t", "tmpfs", "-o", f"size={size},mode=777", "tmpfs"]
    subprocess.run([*first, "mount", *kind, folder], check=True, capture_output=True)

    def grow(larger: int) -> None:
        how = ["-o", f"remount,size={larger}"]
        subprocess.run([*first, "mount", *how, folder], check=True, capture_output=True)

    try:
        yield grow
    finally:
        subprocess.run([*first, "umount", "-l", folder], check=True, capture_output=True)


def cases(bench: Bench, times: int, rng: np.random.Generator, *, mount: bool) -> Iterator[Case]:
    """Do everything to one job."""
    for _ in range(times):
        yield killed(bench, rng)
    for share in SHARES if mount else ():
        yield filled(bench, share)
    for number in range(max(1, times // 2)):
        yield vanished(bench, rng, comes_back=number % 2 == 0)
    yield vanished(bench, rng, comes_back=False)
    if any(bench.given.iterdir()):
        yield vanished_input(bench, rng)
    for room_mb in ROOMS:
        yield starved(bench, room_mb)


def table(found: list[Case]) -> list[str]:
    """Return one line for every fault and job."""
    lines = []
    for fault in dict.fromkeys(case.fault for case in found):
        for job in JOBS:
            same = [case for case in found if (case.fault, case.job) == (fault, job)]
            if not same:
                continue
            seen = list(dict.fromkeys(case.seen for case in same))
            wrong = list(dict.fromkeys(f"{c.wrong} ({c.cause})" for c in same if c.wrong))
            verdict = "ok" if not wrong else "NOT OK: " + "; ".join(wrong).replace("|", "/")
            causes = "; ".join(dict.fromkeys(case.cause for case in same))
            lines.append(
                f"| {fault} | {job} | {len(same)} | {causes} | {'; '.join(seen)} | {verdict} |"
            )
    return lines


def kept(page: Path, jobs: list[str]) -> list[str]:
    """Return the lines of an earlier page on jobs that were left out this time."""
    lines = page.read_text().splitlines() if page.exists() else []
    rows = [line for line in lines if line.startswith("| ") and " | " in line][1:]
    return [row for row in rows if row.split(" | ")[1] not in jobs]


def report(rows: list[str], *, mount: bool, seed: int) -> str:
    total = sum(int(row.split(" | ")[2]) for row in rows)
    bad = sum("NOT OK" in row for row in rows)
    parts = [
        "# Faults",
        "",
        f"By `python benchmarks/faults.py --seed {seed}`: {total} faults, {bad} kinds not ok.",
        "",
        EXPLAINED,
        "",
    ]
    if not mount:
        parts += ["**No full disk: this machine lets nobody mount one.**", ""]
    head = ["| Fault | Job | Times | How it was caused | What was seen | |", "|-" * 6 + "|"]
    return "\n".join([*parts, *head, *sorted(rows), ""])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=6, help="kills of every job")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", nargs="+", choices=list(JOBS), default=list(JOBS))
    parser.add_argument("--output", type=Path, default=FOLDER / "faults.md")
    parser.add_argument("--parallel", type=int, default=2, help="jobs at a time")
    arguments = parser.parse_args()
    mount = can_mount()

    def every(name: str) -> list[Case]:
        number, found = list(JOBS).index(name), []
        bench = Bench(name, Path(folder) / str(number))
        rng = np.random.default_rng([arguments.seed, number])
        for case in cases(bench, arguments.times, rng, mount=mount):
            found.append(case)
            print(f"{case.job}: {case.cause}: {case.seen}: {case.wrong or 'ok'}", flush=True)
        return found

    with (
        tempfile.TemporaryDirectory(prefix="medrefine-faults-") as folder,
        ThreadPoolExecutor(arguments.parallel) as pool,
    ):
        found: list[Case] = []
        for made in pool.map(every, arguments.jobs):
            found += made
            rows = [*kept(arguments.output, arguments.jobs), *table(found)]
            arguments.output.write_text(report(rows, mount=mount, seed=arguments.seed))
    return int(any(case.wrong for case in found))


if __name__ == "__main__":
    sys.exit(main())
