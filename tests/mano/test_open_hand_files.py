"""The committed open hand: what a user of the file relies on, and what it does better than LBS."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mano.open_hand.anatomy import bone_directions, flexion_axes, joint_matrices
from mano.open_hand.poses import sample_poses
from mano.open_hand.surface import boundary_edges
from utils.geometry.crossings import crossing_faces

FOLDER = Path(__file__).resolve().parents[2] / "mano"
FINGERTIP_OF_FINGER = (1, 2, 4, 3, 0)  # MANO's index, middle, pinky, ring, thumb among the tips
LARGEST_FILE = 1.5e6  # bytes


def load(side):
    with np.load(FOLDER / f"open_hand_{side}.npz") as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def right():
    return load("right")


@pytest.fixture(scope="module")
def skeleton(right):
    joints = right["J_regressor"].astype(float) @ right["v_template"]
    ends = right["v_template"][right["tips_end"]][list(FINGERTIP_OF_FINGER)]
    directions = bone_directions(joints, ends.astype(float))
    return joints, directions, flexion_axes(directions)


def posed(model, pose, correctives=True):
    """verts (V, 3) of pose (15, 3), absolute axis-angle."""
    rotations = Rotation.from_rotvec(pose).as_matrix()
    verts = model["v_template"].astype(float)
    joints = model["J_regressor"] @ verts
    if correctives:
        verts = verts + model["posedirs"] @ (rotations - np.eye(3)).ravel()
    blend = np.einsum("vj,jab->vab", model["weights"], joint_matrices(joints, rotations))
    return np.einsum("vab,vb->va", blend[:, :, :3], verts) + blend[:, :, 3]


def flexed(axes, degrees):
    """Pose (15, 3) from {joint: flexion}."""
    pose = np.zeros((16, 3))
    for joint, angle in degrees.items():
        pose[joint] = np.radians(angle) * axes[joint]
    return pose[1:]


def test_arrays_have_manos_names_and_shapes(right):
    verts, faces = len(right["v_template"]), len(right["f"])
    assert (verts, faces) == (1629, 3236)
    shapes = {name: value.shape for name, value in right.items()}
    expected = {
        "v_template": (verts, 3),
        "shapedirs": (verts, 3, 10),
        "posedirs": (verts, 3, 135),
        "J_regressor": (16, verts),
        "J": (16, 3),
        "weights": (verts, 16),
        "kintree_table": (2, 16),
        "hands_components": (45, 45),
        "hands_mean": (45,),
        "hands_std": (45,),
        "hands_limits": (2, 45),
        "tips": (5,),
        "uv": (1859, 2),
        "face_uv": (faces, 3),
    }
    assert expected.items() <= shapes.items()
    assert right["hand_model"] == "open"
    assert all((FOLDER / f"open_hand_{s}.npz").stat().st_size < LARGEST_FILE for s in LEFT_RIGHT)


LEFT_RIGHT = ("left", "right")


@pytest.mark.parametrize("side", LEFT_RIGHT)
def test_mesh_is_a_hand_with_one_open_wrist(side):
    model = load(side)
    faces = model["f"].astype(int)
    rim = boundary_edges(faces)
    assert len(rim) == 20 and len(np.unique(rim)) == 20
    assert len(crossing_faces(model["v_template"], faces)) == 0
    corners = model["v_template"].astype(float)[faces]
    volume = np.einsum("fc,fc->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    # outward orientation; hands displace 0.3 to 0.5 litres with some of the wrist (metres)
    assert 2e-4 < volume < 6e-4
    assert model["uv"].min() >= 0 and model["uv"].max() <= 1


def test_weights_and_regressor_are_convex(right):
    for matrix in (right["weights"], right["J_regressor"]):
        assert matrix.min() >= 0
        np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-6)
    assert (right["weights"] > 0).sum(1).max() <= 4
    rim = np.unique(boundary_edges(right["f"].astype(int)))
    assert (right["weights"][rim, 0] == 1).all(), "the wrist's rim stays with the forearm"


def test_size_and_directions_are_those_of_a_human_right_hand(right, skeleton):
    joints, _, axes = skeleton
    verts, tips = right["v_template"], right["v_template"][right["tips"]]
    assert 0.170 < np.linalg.norm(verts - joints[0], axis=1).max() < 0.195
    assert (tips[1:, 0] < joints[0, 0] - 0.1).all(), "fingers along -x"
    assert tips[0, 2] > joints[0, 2] + 0.05, "thumb towards +z"
    fist = posed(right, flexed(axes, dict.fromkeys(range(1, 13), 60)))
    assert (fist[right["tips"]][1:, 1] < joints[0, 1] - 0.02).all(), "fingers close towards -y"
    first = right["hands_components"][0].reshape(15, 3)
    assert first[1, 2] > 0, "the first pose component closes the hand"


def test_left_hand_mirrors_the_right(right):
    left = load("left")
    mirror, axial = np.array([-1, 1, 1]), np.tile([1, -1, -1], 15)
    np.testing.assert_array_equal(left["v_template"], right["v_template"] * mirror)
    np.testing.assert_array_equal(left["f"], right["f"][:, ::-1])
    np.testing.assert_array_equal(left["hands_mean"], right["hands_mean"] * axial)
    pose = np.random.default_rng(0).normal(0, 0.5, (15, 3))
    # float32 arrays of 0.2 m
    np.testing.assert_allclose(
        posed(left, pose * [1, -1, -1]), posed(right, pose) * mirror, atol=1e-6
    )
    low, high = left["hands_limits"]
    assert (low < left["hands_mean"]).all() and (left["hands_mean"] < high).all()


CREASES = {
    "middle joints": {2: 90, 5: 90, 8: 90, 11: 90},
    "end joints": {3: 90, 6: 90, 9: 90, 12: 90},
    "both": {2: 90, 3: 60, 5: 90, 6: 60, 8: 90, 9: 60, 11: 90, 12: 60},
    "thumb": {13: 20, 14: 50, 15: 70},
}


@pytest.mark.parametrize("name", CREASES)
def test_creases_do_not_crumple(right, skeleton, name):
    pose, faces = flexed(skeleton[2], CREASES[name]), right["f"].astype(int)
    assert len(crossing_faces(posed(right, pose), faces)) == 0
    if name != "thumb":
        assert len(crossing_faces(posed(right, pose, correctives=False), faces)) > 100


def test_correctives_help_over_random_poses(right, skeleton):
    faces = right["f"].astype(int)
    crossing = np.array(
        [
            [len(crossing_faces(posed(right, pose, use), faces)) for use in (False, True)]
            for pose in sample_poses(60, skeleton[1], seed=9)
        ]
    )
    without, corrected = crossing.mean(0)
    assert corrected < 0.6 * without
    assert (crossing[:, 1] > crossing[:, 0]).mean() <= 0.05


def test_knuckles_keep_their_height(right, skeleton):
    """Back of the middle finger's middle joint: its distance from the joint, straight and bent."""
    joints, directions, axes = skeleton
    offset = right["v_template"] - joints[5]
    back = (np.abs(offset @ directions[5]) < 0.005) & (offset[:, 1] > 0.003)
    back &= np.abs(offset @ axes[5]) < 0.004
    pose = flexed(axes, {5: 90})
    for correctives, least in ((False, 0.0), (True, 0.97)):
        bent = np.linalg.norm((posed(right, pose, correctives) - joints[5])[back], axis=1)
        ratio = (bent / np.linalg.norm(offset[back], axis=1)).mean()
        assert ratio > least
        assert correctives or ratio < 0.85, "blending alone flattens it"


def test_correctives_stay_near_their_joint(right, skeleton):
    sizes = np.abs(right["posedirs"].reshape(-1, 3, 15, 9)).max((1, 3))
    for joint in range(1, 16):
        distance = np.linalg.norm(right["v_template"] - skeleton[0][joint], axis=1)
        assert distance[sizes[:, joint - 1] > 0].max() <= 0.035
    assert sizes.max() < 0.01
