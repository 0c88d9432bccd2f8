"""Shape, scale and cameras from several frames; poses started from the frames before."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.sequences.rig import Rig
from models.sequences.shared import KeyFrame, SharedHands, choose_key_frames, solve_shared
from models.sequences.walk import fit_frame_poses, poses_of_dict
from tests.scenes.captures import project
from tests.scenes.hands import HandScene, hand_scene, surface_error
from utils.captures import load_capture
from utils.errors import UserError
from utils.stage.config import load_config

MM = 1e-3


def options():
    """The stages that need no masks, without corrections of the cameras."""
    settings = load_config(None, ["mano_optim.camera_support=2"]).mano_optim
    settings["stages"] = [stage for stage in settings["stages"] if "outlines" not in stage]
    return settings


def moved_scene(scene: HandScene, step: int) -> HandScene:
    """The same hands, moved and bent a little further with every step."""
    hands = []
    for hand in scene.hands:
        pose, trans = hand.pose.clone(), hand.trans.clone()
        pose[0, 3:] += 0.03 * step * torch.sin(torch.arange(45)).double()
        pose[0, :3] += 0.05 * step
        trans[0, 1] += 0.01 * step
        hands.append(replace(hand, pose=pose, trans=trans))
    points = np.stack([hand.keypoints().numpy() for hand in hands])
    return replace(scene, hands=hands, points=points, xy=project(scene.cameras, points))


@pytest.fixture(scope="module")
def scenes():
    first = hand_scene(views=5)
    return [moved_scene(first, step) for step in range(4)]


@pytest.fixture(scope="module")
def shared(scenes):
    frames = [KeyFrame(scene.observations(), range(5)) for scene in scenes[::3]]
    models = {hand.side: hand.model for hand in scenes[0].hands}
    return solve_shared(models, frames, scenes[0].cameras, options())


def test_shape_and_scale_are_those_of_all_frames(scenes, shared):
    for hand in scenes[0].hands:
        found = replace(hand, shape=shared.shape[hand.side][None])
        found = replace(found, scale=hand.scale.new_tensor([shared.scale[hand.side]]))
        # As near as a single frame's fit comes (tests/models/fitting/test_fit.py).
        assert surface_error([found], [hand]) < 1.5 * MM
    assert not shared.corrected
    kept = SharedHands.from_dict(shared.as_dict())
    assert kept.scale == shared.scale and kept.cameras.t.equal(shared.cameras.t)


def test_a_frame_starts_from_those_before_it(scenes, shared):
    models, before = {hand.side: hand.model for hand in scenes[0].hands}, []
    for scene in scenes[:3]:
        poses = fit_frame_poses(models, scene.observations(), shared, options(), before)
        hands = [poses.hands[side] for side in ("left", "right")]
        assert surface_error(hands, scene.hands) < 1.5 * MM
        assert all(0 < count < 51 for count in poses.counts.values())
        before = [*before[-1:], poses_of_dict(poses.as_dict(), models, shared)]


def test_a_hand_that_comes_back_starts_anew(scenes, shared):
    models = {hand.side: hand.model for hand in scenes[0].hands}
    points = scenes[0].points.copy()
    points[0] = np.nan
    gone = fit_frame_poses(models, scenes[0].observations(points=points), shared, options())
    assert list(gone.hands) == ["right"]
    back = fit_frame_poses(models, scenes[1].observations(), shared, options(), [gone])
    assert surface_error([back.hands["left"]], scenes[1].hands[:1]) < 1.5 * MM


def test_a_frame_of_nonsense_is_refused(scenes, shared):
    models = {hand.side: hand.model for hand in scenes[0].hands}
    points = np.random.default_rng(0).permutation(scenes[0].points, axis=1)
    seen = replace(scenes[0], points=points, xy=project(scenes[0].cameras, points))
    with pytest.raises(UserError, match="times as far as the views disagree"):
        fit_frame_poses(models, seen.observations(), shared, options())


def test_key_frames_differ_and_show_every_side(scenes):
    points = np.stack([scene.points for scene in scenes])
    points = points[[0, 0, 0, 3, 1, 1]]
    assert set(choose_key_frames(points, 2)) & {3}
    points[:, 0] = np.nan
    points[5, 0], points[5, 1] = scenes[1].points[0], np.nan
    assert 5 in choose_key_frames(points, 2)


def test_frames_of_another_rig_are_told(capture_dir):
    capture = load_capture(capture_dir, "1")
    rig = Rig.of([capture])
    assert rig.views_of(capture) == list(range(5))
    arrays = capture.camera_arrays
    fewer = replace(capture, views=capture.views[1:], camera_arrays=arrays[1:])
    assert rig.views_of(fewer) == [1, 2, 3, 4]
    turned = replace(capture, camera_arrays=replace(arrays, t=arrays.t + 0.01))
    with pytest.raises(UserError, match="another rig: the camera of view 00"):
        rig.views_of(turned)
    renamed = replace(capture, views=[replace(view, name="x") for view in capture.views])
    with pytest.raises(UserError, match="another rig: the other frames have no view x"):
        rig.views_of(renamed)
