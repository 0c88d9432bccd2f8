"""Coverage, ids, barycentrics and depth against drawings, brute force, OpenCV and a ray caster."""

import cv2
import numpy as np
import pytest
import torch

from utils.cameras import Cameras
from utils.render import Fragments, Renderer
from utils.render.benchmark import HAND, load_hand, surround

FOCAL = torch.tensor([100.0])


def flat(points: list[tuple[float, float]], depth: float = 2.0) -> torch.Tensor:
    """Pixels at one depth as homogeneous pixels (1, V, 3)."""
    xy = torch.tensor(points, dtype=torch.float32)
    return torch.cat([xy, torch.ones(len(xy), 1)], 1)[None] * depth


def rasterize(verts_px: torch.Tensor, faces: list, size: tuple[int, int]) -> Fragments:
    faces = torch.tensor(faces, dtype=torch.int64).reshape(-1, 3)
    sizes = torch.tensor([size] * len(verts_px))
    return Renderer(faces, backend="cpu").rasterize_px(verts_px, sizes, FOCAL.expand(len(sizes)))


def drawing(fragments: Fragments, view: int = 0) -> str:
    """The face ids of a view, '.' where there is none."""
    height, width = fragments.sizes[view].tolist()
    rows = [["."] * width for _ in range(height)]
    for v, y, x, f in zip(fragments.view, fragments.y, fragments.x, fragments.face):
        if v == view:
            assert rows[y][x] == ".", "pixel drawn twice"
            rows[y][x] = str(int(f))
    return "\n".join("".join(row) for row in rows)


def id_map(fragments: Fragments, view: int = 0) -> np.ndarray:
    height, width = fragments.sizes[view].tolist()
    ids = np.full((height, width), -1)
    own = fragments.view == view
    ids[fragments.y[own], fragments.x[own]] = fragments.face[own]
    return ids


def brute_force(verts_px: torch.Tensor, faces: torch.Tensor, size: tuple[int, int]):
    """Ids (H, W) by solving for the barycentrics of every pixel and face, and how safe they are.

    The margin (H, W) is the least distance from 0 of any barycentric or gap in inverse depth.
    """
    height, width = size
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    pixels = torch.stack([x, y, torch.ones_like(x)], -1).double()
    best = torch.zeros(height, width, dtype=torch.float64)
    ids = torch.full((height, width), -1)
    margin = torch.full((height, width), torch.inf, dtype=torch.float64)
    for f, face in enumerate(faces):
        weights = pixels @ torch.linalg.inv(verts_px[face].double().T).T
        inv_z = weights.sum(-1)
        inside = (weights >= 0).all(-1)
        margin = torch.minimum(margin, weights.abs().amin(-1))
        margin = torch.where(inside, torch.minimum(margin, (inv_z - best).abs()), margin)
        nearer = inside & (inv_z > best)
        best[nearer], ids[nearer] = inv_z[nearer], f
    return ids.numpy(), margin.numpy()


def test_covered_pixels_of_every_view():
    """Of some of the fragments, too, and of a view that shows nothing."""
    views = torch.cat(
        [flat([(1, 1), (5, 1), (1, 5)]), flat([(99, 0)] * 3), flat([(0, 0), (9, 0), (0, 9)])]
    )
    fragments = rasterize(views, [[0, 1, 2]], (6, 7))
    for view, image in enumerate(fragments.covered()):
        np.testing.assert_array_equal(image, id_map(fragments, view) >= 0)
    some = fragments.part(torch.arange(3, len(fragments), 2))
    for view, image in enumerate(some.covered()):
        np.testing.assert_array_equal(image, id_map(some, view) >= 0)
    assert [image.any() for image in fragments.covered()] == [True, False, True]


