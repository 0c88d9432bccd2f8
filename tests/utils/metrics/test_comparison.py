"""Comparisons of surfaces whose distance is known."""

import numpy as np
import pytest
import trimesh

from utils.errors import UserError
from utils.metrics.comparison import compare_points, compare_surfaces

SPHERE = trimesh.creation.icosphere(5, radius=0.1)  # 10,242 vertices; flat faces: 0.03 mm inside
VERTS, FACES = np.array(SPHERE.vertices), np.array(SPHERE.faces)
SAMPLES = 4000


def compared(verts, faces=FACES, truth=(VERTS, FACES), **options):
    return compare_surfaces(verts, faces, truth, 1000.0, samples=SAMPLES, **options)


def grid(n=21, size=0.1, height=0.0):
    """A square of `size` metres in the plane z = height."""
    x, y = np.meshgrid(*[np.linspace(0, size, n)] * 2, indexing="ij")
    verts = np.stack([x.ravel(), y.ravel(), np.full(n * n, height)], 1)
    a = (np.arange(n - 1)[:, None] * n + np.arange(n - 1)).ravel()
    faces = np.concatenate([np.stack([a, a + n, a + n + 1], 1), np.stack([a, a + n + 1, a + 1], 1)])
    return verts, faces


def test_a_surface_against_itself():
    found = compared(VERTS)
    assert found.scores["chamfer_mm"] < 1e-9
    assert found.scores["f_score"] == {"0.5_mm": 1, "1_mm": 1, "2_mm": 1}
    assert found.scores["normal_deg"] < 1e-3  # samples on edges may find the face beside theirs
    np.testing.assert_allclose(found.error, 0, atol=1e-9)


def test_a_larger_sphere_is_off_by_the_difference_of_radii():
    found = compared(1.01 * VERTS)
    for way in ("to_truth", "from_truth"):
        # 1 mm less what faces are flat: edges of 3.6 mm bend by up to 0.02 mm
        assert found.scores[way]["mean_mm"] == pytest.approx(1, abs=0.03)
        assert found.scores[way]["max_mm"] == pytest.approx(1, abs=0.05)
        assert found.scores[way]["left_out"] == 0
    assert np.nanmean(found.error) == pytest.approx(1, abs=0.03)  # outside: above 0
    assert np.nanmean(compared(0.99 * VERTS).error) == pytest.approx(-1, abs=0.03)
    assert found.scores["normal_deg"] < 2.5  # the faces' angle to each other is 2 degrees


def test_a_shifted_sphere():
    """A shift d along z moves the surface by d |cos|, whose mean over a sphere is d / 2."""
    found = compared(VERTS + np.array([0, 0, 0.002]))
    assert found.scores["to_truth"]["mean_mm"] == pytest.approx(1, abs=0.03)
    assert found.scores["to_truth"]["max_mm"] == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize(
    ("offset", "expected"), [(0.4, (1, 1, 1)), (0.7, (0, 1, 1)), (3, (0,) * 3)]
)
def test_f_score_steps_where_the_offset_passes_the_threshold(offset, expected):
    flat, faces = grid()
    raised, _ = grid(height=offset / 1000)
    scores = compared(raised, faces, (flat, faces)).scores
    assert scores["chamfer_mm"] == pytest.approx(offset, rel=1e-6)
    assert tuple(scores["f_score"].values()) == expected
    assert scores["normal_deg"] == 0


