import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from models.hand import load_hand_model
from models.hand.files import load_hand_data
from tests.scenes.official_mano import made_up_model, write_official

DOUBLE = torch.float64
# smplx adds 1e-8 to every axis-angle entry, which shows on a hand of 0.2 m; ours adds nothing.
SMPLX_EPSILON = 1e-8
MIRROR = torch.tensor([-1.0, 1, 1], dtype=DOUBLE)


@pytest.fixture(scope="module")
def mano_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mano")
    for side in ("right", "left"):
        write_official(folder / f"MANO_{side.upper()}.pkl", made_up_model(side=side))
    return folder


@pytest.fixture(scope="module", params=["open", "mano"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def model(kind, mano_dir):
    return load_hand_model("right", kind, mano_dir, dtype=DOUBLE)


def parameters(batch=3, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, dtype=DOUBLE, generator=generator)

    scale = 1 + normal(batch, 1).abs()
    return 0.4 * normal(batch, 48), normal(batch, 10), normal(batch, 3), scale


def plain_forward(data, pose, shape):
    """The MANO function of one hand, written with loops and scipy (MANO paper, section 3)."""
    absolute = pose + np.concatenate([np.zeros(3), data.hands_mean])
    rotations = Rotation.from_rotvec(absolute.reshape(16, 3)).as_matrix()
    shaped = data.v_template + data.shapedirs @ shape
    rest = data.J_regressor @ shaped
    verts = shaped + data.posedirs @ (rotations[1:] - np.eye(3)).ravel()
    world = []
    for joint in range(16):
        local = np.eye(4)
        parent = data.kintree_table[0, joint]
        local[:3, :3] = rotations[joint]
        local[:3, 3] = rest[joint] - (rest[parent] if joint else 0)
        world.append(world[parent] @ local if joint else local)
    posed = np.zeros_like(verts)
    for joint in range(16):
        turn, place = world[joint][:3, :3], world[joint][:3, 3]
        posed += data.weights[:, joint, None] * ((verts - rest[joint]) @ turn.T + place)
    return posed, np.stack([w[:3, 3] for w in world])


def test_forward_equals_a_plain_implementation(model, kind, mano_dir):
    data = load_hand_data("right", kind, mano_dir)
    pose, shape, trans, scale = parameters()
    verts, joints = model(pose, shape, trans, scale)
    for i in range(len(pose)):
        expected = plain_forward(data, pose[i].numpy(), shape[i].numpy())
        for found, wanted in zip((verts[i], joints[i]), expected):
            wanted = scale[i].numpy() * wanted + trans[i].numpy()
            np.testing.assert_allclose(found.numpy(), wanted, atol=20 * SMPLX_EPSILON)


def test_scale_may_be_flat_and_shape_shared(model):
    pose, shape, trans, scale = parameters()
    one = model(pose, shape[:1], trans, scale)[0]
    torch.testing.assert_close(one, model(pose, shape[:1].expand(3, -1), trans, scale[:, 0])[0])


def test_keypoints_are_joints_and_tips_in_mediapipe_order(model):
    verts, joints = model(*parameters())
    keypoints = model.keypoints(verts, joints)
    assert keypoints.shape == (3, 21, 3)
    torch.testing.assert_close(keypoints[:, 0], joints[:, 0])
    for finger, first_joint in enumerate((13, 1, 4, 10, 7)):  # thumb ... pinky in MANO's order
        torch.testing.assert_close(
            keypoints[:, 1 + 4 * finger : 4 + 4 * finger], joints[:, first_joint : first_joint + 3]
        )
        torch.testing.assert_close(keypoints[:, 4 + 4 * finger], verts[:, model.tips[finger]])


def test_fast_keypoints_equal_the_full_model(model):
    pose, shape, trans, scale = parameters()
    expected = model.keypoints(*model(pose, shape, trans, scale))
    for factor in (scale, scale[:, 0]):
        found = model.joints_and_tips(pose, shape, trans, factor)
        torch.testing.assert_close(found, expected, atol=20 * SMPLX_EPSILON, rtol=0)


def test_fast_keypoints_run_under_vmap_and_jacfwd(model):
    inputs = parameters()

    def flat(pose, shape, trans, scale):
        return model.joints_and_tips(pose, shape, trans, scale)

    forward = torch.func.vmap(torch.func.jacfwd(flat, argnums=(0, 1, 2, 3)))(*inputs)
    reverse = torch.func.vmap(torch.func.jacrev(flat, argnums=(0, 1, 2, 3)))(*inputs)
    for a, b in zip(forward, reverse):
        torch.testing.assert_close(a, b)


def test_gradients_equal_finite_differences(model):
    inputs = [x[:1].clone().requires_grad_() for x in parameters()]
    chosen = torch.arange(0, len(model.v_template), 97)

    def some_points(*values):
        verts, joints = model(*values)
        return verts[:, chosen], joints

    for function in (some_points, model.joints_and_tips):
        assert torch.autograd.gradcheck(function, inputs, atol=1e-6, fast_mode=True)


def test_gradients_are_finite_where_all_rotations_vanish(model):
    pose = torch.cat([torch.zeros(1, 3, dtype=DOUBLE), -model.hands_mean[None]], dim=1)
    pose.requires_grad_()
    rest = [torch.zeros(1, n, dtype=DOUBLE) for n in (10, 3)]
    one = torch.ones(1, dtype=DOUBLE)
    for points in (model.joints_and_tips(pose, *rest, one), model(pose, *rest, one)[0]):
        (gradient,) = torch.autograd.grad((points**2).sum(), pose)
        assert gradient.isfinite().all() and gradient.abs().max() > 0


def test_unpose_inverts_the_model(model):
    pose, shape, trans, scale = parameters()
    verts, _ = model(0.5 * pose, shape, trans, scale)
    arguments = (0.5 * pose, shape, trans, scale)
    rest = model.unpose(verts, *arguments, offsets=model.pose_offsets(0.5 * pose))
    # 1e-6: the made-up model's random weights blend badly conditioned matrices
    torch.testing.assert_close(rest, model.rest_verts(shape), atol=1e-6, rtol=0)
    again = model.repose(rest, *arguments, offsets=model.pose_offsets(0.5 * pose))
    torch.testing.assert_close(again, verts, atol=1e-6, rtol=0)


def test_unpose_and_repose_a_subdivided_hand():
    hand = load_hand_model("left", "open", dtype=DOUBLE)
    fine = hand.subdivide(1)
    pose, shape, trans, scale = parameters()
    verts = fine.carry(hand(pose, shape, trans, scale)[0])
    weights, offsets = fine.carry(hand.weights), fine.carry(hand.pose_offsets(pose))
    rest = hand.unpose(verts, pose, shape, trans, scale, weights, offsets)
    again = hand.repose(rest, pose, shape, trans, scale, weights, offsets)
    torch.testing.assert_close(again, verts, atol=1e-9, rtol=0)
    # Skinning the smooth mesh and smoothing the skinned one differ by less than a millimetre.
    assert (rest - fine.carry(hand.rest_verts(shape))).norm(dim=-1).median() < 1e-3


def test_left_is_the_mirror_of_right(kind, mano_dir):
    left, right = (load_hand_model(side, kind, mano_dir, DOUBLE) for side in ("left", "right"))
    if kind == "mano":  # the made-up left file mirrors neither its correctives nor its mean pose
        torch.testing.assert_close(left.v_template, right.v_template * MIRROR)
        torch.testing.assert_close(left.shapedirs, right.shapedirs * MIRROR[:, None])
        return
    pose, shape, trans, scale = parameters()
    mirrored = (pose.reshape(3, 16, 3) * torch.tensor([1.0, -1, -1])).reshape(3, 48)
    expected = right(pose, shape, trans, scale)
    found = left(mirrored, shape, trans * MIRROR, scale)
    for a, b in zip(found, expected):
        torch.testing.assert_close(a, b * MIRROR, atol=10 * SMPLX_EPSILON, rtol=0)
    expected = right.joints_and_tips(pose, shape, trans, scale) * MIRROR
    found = left.joints_and_tips(mirrored, shape, trans * MIRROR, scale)
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)


def test_pose_prior_is_the_spread_of_the_poses(model, kind, mano_dir):
    data = load_hand_data("right", kind, mano_dir)
    covariance = data.hands_components.T @ np.diag(data.hands_std**2) @ data.hands_components
    product = model.pose_precision.numpy() @ covariance
    # The open file's components are orthonormal to float32's 6e-8, times the ratio of variances.
    np.testing.assert_allclose(product, np.eye(45), atol=6e-8 * 1e3)
    low, high = model.pose_limits
    assert (low < 0).all() and (high > 0).all(), "the mean pose lies within the limits"


def test_single_precision_stays_near_double():
    inputs = parameters()
    double = load_hand_model("right", "open", dtype=DOUBLE)(*inputs)[0]
    single = load_hand_model("right", "open")(*(x.float() for x in inputs))[0]
    assert single.dtype == torch.float32
    # float32 carries seven digits; coordinates reach 5 world units
    torch.testing.assert_close(single.double(), double, atol=1e-5, rtol=0)


def test_import_leaves_smplx_out():
    code = "import sys, models.hand.model; sys.exit('smplx' in sys.modules)"
    root = Path(__file__).resolve().parents[3]
    assert subprocess.run([sys.executable, "-c", code], cwd=root).returncode == 0