def test_two_triangles_share_an_edge_through_pixel_centres():
    """Upper and left edges are a face's own, so the square of 4 x 4 covers 4 x 4 pixels."""
    square = flat([(1, 1), (5, 1), (5, 5), (1, 5)])
    fragments = rasterize(square, [[0, 1, 2], [0, 2, 3]], (7, 7))
    assert drawing(fragments) == (
        "......."  # 0
        "\n.0000.."
        "\n.1000.."
        "\n.1100.."
        "\n.1110.."
        "\n......."
        "\n......."
    )


def test_either_winding_covers_the_same_pixels():
    corners = flat([(0.2, 0.3), (5.4, 1.1), (2.2, 5.6)])
    back, front = rasterize(corners, [[0, 1, 2]], (7, 7)), rasterize(corners, [[0, 2, 1]], (7, 7))
    assert drawing(front) == drawing(back)
    assert "0" in drawing(front)
    assert front.front_facing().all()  # counter-clockwise with y down
    assert not back.front_facing().any()


@pytest.mark.parametrize("seed", range(6))
def test_a_fan_covers_every_pixel_once(seed):
    """Corners on pixel centres and between: the fan leaves no hole, draws no pixel twice."""
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
    ring = 10 + 8 * np.stack([np.cos(angles), np.sin(angles)], 1)
    if seed % 2:
        ring = np.round(ring)
    verts = flat([(10, 10), *map(tuple, ring)])
    faces = [[0, i, i % 9 + 1] for i in range(1, 10)]
    whole = rasterize(verts, faces, (21, 21))
    pixels = whole.y * 21 + whole.x
    assert len(pixels.unique()) == len(pixels)
    apart = [
        set((f.y * 21 + f.x).tolist()) for f in (rasterize(verts, [t], (21, 21)) for t in faces)
    ]
    # Faces of the fan that turn backwards (a gap of more than half a circle) may overlap others.
    if np.diff([*angles, angles[0] + 2 * np.pi]).max() < np.pi:
        assert sum(map(len, apart)) == len(pixels)


@pytest.mark.parametrize("size", [(20, 24), (60, 90), (140, 200)])
def test_ids_against_brute_force(size):
    generator = torch.Generator().manual_seed(size[0])
    z = 1 + 2 * torch.rand(3, 30, generator=generator)
    x = size[1] * (1.4 * torch.rand(3, 30, generator=generator) - 0.2)
    y = size[0] * (1.4 * torch.rand(3, 30, generator=generator) - 0.2)
    verts_px = torch.stack([x * z, y * z, z], -1)
    faces = torch.arange(30).reshape(10, 3)
    fragments = rasterize(verts_px, faces.tolist(), size)
    for view in range(3):
        expected, margin = brute_force(verts_px[view], faces, size)
        safe = margin > 1e-4  # the grid of 1/4096 pixel moves an edge by no more
        assert safe.mean() > 0.99
        assert (id_map(fragments, view) == expected)[safe].all()


def test_faces_through_the_camera_plane_are_clipped():
    """A floor from in front of the camera to behind it: brute force needs no clipping."""
    K = torch.tensor([[20.0, 0, 15], [0, 20, 10], [0, 0, 1]])
    floor = torch.tensor(
        [[-5.0, 1, 9], [5, 1, 9], [5, 1, -3], [-5, 1, -3], [0, 0.5, 4], [0, -2, -1]]
    )
    verts_px = floor @ K.T
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [4, 5, 0]])
    fragments = rasterize(verts_px[None], faces.tolist(), (21, 31))
    expected, margin = brute_force(verts_px, faces, (21, 31))
    safe = margin > 1e-4
    assert (id_map(fragments) == expected)[safe].all()
    assert (expected >= 0).mean() > 0.3
    assert torch.isfinite(fragments.bary).all()


def test_faces_far_outside_the_image_are_clipped():
    verts_px = flat([(-1e7, 3.5), (1e7, -1e7), (1e7, 3.5)])
    fragments = rasterize(verts_px, [[0, 1, 2]], (6, 5))
    assert drawing(fragments) == "00000\n00000\n00000\n00000\n.....\n....."


