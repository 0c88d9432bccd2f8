"""The region of hands: what of a scan is compared."""

import numpy as np
import pytest
import trimesh

from tests.scenes.captures import two_hands
from utils.errors import UserError
from utils.metrics.comparison import compare_points, compare_surfaces
from utils.metrics.region import HandRegion

HANDS = two_hands(np.random.default_rng(0), gap=0.4)
MM = 1000.0


def around(keypoints=HANDS):
    return HandRegion.of(keypoints, MM)


def test_points_beside_bones_palm_and_beyond_the_wrist():
    region, hand = around(), HANDS[1]
    forward = hand[[5, 9, 13, 17]].mean(0) - hand[0]
    forward /= np.linalg.norm(forward)
    across = np.cross(hand[5] - hand[0], hand[17] - hand[0])
    across /= np.linalg.norm(across)
    middle = hand[[0, 9, 13]].mean(0)  # of a triangle of the palm
    points = {
        "on a fingertip": (hand[8], True),
        "29 mm before the palm": (middle + 0.029 * across, True),
        "31 mm before it": (middle + 0.031 * across, False),
        "1 mm before the wrist": (hand[0] + 0.001 * forward, True),
        "in the forearm": (hand[0] - 0.001 * forward, False),
        "on the other hand": (HANDS[0, 8], True),
        "between the hands": (HANDS[:, 0].mean(0), False),
    }
    found = region.contains(np.array([point for point, _ in points.values()]))
    assert dict(zip(points, found)) == {name: inside for name, (_, inside) in points.items()}


def test_keypoints_that_are_not_known():
    absent = HANDS.copy()
    absent[0] = np.nan
    absent[1, 8] = np.nan
    region = around(absent)
    assert len(region.hands()) == 1
    assert not region.contains(HANDS[0]).any()
    assert region.contains(HANDS[1, [7, 12]]).all()
    assert around(np.full((2, 21, 3), np.nan)).hands() == []


def ball(radius=0.02, level=4):
    """A ball about the index finger's middle joint, with vertices every 1.4 mm."""
    mesh = trimesh.creation.icosphere(level, radius=radius)
    return np.array(mesh.vertices) + HANDS[1, 6], np.array(mesh.faces)


def test_a_hole_is_left_out_though_the_other_side_is_behind_it():
    """Two thirds of a ball: what is over the hole is nearest to its rim or to the inside."""
    verts, faces = ball()
    kept = faces[verts[faces].mean(1)[:, 2] - HANDS[1, 6, 2] < 0.02 / 3]
    found = compare_surfaces(verts, faces, (verts, kept), MM, samples=4000, region=around())
    assert found.scores["to_truth"]["max_mm"] < 1e-6
    assert found.scores["to_truth"]["left_out"] == pytest.approx(1 / 3, abs=0.03)  # Archimedes
    assert found.scores["from_truth"]["left_out"] == 0
    over_the_hole = verts[:, 2] - HANDS[1, 6, 2] > 0.02 / 3 + 0.002
    assert np.isnan(found.error[over_the_hole]).all()
    np.testing.assert_allclose(found.error[~np.isnan(found.error)], 0, atol=1e-9)


def test_what_a_scan_holds_besides_does_not_count():
    verts, faces = ball()
    away = verts + np.array([0, 0, 0.5])
    scan = np.concatenate([verts, away]), np.concatenate([faces, faces + len(verts)])
    found = compare_surfaces(1.0 * verts, faces, scan, MM, samples=4000, region=around())
    assert found.scores["from_truth"]["max_mm"] < 1e-6 and found.scores["missed_truth"] == 0
    assert found.scores["truth_in_region"] == pytest.approx(0.5, abs=0.01)
    assert found.scores["mesh_in_region"] == 1
    cloud = compare_points(verts, faces, scan[0], MM, region=around())
    assert cloud.scores["from_truth"]["max_mm"] < 1e-6 and cloud.scores["samples"] == len(verts)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda verts: 1000 * verts, r"looks like millimetres for metres, divide it by 1000"),
        (lambda verts: verts + 1.0, r"hardly anything of the ground truth \(0 of 4000 samples\)"),
    ],
)
def test_scans_of_another_unit_or_place(change, words):
    verts, faces = ball()
    with pytest.raises(UserError, match=words):
        compare_surfaces(verts, faces, (change(verts), faces), MM, samples=4000, region=around())


def test_a_region_without_keypoints():
    verts, faces = ball()
    nowhere = around(np.full((2, 21, 3), np.nan))
    with pytest.raises(UserError, match=r"hold no wrist with a finger's root"):
        compare_surfaces(verts, faces, (verts, faces), MM, samples=4000, region=nowhere)
