from argparse import Namespace

import pytest

from models.neural.benchmark import frames_per_second, input_sets, main
from models.neural.scan import open_scan
from tests.scenes.neural import neural_scene
from utils.stage.config import load_config
from utils.stage.job import Job


def test_every_input_is_taken_away_or_added_once():
    sets = input_sets()
    default = set(sets["default"])
    for name, inputs in sets.items():
        if name.startswith("  without") and len(inputs) < len(default):
            assert default - set(inputs) == {name.split()[1]}
        if name.startswith("  and"):
            assert set(inputs) - default == {name.split()[1]}


def test_frames_are_counted(tmp_path, monkeypatch):
    neural_scene().write(tmp_path / "data", tmp_path / "out")
    monkeypatch.setattr("models.neural.benchmark.LONGEST", 0.2)
    job = Job(tmp_path / "data", "1", tmp_path / "out", load_config(), "cpu", 0, False, Namespace())
    scan = open_scan(job)
    assert frames_per_second(scan, "mlp", "small") > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--inputs"], "--inputs needs --cameras and --images"),
        ([], "nowhere"),
    ],
)
def test_what_is_missing_is_said(capsys, tmp_path, options, message):
    assert main(["--data_path", str(tmp_path / "nowhere"), *options]) == 2
    assert message in capsys.readouterr().err
