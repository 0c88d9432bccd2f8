"""Views and keypoints that are not what they are said to be are named, mended or left out.

Made-up hands before eight cameras on a ring, keypoints with 1 px of noise (a hand: some 150 px).
"""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.scenes.sightings import HEIGHT, VIEWS, WIDTH, diagnosed, of_other_photos, scene
from utils.captures.mends import Mend
from utils.keypoints.joint_orders import JOINT_ORDERS, own_rows
from utils.keypoints.order import BONES


def permuted(seen, order):
    order = list(order)
    return replace(seen, K=seen.K[order], R=seen.R[order], t=seen.t[order])


ORDERS = {
    "alphabetical (0, 1, 10, 11, ...)": lambda n: sorted(range(n), key=str),
    "alphabetical (1, 10, 11, 12, ...)": lambda n: sorted(range(n), key=lambda i: str(i + 1)),
    "reversed": lambda n: range(n)[::-1],
    "shifted by 1": lambda n: np.roll(range(n), 1),
    "order": lambda n: np.random.default_rng(3).permutation(n),
}


@pytest.mark.parametrize("named", ORDERS)
def test_cameras_in_another_order(named):
    seen = scene(12 if "alphabetical" in named else VIEWS)
    order = np.array(ORDERS[named](len(seen)))
    diagnosis = diagnosed(permuted(seen, order))
    assert diagnosis.failed and named in diagnosis.cause
    assert diagnosis.evidence["camera_of_view"].tolist() == np.argsort(order).tolist()


def test_two_cameras_exchanged_are_left_out():
    order = np.arange(VIEWS)
    order[[3, 7]] = 7, 3
    diagnosis = diagnosed(permuted(scene(), order))
    assert not diagnosis.failed and diagnosis.left_out == (3, 7)
    assert diagnosis.notes == ("the cameras of views 3 and 7 are exchanged: both left out",)


@pytest.mark.parametrize("noise", [1.0, 4.0])
def test_three_cameras_mixed_up_are_left_out(noise):
    """Also where the views disagree as much as in a real room, 3 % of a hand."""
    order = np.arange(13)
    order[[1, 4, 6]] = 4, 6, 1
    diagnosis = diagnosed(permuted(scene(13, noise), order))
    assert not diagnosis.failed and diagnosis.left_out == (1, 4, 6)
    assert set(diagnosis.notes) == {
        "view 1 needs camera 6: left out",
        "view 4 needs camera 1: left out",
        "view 6 needs camera 4: left out",
    }


@pytest.mark.parametrize("its, others", [("[0, 1]", "[-1, 1]"), ("[-1, 1]", "[0, 1]")])
def test_keypoints_of_one_view_in_another_range(its, others):
    seen = scene()
    xy, spread = seen.xy.copy(), np.array([WIDTH, HEIGHT])
    xy[5] = (xy[5] + spread) / 2 if its == "[0, 1]" else 2 * xy[5] - spread
    diagnosis = diagnosed(replace(seen, xy=xy))
    assert not diagnosis.failed and not diagnosis.left_out
    assert diagnosis.mend == Mend(without_keypoints=(5,))
    assert (
        f"the keypoints of view 5 are in {its}, those of the others in {others}"
        in (diagnosis.notes[0])
    )


