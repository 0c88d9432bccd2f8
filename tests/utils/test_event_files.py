"""Curves as TensorBoard itself reads them."""

import importlib.util
from pathlib import Path

import pytest
import torch

from tests.scenes.steps import PlainSteps
from utils import event_files
from utils.errors import UserError
from utils.event_files import EventFile, check_tensorboard, event_file
from utils.optimise import optimise
from utils.steps import record_step

installed = importlib.util.find_spec("tensorboard") is not None
needs_tensorboard = pytest.mark.skipif(not installed, reason="tensorboard is not installed")


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Steps and values by tag, of the one run in `folder`."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (run,) = folder.iterdir()
    events = EventAccumulator(str(run))
    events.Reload()
    tags = events.Tags()["scalars"]
    return {tag: [(each.step, each.value) for each in events.Scalars(tag)] for tag in tags}


@needs_tensorboard
def test_every_term_of_every_step_is_there(tmp_path):
    x = torch.tensor(1.0, requires_grad=True)
    steps = PlainSteps([{"params": [x], "lr": 0.1}])  # each leaves 0.8 of x
    with event_file(tmp_path / "1_stage"):
        optimise(lambda _: {"bowl": x**2, "one": 0 * x + 1}, [steps], 2, lambda _: 1.0, "level 1")
    assert curves(tmp_path / "1_stage") == {
        "level 1/bowl": [(0, 1.0), (1, pytest.approx(0.64))],
        "level 1/one": [(0, 1.0), (1, 1.0)],
        "level 1/total": [(0, 2.0), (1, pytest.approx(1.64))],
    }


@needs_tensorboard
def test_a_title_that_comes_again_goes_on_behind_itself(tmp_path):
    with event_file(tmp_path):
        record_step("outlines", {"total": 3.0})
        record_step("place", {"total": 9.0})
        record_step("outlines", {"total": 2.0})
        record_step("training", {"total": 1.0}, step=50)
        record_step("", {"total": 7.0})  # of a loop that nobody named
    assert curves(tmp_path) == {
        "outlines/total": [(0, 3.0), (1, 2.0)],
        "place/total": [(0, 9.0)],
        "training/total": [(50, 1.0)],
    }


def test_without_a_step_there_is_no_file(tmp_path):
    with event_file(tmp_path / "none"):
        pass
    record_step("level 1", {"total": 1.0})
    assert not (tmp_path / "none").exists()


@needs_tensorboard
def test_a_folder_that_cannot_be_written_ends_the_curves_and_not_the_run(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with event_file(tmp_path / "file"):
        record_step("level 1", {"total": 1.0})
        record_step("level 1", {"total": 1.0})
    out = capsys.readouterr().out
    assert out.startswith(f"warning: {tmp_path / 'file'}") and out.count("\n") == 1
    assert out.endswith("; no more curves are written\n")


def test_a_disk_that_fills_up_is_said_once(tmp_path, capsys, monkeypatch):
    class Full:
        def add_scalar(self, *_):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(EventFile, "_open", lambda self: Full())
    with event_file(tmp_path):
        record_step("level 1", {"total": 1.0})
        record_step("level 1", {"total": 1.0})
    assert capsys.readouterr().out.count("No space left on device; no more curves") == 1


def test_the_package_is_asked_for_before_the_run(monkeypatch):
    monkeypatch.setattr(event_files.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install -r requirements-tensorboard\.txt"):
        check_tensorboard()
