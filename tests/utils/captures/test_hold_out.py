import json

import cv2
import numpy as np
import pytest
import torch

from models.evaluation.ablation import Scan
from models.evaluation.ablation_cli import held_out
from utils.captures import load_capture
from utils.captures.evaluation_views import load_views, own_views
from utils.captures.hold_out import hold_out
from utils.errors import UserError
from utils.io.images import load_mask, save_image
from utils.photos.masks import MaskVerdict


@pytest.fixture
def scan(capture_dir):
    """Five views with masks that tell which view they belong to."""
    capture = load_capture(capture_dir, "1")
    for view in range(len(capture)):
        mask = np.zeros(capture.views[0].size, bool)
        mask[:, : 10 * (view + 1)] = True
        save_image(capture.views[view].mask_path, mask)
    return Scan(capture_dir, "1")


def width(path):
    return int(load_mask(path).any(0).sum())


def test_what_the_reader_mends_is_written_mended(capture_dir, tmp_path):
    capture = load_capture(capture_dir, "1")
    masks = [capture.mask(view) for view in range(5)]
    photos = [capture.image(view) for view in range(5)]
    for view, own in enumerate(capture.views):
        save_image(own.mask_path, ~masks[view])
        deep = np.round(photos[view][..., ::-1] * 255).astype(np.uint16)
        cv2.imwrite(str(own.image_path), deep)
    out = hold_out(capture_dir, "1", [1, 3], tmp_path / "out", tmp_path / "none")
    held = load_views(out / "1/held/param.npz", out / "1/held/img", out / "1/held/mask")
    for number, view in enumerate((1, 3)):
        np.testing.assert_array_equal(held.mask(number), masks[view])
        np.testing.assert_allclose(held.image(number), photos[view], atol=1e-6)


def test_own_views_are_read_as_the_capture_reads_them(capture_dir):
    capture = load_capture(capture_dir, "1")
    expected = capture.mask(2)
    for view, own in enumerate(capture.views):
        save_image(own.mask_path, ~capture.mask(view)[::2, ::2])
    views = own_views(load_capture(capture_dir, "1"), capture.cameras)
    assert (views.mask(2) == expected).mean() > 0.97  # but for edges of a pixel


def test_the_views_are_shared_between_fit_and_judgement(scan, tmp_path):
    out = hold_out(scan.data_path, "1", [3, 1], tmp_path / "out", tmp_path / "none")
    whole, kept = load_capture(scan.data_path, "1"), load_capture(out, "1")
    held = load_views(out / "1/held/param.npz", out / "1/held/img", out / "1/held/mask")
    for part, views in ((kept, [0, 2, 4]), (held, [1, 3])):
        torch.testing.assert_close(part.cameras.R, whole.cameras.R[views], rtol=0, atol=1e-12)
        torch.testing.assert_close(part.cameras.K, whole.cameras.K[views], rtol=1e-12, atol=1e-9)
        for number, view in enumerate(views):
            assert np.array_equal(part.image(number), whole.image(view))
    assert np.array_equal(kept.keypoints[0], whole.keypoints[0][[0, 2, 4]])
    assert [width(kept.views[view].mask_path) for view in range(3)] == [10, 30, 50]
    assert [width(path) for path in held.mask_paths] == [20, 40]


def test_held_out_masks_are_those_that_the_fit_to_all_views_believed(scan, tmp_path):
    fitted = tmp_path / "mano_out"
    verdicts = [MaskVerdict(v, v != 1, True, 1.0, 0.0, 0.0, "").as_dict() for v in range(5)]
    fitted.mkdir()
    (fitted / "1_masks.json").write_text(json.dumps(verdicts))
    made = np.zeros(load_capture(scan.data_path, "1").views[0].size, bool)
    made[:, :7] = True
    save_image(fitted / "mask_1" / "03.png", made)
    out = hold_out(scan.data_path, "1", [1, 3, 4], tmp_path / "out", fitted)
    held = load_views(out / "1/held/param.npz", out / "1/held/img", out / "1/held/mask")
    assert held.mask_paths[0] is None
    assert [width(path) for path in held.mask_paths[1:]] == [7, 50]


def test_what_is_up_to_date_is_not_written_again(scan, tmp_path):
    arguments = (scan.data_path, "1", [0], tmp_path / "out", tmp_path / "none")
    written = hold_out(*arguments) / "1" / "held" / "param.npz"
    before = written.stat().st_mtime_ns
    hold_out(*arguments)
    assert written.stat().st_mtime_ns == before


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"a": 1}'])
def test_a_damaged_note_means_write_again(scan, tmp_path, content):
    arguments = (scan.data_path, "1", [0], tmp_path / "out", tmp_path / "none")
    note = hold_out(*arguments) / "1" / "made_of.json"
    good = note.read_text()
    note.write_text(content)
    hold_out(*arguments)
    assert note.read_text() == good


def test_masks_and_keypoints_that_came_or_went_are_noticed(scan, tmp_path):
    arguments = (scan.data_path, "1", [0], tmp_path / "out", tmp_path / "none")
    out = hold_out(*arguments)
    for folder in ("mask", "pose"):
        (path,) = (scan.data_path / "1" / folder).glob("02.*")
        path.unlink()
        hold_out(*arguments)
        assert not list((out / "1" / folder).glob("01.*"))


def test_each_view_is_left_out_in_turn(scan, tmp_path):
    scans = held_out(scan, ["each"], tmp_path)
    assert len(scans) == 5
    for view, part in enumerate(scans):
        assert "--cameras" in part.evaluation()
        assert width(part.folder / "held" / "mask" / "00.png") == 10 * (view + 1)
    (both,) = held_out(scan, ["2", "0"], tmp_path)
    assert both.data_path.name == "tiny_data_without_00_02"


@pytest.mark.parametrize(
    ("views", "words"),
    [
        (["5"], r"--hold_out 5: .* has views 0 to 4"),
        (["0", "1", "2", "3"], "would leave 1 of the 5 views"),
        (["all"], "expected numbers of views, or each"),
        (["-1"], "expected numbers of views, or each"),
    ],
)
def test_views_that_cannot_be_held_out(scan, tmp_path, views, words):
    with pytest.raises(UserError, match=words):
        held_out(scan, views, tmp_path)
