"""Kinematics against the suite's own hand model, which they are written apart from."""

import numpy as np
import pytest
import torch

from models.hand import load_hand_model
from utils.errors import UserError
from utils.keypoints.order import JOINT_PARENTS, KEYPOINT_ROWS
from utils.synthetic.skeleton import (
    FINGER_ROOTS,
    finger_clearance,
    load_template,
    measure_bones,
    sample_open_pose,
    skin,
)


def test_tables_are_the_hand_models_written_out():
    assert JOINT_PARENTS == (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14)
    assert FINGER_ROOTS == (1, 4, 7, 10, 13)
    order = (0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20)
    assert tuple(KEYPOINT_ROWS) == order


def test_skinning_equals_the_hand_model(template):
    rng = np.random.default_rng(0)
    pose, betas = rng.normal(0, 0.3, (16, 3)), rng.normal(size=10)
    pose[0] = 0
    verts = template.verts + template.shapedirs @ betas
    posed, joints = skin(verts, template.joint_regressor @ verts, template, pose)
    model = load_hand_model("right", kind="open").double()
    relative = np.concatenate([pose[0], pose[1:].ravel() - template.hands_mean])
    with torch.no_grad():
        expected, expected_joints = model(
            torch.from_numpy(relative)[None],
            torch.from_numpy(betas)[None],
            torch.zeros(1, 3, dtype=torch.float64),
            torch.ones(1, dtype=torch.float64),
        )
    # smplx may hold its buffers in float32: 1e-6 m is its rounding over a hand
    assert np.abs(posed - expected[0].numpy()).max() < 2e-6
    assert np.abs(joints - expected_joints[0].numpy()).max() < 2e-6


def test_bones_lie_along_the_fingers(template):
    bones = measure_bones(
        template.verts, template.joint_regressor @ template.verts, template.weights
    )
    fingers = [j for root in FINGER_ROOTS for j in range(root, root + 3)]
    assert np.allclose(np.linalg.norm(bones.direction[fingers], axis=1), 1)
    assert np.abs((bones.direction * bones.palmar).sum(1)).max() < 1e-12
    assert (bones.direction[1:13, 0] < -0.6).all()  # the resting fingers point to -x
    assert ((bones.length[fingers] > 0.015) & (bones.length[fingers] < 0.06)).all()  # metres


def test_open_poses_flex_towards_the_palm(template):
    joints = template.joint_regressor @ template.verts
    bones = measure_bones(template.verts, joints, template.weights)
    for seed in range(5):
        pose = sample_open_pose(bones, np.random.default_rng(seed))
        assert (pose[0] == 0).all()
        assert np.linalg.norm(pose, axis=1).max() < np.radians(80)
        posed, _ = skin(template.verts, joints, template, pose)
        long_finger_tips = template.tips[1:]
        assert posed[long_finger_tips, 1].mean() < template.verts[long_finger_tips, 1].mean()


def test_clearance_is_the_gap_between_fingers(template):
    gap = finger_clearance(template.verts, template.weights)
    assert 1e-3 < gap < 30e-3
    assert finger_clearance(2 * template.verts, template.weights) == pytest.approx(2 * gap)


def test_missing_or_foreign_hand_file(tmp_path):
    with pytest.raises(UserError, match="build_open_hand"):
        load_template(tmp_path / "none.npz")
    np.savez(tmp_path / "other.npz", f=np.zeros(3))
    with pytest.raises(UserError, match=r"lacks v_template.*tips"):
        load_template(tmp_path / "other.npz")
