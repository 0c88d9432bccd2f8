"""The 3D view's data gives back every stage's surface by the skinning that the page does."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.hand.fitted import FittedHand
from models.hand.skinning import KinematicTree, pose_joints, rest_to_posed, skin
from models.report.animation import given_clip, own_clips
from models.report.scene import cameras_scene, hands_scene, keypoints_scene, strongest
from models.report.shapes import FINAL, START, HandShapes
from tests.models.report.test_encoding import decoded, unpacked
from tests.scenes.ham import hand_scene
from utils.keypoints.order import JOINT_PARENTS


@pytest.fixture(scope="module")
def shapes():
    scene = hand_scene(views=3, pixels=80)
    hands = [FittedHand.of_dict(hand) for hand in scene.parameters]
    stages = {START: scene.smooth.double().numpy(), FINAL: scene.true.double().numpy()}
    albedo = scene.appearance.albedo.numpy()
    levels = 0
    while hands[0].model.subdivide(levels).matrix.shape[0] * len(hands) < len(scene.true):
        levels += 1
    return HandShapes(hands, stages, scene.faces, levels, scene.cameras, albedo)


def matrix_of(quaternion: list[float]) -> torch.Tensor:
    """The textbook formula, of x, y, z, w."""
    x, y, z, w = quaternion
    return torch.tensor(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ],
        dtype=torch.float64,
    )


def posed(hand: dict, stage: str, pose: list) -> np.ndarray:
    """What the page draws of a stage, as its script computes it."""
    mesh = hand["meshes"][stage]
    steps = unpacked(mesh["points"], "<u2").reshape(-1, 3)
    rest = torch.from_numpy(mesh["corner"] + steps * np.array(mesh["step"]))
    joints = torch.from_numpy(unpacked(hand["joints"], "u1").reshape(-1, 4).astype(np.int64))
    shares = torch.from_numpy(unpacked(hand["weights"], "<u2").reshape(-1, 4) / 65535)
    weights = torch.zeros(len(rest), 16, dtype=torch.float64).scatter_(1, joints, shares)
    turns = torch.stack([matrix_of(q) for q in pose])
    rest_joints = torch.tensor(hand["rest"], dtype=torch.float64)
    placed = pose_joints(turns, rest_joints, KinematicTree(JOINT_PARENTS))
    moved = skin(rest, rest_to_posed(*placed, rest_joints), weights)
    return (hand["scale"] * moved + torch.tensor(hand["place"])).numpy()


@pytest.mark.parametrize("stage", [START, FINAL])
def test_the_fitted_pose_is_the_stages_own_surface(shapes, stage):
    scene = hands_scene(shapes)
    frame = shapes.view_from_world
    for hand, own in zip(scene["hands"], shapes.slices):
        truth = frame.apply(torch.from_numpy(shapes.stages[stage][own])).numpy()
        found = posed(hand, stage, hand["pose"])
        assert abs(found - truth).max() < 3e-5  # metres: 16 bits of a hand's 0.2 m, and of weights


def test_four_joints_keep_what_counts():
    weights = np.random.default_rng(0).dirichlet(np.full(16, 0.2), 50)
    joints, shares = strongest(weights)
    np.testing.assert_allclose(shares.sum(1), 1)
    for row, own, share in zip(weights, joints, shares):
        assert set(own) == set(np.argsort(row)[-4:])
        np.testing.assert_allclose(share, row[own] / row[own].sum())


def test_animations_begin_and_end_as_fitted_and_keep_the_wrist(shapes):
    hand = shapes.hands[0]
    for clip in own_clips(hand).values():
        for end in (0, -1):
            torch.testing.assert_close(clip.poses[end], hand.pose[0].float(), rtol=0, atol=1e-6)
        assert (clip.poses[:, :3] == clip.poses[0, :3]).all()


def test_a_fist_brings_the_fingertips_to_the_palm(shapes):
    """Both hands: every fingertip of the four comes nearer to the wrist than half its way."""
    for hand in shapes.hands:
        clip = own_clips(hand)["fist"]
        reach = []
        for pose in (torch.zeros(48), clip.poses[2]):
            points = hand.model.joints_and_tips(
                pose.double(), hand.shape[0], hand.trans[0], hand.scale
            )
            reach.append((points[[8, 12, 16, 20]] - points[0]).norm(dim=1))
        assert (reach[1] < 0.8 * reach[0]).all()


def test_poses_that_were_given(shapes):
    frames = [
        [{"type": "right", "pose": torch.full((48,), 0.1), "trans": torch.ones(3)}],
        [{"type": "left", "pose": torch.zeros(48), "flat_hand_mean": True}],
    ]
    left, right = shapes.hands
    clip = given_clip(right, frames)
    torch.testing.assert_close(clip.poses[0], torch.full((48,), 0.1))
    torch.testing.assert_close(clip.places[0], torch.ones(3).double())
    torch.testing.assert_close(clip.poses[1], right.pose[0].float())  # a frame that lacks it
    flat = given_clip(left, frames).rotations(left)[1]
    torch.testing.assert_close(flat[:, 3].abs(), torch.ones(16), rtol=0, atol=1e-6)  # no turn


def test_a_mesh_that_is_too_fine_is_shown_coarser(shapes, monkeypatch):
    monkeypatch.setattr("models.report.scene.MOST_VERTICES", len(shapes.verts) - 1)
    scene = hands_scene(shapes)
    coarse = shapes.hands[0].model.subdivide(max(shapes.subdivisions - 1, 0))
    faces = unpacked(scene["hands"][0]["faces"], "<u4").reshape(-1, 3)
    assert faces.shape == coarse.faces.shape


def test_a_mesh_that_is_cut_for_its_texture_is_the_same_mesh(shapes):
    """Each corner keeps its vertex and its place in the tile; each hand has its own tile."""
    tiles = np.zeros((8, 8 * len(shapes.hands), 3), np.float32)
    tiles[:, 8:, 0] = 1  # the right hand's is red
    scene = hands_scene(replace(shapes, texture=tiles))
    for hand, fitted, color in zip(scene["hands"], shapes.hands, ([0, 0, 0], [0, 0, 254])):
        finer, cut = fitted.model.subdivide(shapes.subdivisions), hand["texture"]
        source, faces = unpacked(cut["source"], "<u4"), unpacked(cut["faces"], "<u4")
        np.testing.assert_array_equal(source[faces].reshape(-1, 3), finer.faces)
        uv = unpacked(cut["uv"], "<u2").reshape(-1, 2) / 65535
        np.testing.assert_allclose(uv[faces].reshape(-1, 3, 2), finer.uv[finer.face_uv], atol=1e-5)
        image = decoded(cut["image"])  # BGR
        assert abs(image.reshape(-1, 3).mean(0) - color).max() < 3  # what JPEG makes of it


def test_cameras_stand_where_they_are(shapes):
    scene = cameras_scene(shapes.cameras, shapes.view_from_world, ["a", "b", "c"])
    centers = shapes.view_from_world.apply(shapes.cameras.centers()).numpy()
    for camera, center in zip(scene["cameras"], centers):
        np.testing.assert_allclose(camera["center"], center, atol=1e-6)
        ahead = np.mean(camera["corners"], 0) - center
        assert ahead @ -center > 0  # the ring looks at its middle, where the hands are
    assert [camera["name"] for camera in scene["cameras"]] == ["a", "b", "c"]


def test_bones_of_keypoints_that_were_seen(shapes):
    points = np.random.default_rng(0).normal(size=(2, 21, 3))
    points[0] = np.nan
    left, right = keypoints_scene(points, shapes.view_from_world)
    assert left == [] and len(right) == 20