def test_f_score_is_the_harmonic_mean_of_both_shares():
    """A truth twice as wide: all of the mesh is right (1), half of the truth is found (1/2)."""
    own, faces = grid(21, 0.1)
    wide = own * [2, 1, 1]
    _, _, scores = own, wide, compared(own, faces, (wide, faces)).scores
    # What lies beyond the mesh is nearest to its border and left out: the wrist's rule.
    assert scores["from_truth"]["left_out"] == pytest.approx(0.5, abs=0.01)
    assert scores["from_truth"]["mean_mm"] == pytest.approx(0, abs=1e-9)
    assert scores["from_truth"]["mean_all_mm"] == pytest.approx(25, abs=0.5)
    assert scores["to_truth"]["left_out"] < 0.01
    closed = compared(
        VERTS, FACES, (np.concatenate([VERTS, VERTS + np.array([0.15, 0, 0])]), two_of(FACES))
    )
    assert closed.scores["from_truth"]["left_out"] == 0  # spheres have no border
    near, recall = 1.0, closed.scores["f_score"]["0.5_mm"]
    share = recall / (2 - recall)  # f = 2 p r / (p + r) with p = 1
    assert near == 1 and 0.45 < share < 0.55


def two_of(faces):
    return np.concatenate([faces, faces + faces.max() + 1])


def test_hands_are_scored_apart():
    """The first sphere is right, the second 1 mm too large."""
    apart = np.array([0.3, 0, 0])
    truth = np.concatenate([VERTS, VERTS + apart])
    own = np.concatenate([VERTS, 1.01 * VERTS + apart])
    faces = two_of(FACES)
    found = compared(own, faces, (truth, faces), hands=("left", "right"))
    assert found.hands["left"]["chamfer_mm"] < 1e-9
    assert found.hands["right"]["chamfer_mm"] == pytest.approx(1, abs=0.03)
    assert 0.45 < found.scores["chamfer_mm"] < 0.55
    alone = compared(own, faces, (VERTS, FACES), hands=("left", "right"))
    assert list(alone.hands) == ["left"] and alone.scores["absent_in_truth"] == ["right"]
    assert alone.scores["chamfer_mm"] < 1e-9  # distances of 300 mm to nothing are no errors
    missed = compared(VERTS, FACES, (truth, faces))
    assert missed.scores["missed_truth"] == pytest.approx(0.5, abs=0.01)


def test_normals_turned_inside_out_are_turned_back():
    found = compared(1.01 * VERTS, truth=(VERTS, FACES[:, ::-1]))
    assert found.scores["truth_turned_inside_out"] and found.scores["normal_deg"] < 2.5
    assert np.nanmean(found.error) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (1000, "1000 times as large as the reconstruction.*millimetres for metres, divide it by"),
        (0.01, "0.01 times.*the reverse of centimetres for metres, multiply it by 100"),
        (4, "4 times .*bring it into the unit"),
    ],
)
def test_other_units_are_refused_with_the_ratio(factor, words):
    with pytest.raises(UserError, match=words):
        compared(VERTS, truth=(factor * VERTS, FACES))


def test_a_truth_elsewhere_is_refused():
    with pytest.raises(UserError, match=r"lies .* world units from .* the world frame"):
        compared(VERTS, truth=(VERTS + np.array([0, 0, 1]), FACES))


def test_a_cloud_is_compared_one_way():
    """Points 1 mm outside of half the sphere: the other half is not missing, but not known."""
    half = 1.01 * VERTS[VERTS[:, 2] > -0.02]
    found = compare_points(VERTS, FACES, half, 1000.0, samples=SAMPLES)
    assert found.scores["from_truth"]["mean_mm"] == pytest.approx(1, abs=0.03)
    assert "normal_deg" not in found.scores["from_truth"] and found.error is None
    for name in ("to_truth", "chamfer_mm", "normal_deg", "f_score"):
        assert found.scores[name] is None
    assert found.scores["absent_in_truth"] == [] and found.scores["missed_truth"] == 0


def test_clouds_of_another_unit_or_place_are_refused():
    with pytest.raises(UserError, match=r"1000 times as large .* divide it by 1000"):
        compare_points(VERTS, FACES, 1000 * VERTS, 1000.0)
    with pytest.raises(UserError, match=r"lies .* world units from the reconstruction"):
        compare_points(VERTS, FACES, VERTS + 1, 1000.0)


def test_a_truth_without_area_is_said_to_be_none():
    with pytest.raises(UserError, match="the ground truth is no surface"):
        compared(VERTS, truth=(VERTS, np.zeros((3, 3), int)))
