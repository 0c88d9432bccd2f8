"""The network itself, its losses, its training and its weights' files, on a small hand."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from models.gcn.batch_poser import BatchPoser, place_like, scale_and_origin
from models.gcn.hierarchy import build_hierarchy
from models.gcn.losses import GcnLoss
from models.gcn.metrics import CONDITIONS, UNSEEN, measure
from models.gcn.network import Canonical, HandGCN, mean_hand
from models.gcn.prediction import predict
from models.gcn.samples import Faults, HandSampler, in_frame
from models.gcn.training import Trainer, rate
from models.gcn.weights import load_network, save_network, weights_path
from models.hand import load_hand_model
from tests.scenes.official_mano import made_up_model, write_official
from tests.scenes.small_hands import SETTINGS, small_hand
from utils.errors import UserError
from utils.io.files import save_torch

MM = 1e-3


@pytest.fixture(scope="module")
def model():
    return small_hand()


@pytest.fixture(scope="module")
def levels(model):
    return build_hierarchy(model.v_template.numpy(), model.faces.numpy(), SETTINGS["levels"])


@pytest.fixture
def network(model, levels):
    torch.manual_seed(0)
    return HandGCN(model, levels, SETTINGS).eval()


@pytest.fixture
def samples(model):
    return HandSampler(model, 6, 0, SETTINGS["poses"], Faults(noise=2.0))(0)


def settings(**changed):
    return {**copy.deepcopy(SETTINGS), **changed}


def test_shapes_and_the_mean_hand_before_training(network, model, samples):
    found, frame = network(samples.points, samples.seen)
    assert found.verts.shape == (6, 200, 3) and found.middle.shape == (6, 90, 3)
    assert found.pose.shape == (6, 48) and found.shape.shape == (6, 10)
    assert frame.scale.shape == (6,)
    mesh, keypoints = mean_hand(model)
    # Last layers start small, so that an untrained network says about the mean hand.
    assert (found.verts - mesh).norm(dim=2).mean() < 30 * MM
    assert keypoints[[0, 1, 5, 9, 13, 17]].mean(0).abs().max() < 1e-6


def test_what_was_not_seen_does_not_matter(network, samples):
    seen = samples.seen.clone()
    seen[:, [3, 8, 17]] = False
    others = torch.where(seen[..., None], samples.points, 0.3 * torch.randn(6, 21, 3))
    a, b = (network(points, seen)[0] for points in (samples.points, others))
    assert torch.allclose(a.verts, b.verts, atol=1e-6) and torch.allclose(a.pose, b.pose, atol=1e-5)


def test_fewer_hands_may_go_on_to_the_finest_mesh(network, samples):
    some = network.canonical(samples.points, samples.seen, 2)
    every = network.canonical(samples.points, samples.seen)
    assert some.verts.shape == (2, 200, 3) and some.middle.shape == (6, 90, 3)
    assert torch.allclose(some.verts, every.verts[:2], atol=1e-6)
    assert torch.allclose(some.pose, every.pose, atol=1e-6)


def test_scale_and_place_are_found_in_closed_form():
    points = torch.randn(3, 30, 3, dtype=torch.float64)
    true_scale, true_origin = torch.tensor([0.5, 1.0, 7.0]).double(), torch.randn(3, 3).double()
    target = true_scale[:, None, None] * points + true_origin[:, None]
    scale, origin = scale_and_origin(points, target)
    assert torch.allclose(scale, true_scale) and torch.allclose(origin, true_origin)
    weight = torch.ones(3, 30, 1).double()
    weight[:, :5], target[:, :5] = 0, 99.0  # what does not count may lie anywhere
    scale, _ = scale_and_origin(points, target, weight)
    assert torch.allclose(scale, true_scale)


def test_the_loss_of_a_perfect_prediction_is_zero(model, levels, samples, network):
    true = in_frame(samples, network.frame(samples.points, samples.seen))
    poser = BatchPoser(model)
    posed, keypoints = poser(true.pose, true.shape)
    _, keypoints = place_like(posed, keypoints, true.verts)
    perfect = Canonical(
        verts=true.verts,
        middle=true.verts[:, levels[1].ids],
        pose=true.pose,
        shape=true.shape,
        first_pose=true.pose,
        first_shape=true.shape,
        first_keypoints=keypoints,
    )
    loss, terms = GcnLoss(model, levels, SETTINGS["weights"])(perfect, true)
    assert set(terms) == set(SETTINGS["weights"])
    assert loss < 1e-3  # float32; in cm
    off = copy.copy(perfect)
    object.__setattr__(off, "verts", true.verts + torch.tensor([0.0, 3 * MM, 0.0]))
    loss, terms = GcnLoss(model, levels, SETTINGS["weights"])(off, true)
    assert terms["verts"].item() == pytest.approx(0.3, rel=1e-4)  # 3 mm in cm
    assert terms["edges"] < 1e-4 and terms["normals"] < 1e-5  # a shift changes neither


def test_training_learns(model):
    trainer = Trainer(model, settings(steps=100), seed=1)
    batch = trainer.sampler(0)
    trainer.sampler = lambda number: batch
    rows = [trainer.step() for _ in range(100)]
    for name in ("verts", "posed", "first"):
        # Sixteen hands can be learnt by heart; they start 20 mm from the mean hand.
        assert rows[-1][name] < 0.5 * rows[0][name]


def test_training_goes_on_exactly_where_it_was_stopped(model, tmp_path):
    through, stopped = Trainer(model, settings(steps=6)), Trainer(model, settings(steps=6))
    for _ in range(6):
        through.step()
    for _ in range(3):
        stopped.step()
    stopped.save(tmp_path / "progress.pt")
    again = Trainer(model, settings(steps=6))
    assert again.resume(tmp_path / "progress.pt") and again.steps_done == 3
    while not again.finished:
        again.step()
    for a, b in zip(through.average.parameters(), again.average.parameters()):
        assert torch.equal(a, b)
    assert not Trainer(model, settings()).resume(tmp_path / "none.pt")
    with pytest.raises(UserError, match=r"other settings or another seed; --overwrite"):
        Trainer(model, settings(steps=7)).resume(tmp_path / "progress.pt")


def test_progress_that_is_damaged_or_of_other_code_starts_afresh(
    model, tmp_path, monkeypatch, capsys
):
    path = tmp_path / "progress.pt"
    trainer = Trainer(model, settings(steps=6))
    trainer.step()
    trainer.save(path)
    with monkeypatch.context() as patch:
        patch.setattr("models.gcn.training.code_version", lambda: "newer")
        assert not Trainer(model, settings(steps=6)).resume(path)
    assert capsys.readouterr().out == f"{path} is of another version of the code: starting again\n"
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 4
    path.write_bytes(damaged)
    again = Trainer(model, settings(steps=6))
    assert not again.resume(path) and again.steps_done == 0
    assert capsys.readouterr().out.startswith(f"{path} is damaged")


def test_the_seed_decides(model):
    a, b, c = (Trainer(model, settings(), seed) for seed in (3, 3, 4))
    terms = [trainer.step()["verts"] for trainer in (a, b, c)]
    assert terms[0] == terms[1] != terms[2]
    with pytest.raises(UserError, match=r"--seed 7777777 is kept for"):
        Trainer(model, settings(), UNSEEN)


def test_the_learning_rate_rises_and_falls():
    rates = [rate(step, 1000) for step in range(1001)]
    assert rates[0] == pytest.approx(0.05) and max(rates) > 0.99 and rates[-1] < 0.002
    assert rates.index(max(rates)) == 19


def test_errors_are_those_of_the_vertices(model, network):
    found = measure(network, model, SETTINGS["poses"], 1)
    assert set(found) == set(CONDITIONS)
    assert all(10 < values["verts"] < 60 for values in found.values())  # untrained: mm


# --- weights on disk, both sides -----------------------------------------------------------------


def test_weights_come_back_from_disk(network, model, samples, tmp_path):
    save_network(tmp_path / "w.pt", network, model, {"seed": 0})
    again = load_network(model, tmp_path / "w.pt")
    a, b = (net(samples.points, samples.seen)[0] for net in (network, again))
    assert (a.verts - b.verts).abs().max() < 0.3 * MM  # half precision
    assert torch.load(tmp_path / "w.pt", weights_only=True)["hand_model"] == "open"


def test_weights_of_another_hand_are_refused(network, model, tmp_path):
    save_network(tmp_path / "w.pt", network, model)
    full = load_hand_model("right", "open")
    with pytest.raises(UserError, match=r"another hand model \('open', 200 vertices; .* 1629\)"):
        load_network(full, tmp_path / "w.pt")


def test_missing_and_foreign_weights_are_named(model, tmp_path):
    with pytest.raises(UserError, match=r"w.pt is missing; train it with: python train_gcn.py"):
        load_network(model, tmp_path / "w.pt")
    save_torch(tmp_path / "w.pt", [1, 2])
    with pytest.raises(UserError, match=r"holds no weights of the graph network; train it"):
        load_network(model, tmp_path / "w.pt")


def test_a_left_hand_is_the_right_hands_mirror_image(network, model):
    sides = {side: small_hand(side, dtype=torch.float64) for side in ("left", "right")}
    points = HandSampler(model, 1, 0, SETTINGS["poses"], Faults())(0).points[0].double().numpy()
    mirror = np.array([-1, 1, 1])
    points[6] = np.nan
    right = predict(network, sides["right"], points)
    left = predict(network, sides["left"], points * mirror)
    assert np.allclose(left.verts.numpy(), right.verts.numpy() * mirror, atol=1e-9)
    assert np.allclose(left.hand.verts(), right.hand.verts().numpy() * mirror, atol=1e-7)
    assert left.hand.side == "left" and torch.equal(left.hand.shape, right.hand.shape)


def test_predictions_follow_their_keypoints_anywhere(network, model):
    hand = small_hand(dtype=torch.float64)
    points = HandSampler(model, 1, 0, SETTINGS["poses"], Faults())(0).points[0].double().numpy()
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    near = predict(network, hand, points)
    far = predict(network, hand, 1000 * points @ turn.T + [5e3, -2e4, 1e4])  # millimetres
    expected = 1000 * near.verts.numpy() @ turn.T + [5e3, -2e4, 1e4]
    assert np.abs(far.verts.numpy() - expected).max() < 0.01  # mm
    expected = 1000 * near.hand.verts().numpy() @ turn.T + [5e3, -2e4, 1e4]
    assert np.abs(far.hand.verts().numpy() - expected).max() < 0.01
    assert float(far.hand.scale / near.hand.scale) == pytest.approx(1000, rel=1e-4)


# --- the shipped weights -------------------------------------------------------------------------


def test_the_shipped_weights_are_as_good_as_the_readme_says():
    model = load_hand_model("right", "open")
    assert weights_path("open").stat().st_size < 3e6
    network = load_network(model)
    poses = {"prior": 0.3, "fingers": 0.25, "limits": 0.2, "fist": 0.1, "crossed": 0.15}
    found = measure(network, model, poses, 2)
    # 128 hands: the means scatter by some 3 %. Asked: 2.5, 2, 1 and 5 mm.
    assert found["clean"]["verts"] < 1.6 and found["clean"]["keypoints"] < 1.6
    assert found["clean"]["consistency"] < 1.0
    assert found["noise_3mm"]["verts"] < 3.6


def test_weights_for_mano_can_be_trained(tmp_path, levels):
    """The official topology differs; everything follows from the hand model."""
    other = small_hand(vertices=120)
    trainer = Trainer(other, settings(steps=1, levels=[60, 30, 12]))
    trainer.step()
    assert trainer.network.template.shape == (120, 3)


def test_annotations_are_read_and_mirrored(tmp_path):
    import json

    from models.gcn.annotations import load_annotations

    write_official(tmp_path / "MANO_RIGHT.pkl", made_up_model())
    mano = load_hand_model("right", "mano", tmp_path)
    rng = np.random.default_rng(0)
    pose, shape = rng.normal(size=48).tolist(), rng.normal(size=10).tolist()
    hand = {"pose": pose, "shape": shape, "trans": [0.0, 0.0, 1.0]}
    table = {"0": {"17": {"right": hand, "left": None}, "18": {"right": None, "left": hand}}}
    path = tmp_path / "train" / "InterHand2.6M_train_MANO_NeuralAnnot.json"
    path.parent.mkdir()
    path.write_text(json.dumps(table))
    found = load_annotations(tmp_path, mano)
    assert found.shape == (2, 55)
    assert np.allclose(found[0], [*pose[3:], *shape], atol=1e-6)
    mirrored = np.array(pose[3:]).reshape(15, 3) * [1, -1, -1]
    assert np.allclose(found[1, :45], mirrored.ravel(), atol=1e-6)
    with pytest.raises(UserError, match=r"mean nothing to the 'open' hand"):
        load_annotations(tmp_path, load_hand_model("right", "open"))
    with pytest.raises(UserError, match=r"holds no \*MANO_NeuralAnnot.json"):
        load_annotations(tmp_path / "nothing", mano)
    for wrong, message in (
        ([], "expected a table of captures, found list"),
        ({"0": {"17": {"right": {"pose": [1.0], "shape": shape}}}}, "0/17/right is no hand"),
        ({"0": {"17": {"right": None}}}, "the files hold no hands"),
    ):
        path.write_text(json.dumps(wrong))
        with pytest.raises(UserError, match=message):
            load_annotations(tmp_path, mano)


def test_every_second_sample_is_of_people_where_there_are_annotations(model):
    people = torch.full((3, 55), 0.01)
    sampler = HandSampler(model, 6, 0, SETTINGS["poses"], Faults(), people)
    pose = sampler(0).pose[:, 3:]
    assert (pose[::2] == 0.01).all() and (pose[1::2] != 0.01).any(1).all()
