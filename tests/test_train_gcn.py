"""train_gcn.py as users run it, on the full hand for a few steps."""

from __future__ import annotations

import csv
import importlib

import pytest
import torch

from models.gcn.weights import load_network
from models.hand import load_hand_model

SMALL = [
    *("--set", "gcn.levels=[60, 30, 12]", "--set", "gcn.channels=[8, 8, 8, 8]"),
    *("--set", "gcn.code=16", "--set", "gcn.batch=4", "--set", "gcn.fine=2"),
]


@pytest.fixture
def train(run_main, tmp_path, monkeypatch):
    module = importlib.import_module("train_gcn")
    monkeypatch.setattr(module, "LOG_EVERY", 2)
    monkeypatch.setattr(module, "SAVE_EVERY", 2)
    monkeypatch.setattr("models.gcn.training.MANY_BATCHES", 1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def train(*args, steps=4):
        arguments = [*SMALL, "--set", f"gcn.steps={steps}", "--device", "cpu", *args]
        return run_main("train_gcn.py", "--out_path", tmp_path / "out", *arguments)

    return train


def curves(tmp_path):
    text = (tmp_path / "out" / "curves.csv").read_text()
    return list(csv.DictReader(text.splitlines()))


def test_weights_and_curves_are_written(train, tmp_path):
    done = train()
    assert done.returncode == 0, done.stderr
    network = load_network(load_hand_model("right", "open"), tmp_path / "out" / "gcn_open.pt")
    assert network.settings["code"] == 16 and len(network.levels[1]) == 60
    rows = curves(tmp_path)
    assert [int(row["step"]) for row in rows] == [2, 4]
    assert all(float(row["verts"]) > 0 for row in rows)
    assert "clean" in done.stdout and "mm" in done.stdout
    assert done.stdout.startswith("hand model: the open hand (open_hand_right.npz)\n")
    assert not (tmp_path / "out" / ".progress.pt").exists()


def test_an_interrupted_training_goes_on(train, tmp_path, monkeypatch):
    whole = train()
    assert whole.returncode == 0
    expected = torch.load(tmp_path / "out" / "gcn_open.pt", weights_only=True)["state"]
    from models.gcn.training import Trainer

    step = Trainer.step

    def interrupted(self):
        if self.steps_done == 3:
            raise KeyboardInterrupt
        return step(self)

    monkeypatch.setattr(Trainer, "step", interrupted)
    done = train()
    assert done.returncode == 130 and "run the same command to go on" in done.stderr
    monkeypatch.setattr(Trainer, "step", step)
    done = train()
    assert done.returncode == 0 and "going on at step 3" in done.stdout
    found = torch.load(tmp_path / "out" / "gcn_open.pt", weights_only=True)["state"]
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert [int(row["step"]) for row in curves(tmp_path)] == [2, 4]


def test_bad_settings_are_named(train, tmp_path):
    assert "gcn.levels = [5000]" in train("--set", "gcn.levels=[5000]").stderr
    assert "did you mean 'steps'" in train("--set", "gcn.step=3").stderr
    done = train("--annotations", tmp_path)
    assert done.returncode == 2 and "mean nothing to the 'open' hand" in done.stderr
    done = train("--set", "hand_model=mano")
    assert done.returncode == 2 and "MANO_RIGHT.pkl is missing" in done.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks what happens without CUDA")
def test_a_device_that_is_not_there(train):
    done = train("--device", "cuda")
    assert done.returncode == 2 and "PyTorch sees no CUDA device" in done.stderr


def test_help_is_quick_and_teaches(run_script):
    done = run_script("train_gcn.py", "--help")
    assert done.returncode == 0 and "examples" in done.stdout
