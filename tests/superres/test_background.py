"""Training in a process of its own: it reports, stops politely, and survives being killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from safetensors.torch import load_file
from skimage.data import immunohistochemistry

from napari_medrefine.errors import MedRefineError
from napari_medrefine.photos import write_image
from napari_medrefine.superres import background, worker
from napari_medrefine.superres.background import BackgroundTraining, Failed, Ready, Stopped
from napari_medrefine.superres.events import TrainingConfig, TrainingEvent, TrainingResult
from napari_medrefine.superres.run_folder import read_log, read_run, samples_in
from napari_medrefine.superres.run_lock import held

TINY = TrainingConfig(
    epochs=2, steps_per_epoch=5, batch=2, crop=16, channels=16, blocks=1, validation_steps=1,
    adversarial=0.5, checkpoint_every=2, precision="float32",
)  # fmt: skip
LONG = TINY.model_copy(update={"epochs": 1000, "steps_per_epoch": 20})


@pytest.fixture(scope="module")
def slides(tmp_path_factory) -> Path:
    """Return a folder with a photo of each of three slides."""
    folder = tmp_path_factory.mktemp("slides")
    photo = immunohistochemistry()
    for k, name in enumerate(("ash", "beech", "cedar")):
        write_image(_made(folder / name) / "photo.png", photo[k * 160 :][:160, :160])
    return folder


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def follow(
    training: BackgroundTraining, until: Callable[[TrainingEvent], bool] | None = None
) -> list[Ready | TrainingEvent]:
    """Poll until it has ended, or until an event is the one waited for."""
    seen: list[Ready | TrainingEvent] = []
    deadline = time.monotonic() + 300  # trainings give way to all others
    while training.running:
        assert time.monotonic() < deadline, seen
        seen += training.poll()
        if until and any(isinstance(one, TrainingEvent) and until(one) for one in seen):
            break
        time.sleep(0.01)
    return seen


def weights(folder: Path) -> dict[str, list[bytes]]:
    return {
        name: [t.numpy().tobytes() for _, t in sorted(load_file(folder / name).items())]
        for name in ("best.safetensors", "gan.safetensors")
    }


def is_gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def wait_until_gone(pid: int, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not is_gone(pid):
        assert time.monotonic() < deadline, "the process is still running"
        time.sleep(0.02)


def test_killed_in_mid_epoch_and_resumed_is_the_same_bit_for_bit(slides, tmp_path):
    whole = BackgroundTraining(slides, tmp_path / "whole", TINY)
    reports = follow(whole)
    assert isinstance(whole.outcome, TrainingResult), whole.outcome
    assert whole.outcome.best == tmp_path / "whole" / "best.safetensors"
    assert isinstance(reports[0], Ready)
    assert reports[0].text == "2 tiles to train on, 1 held out."
    steps = [report for report in reports if isinstance(report, TrainingEvent)]
    assert [step.done for step in steps] == list(range(11))

    cut_off = BackgroundTraining(slides, tmp_path / "cut", TINY)
    follow(cut_off, until=lambda event: event.done == 8)  # of 10; checkpoints are at 5 and 8
    os.kill(cut_off.pid, signal.SIGKILL)
    follow(cut_off)
    assert isinstance(cut_off.outcome, Failed)
    assert "killed, most likely because memory ran out" in cut_off.outcome.sentence
    assert len(read_log(tmp_path / "cut")) == 1

    resumed = BackgroundTraining(read_run(tmp_path / "cut").dataset, tmp_path / "cut", resume=True)
    follow(resumed)
    assert isinstance(resumed.outcome, TrainingResult), resumed.outcome
    assert weights(tmp_path / "cut") == weights(tmp_path / "whole")
    told = [(one.epoch, one.losses, one.psnr) for one in read_log(tmp_path / "cut")]
    assert told == [(one.epoch, one.losses, one.psnr) for one in read_log(tmp_path / "whole")]
    assert len(samples_in(tmp_path / "cut")) == 2


def test_it_is_modest_stops_when_asked_and_holds_its_folder_meanwhile(slides, tmp_path):
    folder = tmp_path / "run"
    training = BackgroundTraining(slides, folder, LONG)
    follow(training, until=lambda event: event.done >= 3)
    if sys.platform != "win32":
        assert psutil.Process(training.pid).nice() >= 10
    with pytest.raises(MedRefineError, match="Another process is training"), held(folder):
        pass
    assert training.running
    training.stop()
    follow(training)
    assert training.outcome == Stopped()
    assert is_gone(training.pid)
    assert read_run(folder).config == LONG


def test_when_napari_is_killed_the_training_writes_a_checkpoint_and_ends(slides, tmp_path):
    folder = tmp_path / "run"
    napari = subprocess.Popen(
        [sys.executable, "-c", _NAPARI, str(slides), str(folder), LONG.model_dump_json()],
        stdout=subprocess.PIPE,
    )
    assert napari.stdout is not None
    pid, done = json.loads(napari.stdout.readline())
    before = (folder / "checkpoint.pt").stat().st_mtime_ns
    napari.kill()
    napari.communicate()
    wait_until_gone(pid)
    assert (folder / "checkpoint.pt").stat().st_mtime_ns > before
    from napari_medrefine.superres.checkpoints import load_checkpoint

    assert load_checkpoint(folder).progress.step >= done


_NAPARI = """
import json, sys, time
from pathlib import Path
from napari_medrefine.superres.background import BackgroundTraining
from napari_medrefine.superres.events import TrainingConfig
slides, folder, config = sys.argv[1:]
config = TrainingConfig.model_validate_json(config)
training = BackgroundTraining(Path(slides), Path(folder), config)
done = 0
while done < 3:
    done = max([getattr(one, "done", 0) for one in training.poll()], default=done)
    time.sleep(0.01)
