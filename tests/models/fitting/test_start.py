"""Fits that start from given hands, and hands that are judged without a fit."""

import pytest
import torch

from models.fitting.fit import fit_hands, judge_hands
from models.fitting.problem import PosePrior
from models.hand.fitted import FittedHand
from tests.scenes.hands import hand_scene, surface_error
from utils.cameras import Similarity
from utils.stage.config import load_config

MM = 1e-3


@pytest.fixture(scope="module")
def scene():
    return hand_scene(views=4)


def keypoint_options(**changed):
    settings = load_config().mano_optim
    settings["stages"] = [stage for stage in settings["stages"] if "outlines" not in stage]
    return settings | changed


def bent(hand, by=0.2):
    pose = hand.pose.clone()
    pose[:, 3:] += by
    return FittedHand(hand.model, pose, hand.shape, hand.trans, hand.scale)


def test_a_hand_becomes_unknowns_and_comes_back(scene):
    world_from_fit = Similarity(3.0, torch.tensor([1.0, -2.0, 0.5]).double())
    for hand in scene.hands:
        again = FittedHand.of(hand.model, hand.unknowns(world_from_fit), world_from_fit)
        for name in ("pose", "shape", "trans", "scale"):
            assert torch.allclose(getattr(again, name), getattr(hand, name), atol=1e-12)


def test_a_fit_from_the_truth_stays_there(scene):
    options = keypoint_options()
    fitted = fit_hands(scene.models, scene.observations(), options, start=scene.hands)
    # The prior about the right pose pulls no more, those of shape and scale still do.
    assert surface_error(fitted.hands, scene.hands) < 1.0 * MM
    names = [stage["name"] for stage in fitted.metrics["stages"]]
    assert "place" not in names and "keypoints_3d" in names


def test_a_tighter_start_holds_the_fit_nearer(scene):
    start = [bent(hand) for hand in scene.hands]
    off = []
    for spread in (0.05, 5.0):
        options = keypoint_options(start_spread=spread)
        fitted = fit_hands(scene.models, scene.observations(), options, start=start)
        pairs = zip(fitted.hands, start)
        off.append(max(float((a.pose - b.pose)[:, 3:].abs().mean()) for a, b in pairs))
    assert off[0] < 0.6 * off[1]


def test_the_prior_is_about_its_centre(scene):
    model = scene.models[0]
    centre = torch.full((45,), 0.1).double()
    value, _ = PosePrior(model, centre, 0.5).residuals(centre, 0.05)
    assert value[:45].abs().max() == 0
    wide, _ = PosePrior(model).residuals(centre * 0 + 0.01, 0.05)
    tight, _ = PosePrior(model, spread=0.5).residuals(centre * 0 + 0.01, 0.05)
    assert torch.allclose(tight[:45], 2 * wide[:45])


def test_judging_moves_nothing(scene):
    observations = scene.observations(masks=scene.masks)
    judged = judge_hands(scene.hands, observations, load_config().mano_optim)
    for a, b in zip(judged.hands, scene.hands):
        assert torch.allclose(a.pose, b.pose) and torch.allclose(a.trans, b.trans)
    assert all(verdict.believed and verdict.iou > 0.97 for verdict in judged.verdicts)
    assert judged.metrics["stages"][0]["keypoint_mm"] < 1e-3 and not judged.corrected
