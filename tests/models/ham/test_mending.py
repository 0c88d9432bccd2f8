import numpy as np
import pytest
import torch
import trimesh

from models.ham.mending import bad_faces, mend
from models.ham.state import HamState, mend_state

SPHERE = trimesh.creation.icosphere(3)  # 642 vertices, edges about 0.15
START, FACES = np.array(SPHERE.vertices), np.array(SPHERE.faces)


def rings_around(vertices: np.ndarray, count: int) -> np.ndarray:
    """Vertices (V,) bool within `count` edges of `vertices`."""
    near = np.zeros(len(START), bool)
    near[vertices] = True
    for _ in range(count):
        near[FACES[near[FACES].any(1)].ravel()] = True
    return near


def bumpy() -> np.ndarray:
    """A sound displacement of the whole sphere, which mending must leave alone."""
    x, y, z = START.T
    return START * (1 + 0.05 * np.sin(4 * x) * np.cos(3 * y + z))[:, None]


def folded(verts: np.ndarray) -> tuple[np.ndarray, int]:
    """One vertex pushed through the opposite side of its faces."""
    vertex, *opposite = FACES[200]
    verts = verts.copy()
    verts[vertex] += 1.8 * (verts[opposite].mean(0) - verts[vertex])
    return verts, vertex


def test_a_sound_mesh_is_not_touched():
    verts = bumpy()
    mended, soundness = mend(verts, START, FACES)
    assert np.array_equal(mended, verts)
    assert (soundness.start, soundness.found, soundness.left) == (0, 0, 0)


def test_a_fold_is_undone_and_nothing_far_from_it_moves():
    verts, vertex = folded(bumpy())
    assert len(bad_faces(verts, FACES)) > 0
    mended, soundness = mend(verts, START, FACES)
    assert soundness.found > 0 and soundness.left == 0
    assert len(bad_faces(mended, FACES)) == 0
    far = ~rings_around(np.array([vertex]), 5)
    assert far.sum() > 400
    # start + (verts - start) may differ from verts by the last bit of float64.
    np.testing.assert_allclose(mended[far], verts[far], rtol=0, atol=1e-15)
    # The bump that the fold sat on stays: the vertex is back where its neighbours ask it to be.
    assert np.linalg.norm(mended[vertex] - bumpy()[vertex]) < 0.02


def test_two_sides_pushed_through_each_other_are_parted():
    verts = START.copy()
    north, south = START[:, 2].argmax(), START[:, 2].argmin()
    for pole, depth in ((north, -1.2), (south, 1.2)):  # dents that meet and pass in the middle
        falloff = np.exp(-((START - START[pole]) ** 2).sum(1) / 0.15)
        verts[:, 2] += depth * falloff
    assert len(bad_faces(verts, FACES)) > 10
    mended, soundness = mend(verts, START, FACES)
    assert soundness.left == 0 and len(bad_faces(mended, FACES)) == 0
    equator = np.abs(START[:, 2]) < 0.1
    np.testing.assert_allclose(mended[equator], verts[equator], rtol=0, atol=1e-15)


def test_what_is_wrong_in_the_start_is_counted_and_not_mended():
    start, _ = folded(START)
    verts = np.add(start, [0.1, 0, 0])
    mended, soundness = mend(verts, start, FACES)
    assert soundness.start == len(bad_faces(start, FACES)) > 0
    assert soundness.found == 0
    assert np.array_equal(mended, verts)


@pytest.mark.parametrize("fold", [False, True])
def test_state_keeps_all_but_its_vertices(fold):
    verts = folded(bumpy())[0] if fold else bumpy()
    state = HamState(
        torch.tensor(verts, dtype=torch.float32), torch.tensor(START, dtype=torch.float32), FACES,
        torch.zeros(1, 6), subdivisions=2, history=[{"total": 1.0}],
    )  # fmt: skip
    mended, soundness = mend_state(state)
    assert (soundness.found > 0) == fold and soundness.left == 0
    if not fold:
        assert mended is state
        return
    assert mended.verts.dtype == torch.float32 and not torch.equal(mended.verts, state.verts)
    assert (mended.reference is state.reference, mended.subdivisions) == (True, 2)
    moved = (mended.verts != state.verts).any(1)
    assert moved.float().mean() < 0.3  # in float32 the untouched vertices stay as they are
    assert len(bad_faces(mended.verts.double().numpy(), FACES)) == 0
