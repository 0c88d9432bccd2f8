import numpy as np
import pytest
import torch

from models.gcn.prediction import joined_verts, mirror_evidence, predict_hands
from models.gcn.weights import load_network
from models.hand import load_hand_model
from tests.scenes.hands import hand_scene
from utils.errors import UserError
from utils.stage.config import load_config

MM = 1e-3


@pytest.fixture(scope="module")
def models():
    return {s: load_hand_model(s, "open", dtype=torch.float64) for s in ("left", "right")}


@pytest.fixture(scope="module")
def network(models):
    return load_network(models["right"])


@pytest.fixture(scope="module")
def scene():
    return hand_scene(views=2)


@pytest.fixture
def options():
    return load_config().multihands


def test_both_hands_come_out_where_they_are(network, models, scene, options):
    prediction = predict_hands(network, models, scene.points, None, options)
    assert [hand.hand.side for hand in prediction.hands] == ["left", "right"]
    true = np.concatenate([hand.verts().numpy() for hand in scene.hands])
    # The limit for clean keypoints; 1.4 on average.
    assert np.linalg.norm(joined_verts(prediction.hands) - true, axis=1).mean() < 2.5 * MM
    assert max(prediction.misfits) < 2.5 * MM and not prediction.renamed
    assert prediction.metrics()["misfit_mm"] == [round(1000 * m, 2) for m in prediction.misfits]


def test_one_hand_is_fine_and_none_is_an_error(network, models, scene, options):
    points = scene.points.copy()
    points[0] = np.nan
    prediction = predict_hands(network, models, points, None, options)
    assert [hand.hand.side for hand in prediction.hands] == ["right"]
    with pytest.raises(UserError, match=r"no hand has 6 of 21 keypoints in 3D; look at"):
        predict_hands(network, models, np.full((2, 21, 3), np.nan), None, options)


def test_exchanged_names_are_noticed_on_bent_hands(network, models, scene, options):
    swapped = scene.points[::-1].copy()
    prediction = predict_hands(network, models, swapped, None, options)
    assert prediction.renamed and np.array_equal(prediction.points, scene.points)
    assert "left and right exchanged" in "\n".join(prediction.summary_lines())
    alone = swapped.copy()
    alone[0] = np.nan  # a left hand that was named right
    prediction = predict_hands(network, models, alone, None, options)
    assert [hand.hand.side for hand in prediction.hands] == ["left"]


def test_flat_hands_with_noise_tell_little_and_keep_their_names(network, models, options):
    flat = torch.cat([torch.zeros(3).double(), -models["right"].hands_mean])[None]
    shape, trans, scale = torch.zeros(1, 10), torch.zeros(1, 3), torch.ones(1)
    points = models["right"].joints_and_tips(flat, shape.double(), trans.double(), scale.double())
    right = points[0].numpy()
    exact = np.stack([right * [-1, 1, 1], right])
    noisy = exact + 8 * MM * np.random.default_rng(0).normal(size=exact.shape)
    evidence = [mirror_evidence(network, models, points) for points in (exact, noisy)]
    assert evidence[0] < evidence[1] < 1.0
    for points in (noisy, noisy[::-1].copy()):
        prediction = predict_hands(network, models, points, None, options)
        assert not prediction.renamed
    assert "fit either" in "\n".join(prediction.summary_lines())


def test_the_frame_before_fills_in_what_was_not_seen(network, models, scene, options):
    seen = scene.points + 0.02  # metres
    lost = seen.copy()
    lost[1, 5:9] = np.nan  # a finger
    alone = predict_hands(network, models, lost, None, options)
    helped = predict_hands(network, models, lost, scene.points, options)
    off = [
        np.linalg.norm(p.hands[1].hand.keypoints().numpy() - seen[1], axis=1)[5:9].mean()
        for p in (alone, helped)
    ]
    assert helped.lent == 4 and off[1] < 3 * MM and off[1] < off[0]
    assert np.array_equal(helped.points, lost, equal_nan=True)  # what counts is what was seen
    assert "4 filled in" in "\n".join(helped.summary_lines())