print(json.dumps([training.pid, done]), flush=True)
time.sleep(60)
"""


def test_dropping_it_ends_it(slides, tmp_path):
    training = BackgroundTraining(slides, tmp_path / "run", LONG)
    pid = training.pid
    del training
    wait_until_gone(pid)


def test_what_is_wrong_comes_through_as_it_is(slides, tmp_path):
    training = BackgroundTraining(slides / "nowhere", tmp_path / "run", TINY)
    follow(training)
    assert isinstance(training.outcome, Failed)
    assert training.outcome.sentence.startswith("There is no dataset or folder of photos at")
    assert not (tmp_path / "run").exists()


def test_a_process_that_cannot_begin_is_one_sentence(slides, tmp_path, broken_python, monkeypatch):
    training = BackgroundTraining(slides, tmp_path / "run", TINY)
    follow(training)
    assert isinstance(training.outcome, Failed)
    assert training.outcome.sentence.startswith("The training ended unexpectedly (ModuleNotFound")
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(MedRefineError, match="packed application"):
        BackgroundTraining(slides, tmp_path / "run", TINY)


def test_memory_is_named_whichever_way_it_runs_out():
    for error in (MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")):
        assert "not enough memory for this training" in worker._sentence(error)
    crashed = background._why(-signal.SIGSEGV, "")
    assert crashed == "The training crashed (SIGSEGV); resume it from its last checkpoint."


def test_every_message_survives_the_pipe(tmp_path):
    event = TrainingEvent(
        3, 10, "epoch 1 of 2", "pixel", 1, 2, {"pixel": 0.25}, 0.2, 25.5, 24.5, 12.0,
        tmp_path / "épreuve.png",
    )  # fmt: skip
    result = TrainingResult(tmp_path, tmp_path / "best", None, 0.1, 2)
    for message in (event, result, Ready("a\nb"), Failed("é"), Stopped()):
        line = worker.to_line(message)
        assert line.count(b"\n") == 1
        assert worker.from_line(line) == message