def drawn(xy):
    """A mask of discs about all keypoints (2, 21, 2) and the points between them and the wrists."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for hand in xy:
        for a, b in BONES:
            cv2.line(mask, *np.round(hand[[a, b]]).astype(int).tolist(), color=1, thickness=15)
    return mask > 0


def test_detections_of_something_else_do_not_cost_a_view_whose_mask_is_right():
    seen = scene()
    xy = seen.xy.copy()
    masks = {4: drawn(xy[4])}
    xy[4] = np.random.default_rng(0).uniform([0, 0], [WIDTH, HEIGHT], (2, 21, 2))
    seen = replace(seen, xy=xy)
    assert diagnosed(seen).left_out == (4,)
    diagnosis = diagnosed(seen, masks)
    assert diagnosis.left_out == () and diagnosis.mend == Mend(without_keypoints=(4,))
    assert "its mask shows the hands where they are" in diagnosis.notes[0]
    assert diagnosed(seen, {4: np.ones((HEIGHT, WIDTH), bool)}).left_out == (4,)  # says nothing
    assert diagnosed(seen, {4: np.roll(masks[4], 40, 1)}).left_out == (4,)


def test_a_view_out_of_sync_is_left_out():
    seen = scene()
    xy = seen.xy.copy()
    xy[4] += [12, 0]
    diagnosis = diagnosed(replace(seen, xy=xy))
    assert not diagnosis.failed and diagnosis.left_out == (4,)
    assert "view 4 is 12 px off as a whole" in diagnosis.notes[0]


def test_a_view_that_looks_away_is_left_out():
    seen = scene()
    R, t, confidence = seen.R.copy(), seen.t.copy(), seen.confidence.copy()
    turn = np.diag([-1.0, 1.0, -1.0])  # half a turn about the camera's y axis
    R[2], t[2], confidence[2] = turn @ R[2], turn @ t[2], 0.0
    diagnosis = diagnosed(replace(seen, R=R, t=t, confidence=confidence))
    assert not diagnosis.failed and diagnosis.left_out == (2,)
    assert diagnosis.notes == ("view 2 does not see the hands: left out",)


@pytest.mark.parametrize("order", JOINT_ORDERS)
@pytest.mark.parametrize("exchanged", [False, True])
def test_order_of_joints_and_names_of_sides_are_mended(order, exchanged):
    seen = scene()
    xy = np.empty_like(seen.xy)
    xy[:, :, own_rows(order)] = seen.xy
    seen = replace(seen, xy=xy[:, ::-1] if exchanged else xy)
    diagnosis = diagnosed(seen)
    assert not diagnosis.failed and diagnosis.mend == Mend(order, exchanged)
    assert len(diagnosis.notes) == diagnosis.mend.needed + (exchanged and order != "mediapipe")


def only_right(seen):
    return replace(seen, confidence=seen.confidence * np.array([0, 1])[:, None])


@pytest.mark.parametrize("views", [5, 6])
@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_few_views_of_one_hand_do_not_agree_on_two(views, factor):
    """Cameras that are off in the same way let two views agree on a hand that is not there."""
    diagnosis = diagnosed(of_other_photos(only_right(scene(views)), factor))
    assert diagnosis.failed and "K belongs to photos of 800x600" in diagnosis.cause


def test_a_principal_point_off_in_all_views_is_no_odd_scale():
    """(5, 5) px and 2 % of scale about the corner look alike; nobody scales photos by 0.98."""
    seen = scene(12, noise=1.0)
    K = seen.K.copy()
    K[:, :2, 2] += 8
    diagnosis = diagnosed(replace(seen, K=K))
    assert diagnosis.failed and "principal point is off in all views" in diagnosis.cause
    assert diagnosis.evidence["offset"] == pytest.approx([-8, -8], abs=4)


@pytest.mark.parametrize("degrees", [1, 2, 4])
@pytest.mark.parametrize("seed", range(3))
def test_cameras_that_are_off_each_by_itself_are_explained_by_nothing(degrees, seed):
    seen, rng = scene(), np.random.default_rng(seed)
    turns = Rotation.from_rotvec(np.radians(degrees) * rng.normal(size=(VIEWS, 3))).as_matrix()
    diagnosis = diagnosed(replace(seen, R=turns @ seen.R, t=np.einsum("nij,nj->ni", turns, seen.t)))
    assert not diagnosis.explained


def test_what_nothing_explains_is_refused():
    seen = scene()
    rng = np.random.default_rng(2)
    xy = seen.xy + rng.uniform(-150, 150, (VIEWS, 1, 1, 2))  # each view shifted by itself
    diagnosis = diagnosed(replace(seen, xy=xy))
    assert diagnosis.failed and "no usual mistake explains it" in diagnosis.cause
    assert diagnosis.certainty == "unexplained" and not diagnosis.explained
