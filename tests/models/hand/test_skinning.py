import numpy as np
import torch
from scipy.spatial.transform import Rotation

from models.hand.skinning import KinematicTree, pose_joints, rest_to_posed, skin, unskin
from utils.geometry.rotations import rotation_matrices
from utils.keypoints.order import JOINT_PARENTS

TREE = KinematicTree(JOINT_PARENTS)
DOUBLE = torch.float64


def random(*shape, scale=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*shape, dtype=DOUBLE, generator=generator)


def test_rotations_equal_scipy_at_all_sizes_of_angle():
    directions = random(200, 3)
    directions /= directions.norm(dim=1, keepdim=True)
    angles = torch.logspace(-12, np.log10(2 * np.pi), 200, dtype=DOUBLE)
    rotvecs = torch.cat([directions * angles[:, None], torch.zeros(1, 3, dtype=DOUBLE)])
    expected = Rotation.from_rotvec(rotvecs.numpy()).as_matrix()
    np.testing.assert_allclose(rotation_matrices(rotvecs).numpy(), expected, atol=1e-14)


def test_rotation_derivative_is_exact_at_and_near_zero():
    for size in (0.0, 1e-8, 5e-4, 2e-3, 1.0):
        rotvec = torch.tensor([size, -0.5 * size, 0.3 * size], dtype=DOUBLE, requires_grad=True)
        # 1e-6: central differences of gradcheck, exact otherwise
        assert torch.autograd.gradcheck(rotation_matrices, rotvec, atol=1e-6)
    jacobian = torch.func.jacfwd(rotation_matrices)(torch.zeros(3, dtype=DOUBLE))
    expected = torch.tensor([[0, 0, 0], [0, 0, -1], [0, 1, 0]], dtype=DOUBLE)
    torch.testing.assert_close(jacobian[..., 0], expected)


def test_chain_equals_a_plain_walk_down_the_tree():
    rotations, joints = rotation_matrices(random(16, 3)), random(16, 3, seed=1)
    turns, places = pose_joints(rotations, joints, TREE)
    for joint, parent in enumerate(JOINT_PARENTS):
        turn, place = rotations[joint], joints[joint]
        if parent >= 0:
            turn = turns[parent] @ rotations[joint]
            place = places[parent] + turns[parent] @ (joints[joint] - joints[parent])
        torch.testing.assert_close(turns[joint], turn)
        torch.testing.assert_close(places[joint], place)


def test_transforms_move_rest_joints_to_posed_joints():
    joints = random(2, 16, 3)
    turns, places = pose_joints(rotation_matrices(random(2, 16, 3, seed=1)), joints, TREE)
    transforms = rest_to_posed(turns, places, joints)
    moved = transforms[..., :3, :3] @ joints[..., None] + transforms[..., :3, 3:]
    torch.testing.assert_close(moved[..., 0], places)
    assert (transforms[..., 3, :] == torch.tensor([0.0, 0, 0, 1])).all()


def test_unskin_inverts_skin():
    joints, verts = random(3, 16, 3, scale=0.1), random(3, 50, 3, scale=0.1, seed=1)
    turns, places = pose_joints(rotation_matrices(random(3, 16, 3, scale=0.5)), joints, TREE)
    transforms = rest_to_posed(turns, places, joints)
    weights = torch.softmax(random(50, 16, scale=3), dim=1)
    back = unskin(skin(verts, transforms, weights), transforms, weights)
    torch.testing.assert_close(back, verts, atol=1e-9, rtol=0)  # conditioning of the blends
