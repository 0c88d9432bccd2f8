import numpy as np
import pytest

from tests.scenes.ham import sphere_scene
from utils.captures import load_capture
from utils.captures.capture import Capture
from utils.captures.mends import without_views
from utils.captures.trusted_views import MADE_MASK, MARGIN, trusted_views
from utils.errors import UserError
from utils.io.files import load_json, save_json
from utils.io.images import save_image

VIEWS = 3


@pytest.fixture(scope="module")
def scene():
    return sphere_scene(level=2, views=VIEWS, pixels=64)


@pytest.fixture
def written(scene, tmp_path):
    """The scene as a capture, and the folder of a fit that believes all its masks."""
    scene.write_capture(tmp_path / "data" / "1")
    scene.write_fit(tmp_path / "out")
    return load_capture(tmp_path / "data", "1"), tmp_path / "out"


def opened(scene, written):
    capture, folder = written
    return trusted_views(capture, capture.cameras, scene.smooth.double().numpy(), folder)


def test_views_are_cropped_to_the_hands_and_a_margin(scene, written):
    crops, verdicts = opened(scene, written)
    assert len(crops) == len(verdicts) == VIEWS
    for view, crop in enumerate(crops):
        x0, y0, x1, y1 = crop.box
        y, x = np.nonzero(scene.masks[view])
        room = MARGIN * (x.max() - x.min())
        # Outward rounding, and the bumps of 3 % by which the photos' sphere differs.
        assert x0 == pytest.approx(x.min() - room, abs=3) and y0 <= y.min()
        assert x1 == pytest.approx(x.max() + 1 + room, abs=3) and y1 >= y.max() + 1
        np.testing.assert_allclose(
            crop.image, scene.images[view][y0:y1, x0:x1], atol=0.5 / 255 + 1e-6
        )
        np.testing.assert_array_equal(crop.mask, scene.masks[view][y0:y1, x0:x1])


@pytest.fixture
def read(monkeypatch) -> list[int]:
    """The views whose photos are read, as they are."""
    numbers, image = [], Capture.image
    monkeypatch.setattr(Capture, "image", lambda own, k: numbers.append(k) or image(own, k))
    return numbers


def test_photos_are_read_when_a_crop_is_asked_for(scene, written, read):
    crops, _ = opened(scene, written)
    assert read == [] and crops.boxes.shape == (VIEWS, 4)
    crop = crops[1]
    assert read == [1] and crop.box == tuple(crops.boxes[1])
    assert crop.image.base is None and crop.mask.base is None  # nothing keeps the whole photo
    assert [each.box for each in crops] == [tuple(box) for box in crops.boxes]
    assert read == [1, 0, 2] and crops[1] is crop


def test_large_crops_are_not_kept(scene, written, read, monkeypatch):
    monkeypatch.setattr("utils.captures.trusted_views.MOST_KEPT", 0)
    crops, _ = opened(scene, written)
    first = crops[1]
    np.testing.assert_array_equal(crops[1].image, first.image)
    assert read == [1, 1]


def test_where_a_mask_is_believed_only_the_hand_is_compared(scene, written):
    for crop in opened(scene, written)[0]:
        assert crop.silhouette.all()
        np.testing.assert_array_equal(crop.photometric, crop.mask)


def test_nothing_is_compared_in_views_that_are_left_out(scene, written):
    capture, folder = written
    crops, _ = opened(scene, (without_views(capture, [1]), folder))
    assert not (crops[1].photometric.any() or crops[1].silhouette.any() or crops[1].mask.any())
    assert crops[0].photometric.any() and crops[2].silhouette.any()
    assert crops[1].image.any()  # its photo is still there to be drawn upon


@pytest.mark.parametrize("grey", [0.0, 0.012, 1.0])
def test_photos_that_show_nothing_have_no_colours_to_compare(scene, written, grey):
    """Their masks still count."""
    capture, _ = written
    save_image(capture.views[1].image_path, np.full_like(scene.images[1], grey))
    crops, _ = opened(scene, written)
    assert not crops[1].photometric.any() and crops[1].silhouette.any()
    assert crops[0].photometric.any()


def test_where_it_is_not_believed_all_pixels_may_be(scene, written):
    trust = np.ones((64, 64), bool)
    trust[:, :32] = False
    save_image(written[1] / "trust_1" / "01.png", trust)
    believed = opened(scene, written)[0][1]
    verdicts = load_json(written[1] / "1_masks.json")
    verdicts[1]["believed"] = False
    save_json(written[1] / "1_masks.json", verdicts)
    crop = opened(scene, written)[0][1]
    x0, y0, x1, y1 = crop.box
    np.testing.assert_array_equal(crop.silhouette, trust[y0:y1, x0:x1])
    np.testing.assert_array_equal(crop.photometric, crop.mask | ~crop.silhouette)
    np.testing.assert_array_equal(believed.photometric, crop.mask)


def test_a_made_mask_takes_the_place_of_the_given_one(scene, written):
    verdicts = load_json(written[1] / "1_masks.json")
    verdicts[2]["made"] = True
    save_json(written[1] / "1_masks.json", verdicts)
    made = np.roll(scene.masks[2], 3, 0)
    save_image(written[1] / "mask_1" / "02.png", made)
    crop = opened(scene, written)[0][2]
    x0, y0, x1, y1 = crop.box
    np.testing.assert_array_equal(crop.mask, made[y0:y1, x0:x1])
    assert crop.mask_weight == MADE_MASK < opened(scene, written)[0][1].mask_weight == 1


def test_a_view_without_a_mask_is_compared_everywhere(scene, written):
    written[0].views[2].mask_path.unlink()
    crop = opened(scene, written)[0][2]
    assert not crop.mask.any() and not crop.silhouette.any() and crop.photometric.all()


def test_verdicts_are_those_of_the_fit(scene, written):
    path = written[1] / "1_masks.json"
    verdicts = load_json(path)
    verdicts[1] |= {"believed": False, "reason": "lacks 80 % of the hands"}
    save_json(path, verdicts)
    found = opened(scene, written)[1]
    assert [v.believed for v in found] == [True, False, True]
    assert found[1].reason == "lacks 80 % of the hands"


def test_a_fit_without_verdicts_names_the_stage_to_run(scene, written):
    (written[1] / "1_masks.json").unlink()
    with pytest.raises(UserError, match=r"1_masks\.json is missing; run mano_optim\.py"):
        opened(scene, written)


def test_verdicts_of_another_capture(scene, written):
    path = written[1] / "1_masks.json"
    save_json(path, load_json(path)[:2])
    with pytest.raises(UserError, match="judges 2 masks, the capture has 3 views"):
        opened(scene, written)


def test_a_trust_map_of_another_size(scene, written):
    save_image(written[1] / "trust_1" / "00.png", np.ones((32, 64), bool))
    with pytest.raises(UserError, match=r"00\.png is of another size"):
        list(opened(scene, written)[0])


def test_a_mask_of_another_size(scene, written):
    save_image(written[0].views[0].mask_path, np.ones((32, 64), bool))
    with pytest.raises(UserError, match=r"00\.png is 64x32, expected 64x64"):
        list(opened(scene, written)[0])


@pytest.mark.parametrize("edited", [{"a": 1}, 5, [5], [{"view": 0}], "believed"])
def test_edited_verdicts(scene, written, edited):
    path = written[1] / "1_masks.json"
    save_json(path, load_json(path)[:2] + edited if isinstance(edited, list) else edited)
    with pytest.raises(UserError, match=r"1_masks\.json.*run mano_optim\.py on this scan again"):
        opened(scene, written)