@pytest.mark.parametrize(
    "points",
    [
        [(2, 2), (2, 2), (2, 2)],  # a point on a pixel centre
        [(1, 1), (3, 3), (5, 5)],  # a line through pixel centres
        [(1.2, 1.1), (1.4, 1.3), (1.3, 1.6)],  # between pixel centres
        [(-9, 0), (-5, 0), (-7, 5)],  # left of the image
        [(100, 0), (105, 0), (107, 5)],
        [(float("nan"), 0), (5, 0), (2, 5)],
    ],
)
def test_faces_that_cover_nothing(points):
    fragments = rasterize(flat(points), [[0, 1, 2]], (6, 6))
    assert len(fragments) == 0
    assert len(fragments.pixel_x) == 0
    assert fragments.bary.shape == (0, 3)


def test_faces_behind_the_camera_are_dropped():
    assert len(rasterize(-flat([(0, 0), (5, 0), (0, 5)]), [[0, 1, 2]], (6, 6))) == 0


def test_thinner_than_a_pixel():
    """A sliver 0.02 pixels high over the centres of row 2 covers that row and nothing else."""
    sliver = flat([(-0.5, 1.99), (6.5, 1.99), (6.5, 2.01), (-0.5, 2.01)])
    fragments = rasterize(sliver, [[0, 1, 2], [0, 2, 3]], (5, 6))
    rows = drawing(fragments).splitlines()
    assert set("".join(rows[:2] + rows[3:])) == {"."}
    assert "." not in rows[2]
    assert (fragments.bary >= 0).all()


def test_one_pixel_image_and_empty_mesh():
    over = flat([(-5, -5), (5, -5), (0, 9)])
    assert drawing(rasterize(over, [[0, 1, 2]], (1, 1))) == "0"
    assert len(rasterize(over, [], (4, 4))) == 0
    assert len(rasterize(torch.zeros(2, 0, 3), [], (4, 4))) == 0


def test_equal_depth_keeps_the_first_face():
    fragments = rasterize(flat([(-1, -1), (9, -1), (-1, 9)]), [[0, 1, 2], [0, 1, 2]], (3, 3))
    assert (fragments.face == 0).all()


def test_views_of_different_sizes_one_of_them_empty():
    corners = flat([(0, 0), (20, 0), (0, 20)])
    away = corners + 2 * torch.tensor([100.0, 0, 0])
    renderer = Renderer(torch.tensor([[0, 1, 2]]), backend="cpu")
    sizes = torch.tensor([[4, 6], [5, 5], [8, 3]])
    fragments = renderer.rasterize_px(torch.cat([corners, away, corners]), sizes, torch.ones(3))
    assert fragments.offsets.tolist() == [0, 24, 24, 48]
    assert fragments.view.tolist() == [0] * 24 + [2] * 24
    order = (fragments.view.long() * 100 + fragments.y) * 100 + fragments.x
    assert (order[1:] > order[:-1]).all()


def test_one_view_on_several_threads_equals_many_views():
    """A single view deals its faces out to threads; the same view twice does not."""
    verts, faces = load_hand(HAND, 1600)
    cameras = surround(verts, 2, (120, 160)).to(dtype=torch.float32)
    renderer = Renderer(torch.from_numpy(faces), backend="cpu")
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        both = renderer.rasterize(cameras, torch.from_numpy(verts).float())
        one = renderer.rasterize(cameras[1], torch.from_numpy(verts).float())
    finally:
        torch.set_num_threads(threads)
    own = both.view == 1
    assert torch.equal(both.face[own], one.face)
    assert torch.equal(both.bary[own], one.bary)


