"""The contact sheet of a made-up capture: drawn, or said not to be."""

import numpy as np

from utils.captures.pose_files import POSE_KEYS
from utils.io.images import load_image
from utils.synthetic import preview
from utils.synthetic.capture_files import RecordedViews


def views(count):
    grey, mask = np.full((32, 40, 3), 90, np.uint8), np.zeros((32, 40), bool)
    return RecordedViews(None, [grey] * count, [mask] * count)


def test_all_views_are_drawn(tmp_path):
    poses = [{key: [] for key in POSE_KEYS}] * 3
    preview.save_preview(tmp_path / "sheet.png", views(3), views(1), poses)
    assert load_image(tmp_path / "sheet.png").shape == (32, 4 * 40, 3)


def test_what_cannot_be_drawn_is_said_and_stops_nothing(tmp_path, capsys):
    """The capture, minutes of work, is written by then."""
    broken = [{"Left": [0.0], "Right": []}] * 3
    for path, poses in ((tmp_path / "sheet.png", broken), (tmp_path / "sheet.xyz", [{}] * 3)):
        preview.save_preview(path, views(3), views(1), poses)
        assert capsys.readouterr().out.startswith(f"picture {path} not drawn: ")
        assert not path.exists()
