import numpy as np
import pytest
import torch

from models.gcn.batch_poser import BatchPoser
from models.gcn.frame import PalmFrame
from models.gcn.network import mean_hand
from models.gcn.pose_sampler import KINDS, PoseSampler
from models.gcn.samples import Faults, HandSampler, draw_faults, in_frame
from models.hand import load_hand_model
from tests.scenes.small_hands import small_hand
from utils.geometry.rotations import random_rotations, rotation_matrices, rotation_vectors
from utils.keypoints.views import MIN_JOINTS

MM = 1e-3
EQUAL = dict.fromkeys(KINDS, 1.0)


@pytest.fixture(scope="module")
def model():
    return small_hand()


@pytest.fixture
def random():
    return torch.Generator().manual_seed(0)


def keypoints_of(model, poses):
    pose = torch.cat([torch.zeros(len(poses), 3), poses], 1)
    return BatchPoser(model)(pose, torch.zeros(len(poses), 10))[1]


def test_batches_are_posed_as_the_hand_model_poses(model, random):
    pose = torch.cat([random_rotations(6, random), 0.3 * torch.randn(6, 45)], 1)
    shape = torch.randn(6, 10)
    verts, joints = model(pose, shape, torch.zeros(6, 3), torch.ones(6))
    found, keypoints = BatchPoser(model)(pose, shape)
    assert torch.allclose(found, verts, atol=1e-6)
    assert torch.allclose(keypoints, model.keypoints(verts, joints), atol=1e-6)
    some, again = BatchPoser(model, [5, 3])(pose, shape)
    assert torch.allclose(some, verts[:, [5, 3]], atol=1e-6)
    assert torch.allclose(again, keypoints)


@pytest.mark.parametrize("kind", KINDS)
def test_poses_stay_within_the_limits_and_vary(model, random, kind):
    poses = PoseSampler(model, EQUAL).of_kind(kind, 50, random)
    low, high = model.pose_limits
    assert poses.shape == (50, 45)
    assert (poses >= low - 1e-6).all() and (poses <= high + 1e-6).all()
    assert (poses.std(0) > 0.01).all()


def test_fists_are_closed(model, random):
    sampler = PoseSampler(model, EQUAL)
    open_hand = keypoints_of(model, torch.zeros(1, 45))[0]
    fists = keypoints_of(model, sampler.of_kind("fist", 50, random))
    tips = [8, 12, 16, 20]
    reach = (fists[:, tips] - fists[:, :1]).norm(dim=2)
    # A closed finger's tip lies in the palm: nearer to the wrist than its root.
    roots = (open_hand[[5, 9, 13, 17]] - open_hand[0]).norm(dim=1)
    assert (reach < 1.1 * roots).float().mean() > 0.95


def test_crossed_fingers_cross(model, random):
    crossing = {}
    for kind in ("prior", "crossed"):
        points = keypoints_of(model, PoseSampler(model, EQUAL).of_kind(kind, 200, random))
        across = torch.nn.functional.normalize(points[:, 17] - points[:, 5], dim=1)
        tips = torch.einsum("bkc,bc->bk", points[:, [8, 12, 16, 20]], across)
        gaps = tips.diff(dim=1)  # between neighbours' tips, towards the little finger
        crossing[kind] = (gaps.min(1)[0] < 0).float().mean()
    assert crossing["crossed"] > 0.5 > 0.2 > crossing["prior"]


def test_the_official_model_has_poses_too(random):
    """Only the limits and components count; a model without limits gives poses all the same."""
    left = small_hand("left")
    poses = PoseSampler(left, EQUAL).draw(20, random)
    assert torch.isfinite(poses).all()


def test_batches_depend_on_their_number_and_the_seed_alone(model):
    faults = Faults(noise=3.0, gross=0.1, missing=0.2)
    first, second = (HandSampler(model, 4, 5, EQUAL, faults) for _ in range(2))
    ahead = second(40)  # of another block
    for number in (40, 0, 3):
        a, b = first(number), second(number)
        assert torch.equal(a.points, b.points) and torch.equal(a.pose, b.pose)
    assert torch.equal(first(40).verts, ahead.verts)
    other = HandSampler(model, 4, 6, EQUAL, faults)
    assert not torch.allclose(other(0).pose, first(0).pose)


def test_faults_are_as_frequent_and_as_large_as_asked(random):
    errors, seen = draw_faults(Faults(), 100, random)
    assert errors.abs().max() == 0 and seen.all()
    errors, seen = draw_faults(Faults(noise=3.0, same_noise=True), 2000, random)
    assert errors.std().item() == pytest.approx(3 * MM, rel=0.02) and seen.all()
    errors, _ = draw_faults(Faults(gross=0.2, gross_size=50.0), 2000, random)
    off = errors.norm(dim=2)
    assert (off > 0).float().mean().item() == pytest.approx(0.1, rel=0.1)  # in half of the hands
    assert 45 * MM < off.max() <= 50 * MM
    _, seen = draw_faults(Faults(missing=0.4), 2000, random)
    assert seen.sum(1).min() >= MIN_JOINTS
    # Half of 0.4 by single joints; of the others 0.2 by fingers, of which 5 / 8 of the joints go.
    # Hands that would keep fewer than MIN_JOINTS keep some.
    assert (~seen).float().mean().item() == pytest.approx(0.2 + 0.8 * 0.2 * 5 / 8, abs=0.05)
    errors, seen = draw_faults(Faults(noise=3.0, missing=0.5, clean=0.4), 2000, random)
    clean = (errors.abs().amax((1, 2)) == 0) & seen.all(1)
    assert clean.float().mean().item() == pytest.approx(0.4, abs=0.05)


def test_rotations_are_uniform_and_come_back(random):
    r = random_rotations(4000, random)
    angle = r.norm(dim=1)
    assert angle.max() <= np.pi + 1e-5
    # Haar measure: density (1 - cos a) / pi, whose mean is pi / 2 + 2 / pi.
    assert angle.mean().item() == pytest.approx(np.pi / 2 + 2 / np.pi, rel=0.02)
    small = r[angle < 3.0]
    assert torch.allclose(rotation_vectors(rotation_matrices(small)), small, atol=1e-3)


def test_samples_in_the_palms_frame_are_still_posed_hands():
    model = load_hand_model("right", "open")
    sampler = HandSampler(model, 8, 0, EQUAL, Faults(noise=3.0, gross=0.1, missing=0.3))
    samples = sampler(0)
    frame = PalmFrame.of(samples.points, samples.seen, mean_hand(model)[1])
    found = in_frame(samples, frame)
    verts, _ = sampler.poser(found.pose, found.shape)
    shift = found.verts - verts / frame.scale[:, None, None]
    assert (shift - shift.mean(1, keepdim=True)).abs().max() < 1e-5  # float32
    assert found.pose[:, :3].norm(dim=1).max() < 1.0  # the palm is as the mean hand's