def test_depth_and_position_agree_with_opencv():
    """cv2.projectPoints sends the surface point of each fragment to the fragment's pixel."""
    verts, faces = load_hand(HAND, 1600)
    cameras = surround(verts, 3, (150, 200))
    fragments = Renderer(torch.from_numpy(faces)).rasterize(cameras, torch.from_numpy(verts))
    corners = verts[faces[fragments.face.numpy()]]
    points = np.einsum("nk,nkj->nj", fragments.bary.numpy().astype(np.float64), corners)
    for i in range(3):
        own = (fragments.view == i).numpy()
        R, t, K = (m[i].numpy() for m in (cameras.R, cameras.t, cameras.K))
        pixels = cv2.projectPoints(points[own], cv2.Rodrigues(R)[0], t, K, None)[0][:, 0]
        expected = np.stack([fragments.x, fragments.y], 1)[own]
        # Sub-pixel faces: float32 homogeneous pixels are good to 1e-4, the grid to 1/4096.
        assert np.abs(pixels - expected).max() < 2e-3
        z = points[own] @ R[2] + t[2]
        np.testing.assert_allclose(fragments.depth.numpy()[own], z, rtol=1e-5)


@pytest.mark.parametrize("vertices", [1600, 12000])
def test_ids_agree_with_a_ray_caster(vertices):
    """Of pixels inside the silhouette, 99.9 % show the face that a ray hits first."""
    pytest.importorskip("embreex", reason="needs embreex (requirements-benchmark.txt)")
    import trimesh

    verts, faces = load_hand(HAND, vertices)
    cameras = surround(verts, 2, (240, 320))
    fragments = Renderer(torch.from_numpy(faces)).rasterize(cameras, torch.from_numpy(verts))
    scale = 10.0 / np.ptp(verts)  # Embree works in float32 with absolute tolerances
    mesh = trimesh.Trimesh(verts * scale, faces, process=False)
    for i in range(2):
        own = (fragments.view == i).numpy()
        x, y = fragments.x.numpy()[own], fragments.y.numpy()[own]
        directions = np.stack([x, y, np.ones(len(x))], 1) @ np.linalg.inv(cameras.K[i].numpy()).T
        directions = directions @ cameras.R[i].numpy()
        origins = np.tile(cameras.centers()[i].numpy() * scale, (len(x), 1))
        hit = mesh.ray.intersects_first(origins, directions)
        assert (hit >= 0).mean() > 0.999
        inside = interior(id_map(fragments, i) >= 0)[y, x]
        # Seams of faces aside, where float32 rays and exact edges may differ.
        least = fragments.bary.numpy()[own].min(1)
        equal = hit == fragments.face.numpy()[own]
        assert equal[inside].mean() > 0.999, (equal[inside].mean(), least[inside & ~equal][:9])


def interior(covered: np.ndarray) -> np.ndarray:
    """Pixels whose eight neighbours are covered."""
    return cv2.erode(covered.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0


def test_wrong_shapes_are_refused():
    renderer = Renderer(torch.tensor([[0, 1, 2]]), backend="cpu")
    sizes = torch.tensor([[4, 4]])
    with pytest.raises(ValueError, match="faces: expected"):
        Renderer(torch.zeros(3, 4))
    with pytest.raises(ValueError, match="vertex 2 of 2"):
        renderer.rasterize_px(torch.ones(1, 2, 3), sizes, FOCAL)
    with pytest.raises(ValueError, match="image sizes"):
        renderer.rasterize_px(torch.ones(2, 3, 3), sizes, FOCAL)
    fragments = renderer.rasterize_px(flat([(0, 0), (5, 0), (0, 5)]), sizes, FOCAL)
    with pytest.raises(ValueError, match="attributes: expected"):
        renderer.interpolate(fragments, torch.zeros(4, 2))


def test_cameras_of_higher_precision_than_vertices():
    verts = torch.tensor([[-1.0, -1, 0], [1, -1, 0], [0, 1, 0]])
    cameras = Cameras(
        torch.tensor([[[10.0, 0, 5], [0, 10, 5], [0, 0, 1]]]).double(),
        torch.eye(3)[None].double(),
        torch.tensor([[0, 0, 4.0]]).double(),
        torch.tensor([[11, 11]]),
    )
    fragments = Renderer(torch.tensor([[0, 1, 2]])).rasterize(cameras, verts)
    assert fragments.depth.allclose(torch.tensor(4.0))
