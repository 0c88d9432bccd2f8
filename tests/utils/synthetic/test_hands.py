"""Whole hands: closed, uncrossed, apart, outside the hand model's span, and well described."""

import numpy as np
import pytest
import torch
import trimesh

from models.hand import load_hand_model
from utils.geometry.crossings import crossing_faces
from utils.synthetic.fields import MM
from utils.synthetic.hands import MIN_CLEARANCE, capped, make_hands


def test_surfaces_cross_neither_themselves_nor_each_other(hands):
    left, right = hands
    for hand in hands:
        assert len(crossing_faces(hand.verts, hand.faces)) == 0
        assert hand.facts["crossing_faces"] == 0
        assert hand.facts["finger_clearance_mm"] * MM > MIN_CLEARANCE / 2
    both = np.vstack([left.verts, right.verts])
    faces = np.vstack([left.faces, right.faces + len(left.verts)])
    assert len(crossing_faces(both, faces)) == 0
    gap = np.linalg.norm(left.verts[:, None, :] - right.verts[None, ::20], axis=2).min()
    assert 5 * MM < gap < 20 * MM


def test_capped_hands_are_closed_and_face_outward(hands):
    for hand in hands:
        mesh = trimesh.Trimesh(*capped(hand.verts, hand.faces), process=False)
        assert mesh.is_watertight
        assert 0.1e-3 < mesh.volume < 0.8e-3  # cubic metres; a hand holds about 0.35 litres


def test_hands_have_a_sensible_size(hands):
    for hand in hands:
        length = np.linalg.norm(np.diff(hand.keypoints[[0, 9, 10, 11, 12]], axis=0), axis=1).sum()
        assert 0.13 < length < 0.23  # metres, wrist joint to the pad of the middle finger


def test_keypoints_lie_in_the_hand(hands):
    for hand in hands:
        mesh = trimesh.Trimesh(*capped(hand.verts, hand.faces), process=False)
        inner = [k for k in range(21) if k % 4 or k == 0]  # tips lie on the surface
        assert mesh.contains(hand.keypoints[inner]).all()
        tips = hand.keypoints[[4, 8, 12, 16, 20]]
        on_surface = np.linalg.norm(tips[:, None] - hand.verts[None], axis=2).min(1)
        assert on_surface.max() < 1e-7  # float32 vertices a metre from the origin


def test_nearest_model_hand_is_near_but_not_equal(hands, template):
    """Parameters give the hand up to what was put on it: some millimetres."""
    for hand in hands:
        model = load_hand_model(hand.side, kind="open").double()
        given = hand.model_parameters(template.hands_mean)
        args = [torch.from_numpy(np.atleast_1d(given[k])) for k in ("pose", "shape", "trans")]
        with torch.no_grad():
            verts, joints = model(*(x[None] for x in args), torch.ones(1, dtype=torch.float64))
            keypoints = model.keypoints(verts, joints)[0].numpy()
        error = np.linalg.norm(keypoints - hand.keypoints, axis=1)
        assert error[0] < 5e-6  # the wrist is not displaced
        # 6 % of a 90 mm finger, and 3 mm of relief and soft tissue at the tip
        assert error.max() < 9 * MM
        assert error.max() > 0.5 * MM
        off = np.linalg.norm(verts[0].numpy() - hand.verts[: len(template.verts)], axis=1)
        assert 0.5 * MM < np.median(off) < 5 * MM


def test_equal_seeds_give_equal_hands(template):
    first, second = (
        make_hands(template, ["right"], 0, np.random.default_rng(5))[0][0] for _ in range(2)
    )
    assert (first.verts == second.verts).all()
    assert (first.skin.albedo == second.skin.albedo).all()


def test_the_same_hand_in_another_pose(template):
    first, second = (
        make_hands(template, ["right"], 0, np.random.default_rng(5), pose_seed)[0][0]
        for pose_seed in (None, 1)
    )
    assert (first.betas == second.betas).all()
    assert first.facts["finger_length"] == pytest.approx(second.facts["finger_length"])
    assert np.abs(first.pose - second.pose).max() > 0.1
    # Only what bending does to the skin's colour differs.
    assert np.abs(first.skin.albedo - second.skin.albedo).mean() < 0.02


@pytest.mark.parametrize("side", ["left", "right"])
def test_one_hand_comes_alone(template, side):
    (hand,), melanin = make_hands(template, [side], 0, np.random.default_rng(0))
    assert hand.side == side
    assert 0 <= melanin <= 1


def test_fingers_bend_towards_the_palm_about_their_joints(hands):
    """Half a radian at the middle finger's first joint: towards the palm, nothing else moves."""
    angles = np.zeros(16)
    angles[4] = 0.5
    for hand in hands:
        moved = hand.bent(angles)
        shift = moved.keypoints - hand.keypoints
        others = [k for k in range(21) if k not in (10, 11, 12)]
        assert np.abs(shift[others]).max() < 1e-7
        arm = hand.keypoints[12] - hand.keypoints[9]
        new_arm = moved.keypoints[12] - hand.keypoints[9]
        cosine = arm @ new_arm / np.linalg.norm(arm) / np.linalg.norm(new_arm)
        assert np.arccos(cosine) == pytest.approx(0.5, abs=0.05)
        to_wrist = [
            np.linalg.norm(each.keypoints[12] - each.keypoints[0])
            for each in (moved, hand, hand.bent(-angles))
        ]  # an open hand's finger is bent a little already
        assert to_wrist[0] < min(to_wrist[1:])
        assert np.array_equal(hand.bent(np.zeros(16)).verts, hand.verts)
