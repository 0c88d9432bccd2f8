"""Each term is zero where nothing is wrong, and the same at every resolution."""

import numpy as np
import pytest
import torch
import trimesh

from models.ham.losses import DETAIL, FOLD_COSINE, SurfaceTerms, photometric_loss, silhouette_loss
from models.ham.state import hand_radius

CLIP = 0.15


def sphere(level: int) -> tuple[torch.Tensor, np.ndarray]:
    mesh = trimesh.creation.icosphere(level)
    return torch.from_numpy(np.array(mesh.vertices)), np.array(mesh.faces)


def smooth(points: torch.Tensor) -> torch.Tensor:
    """A displacement field of some millimetres that every resolution can hold."""
    x, y, z = points.unbind(1)
    return 0.03 * torch.stack([y * z + x, torch.cos(2 * x) * y, z * x - y], 1)


def smooth_albedo(points: torch.Tensor) -> torch.Tensor:
    x, y, z = points.unbind(1)
    return 0.5 + 0.2 * torch.stack([torch.sin(3 * x), torch.sin(2 * y + z), torch.cos(3 * z)], 1)


def terms_on(level: int) -> dict[str, float]:
    points, faces = sphere(level)
    surface, moved = SurfaceTerms(points, faces), smooth(points)
    return {
        "delta": float(surface.delta(moved)),
        "laplacian": float(surface.laplacian(moved)),
        "edge": float(surface.edge(points + moved)),
        "albedo": float(surface.albedo(smooth_albedo(points))),
    }


# --- photometric ---------------------------------------------------------------------------------
def test_photometric_loss_is_the_mean_absolute_error_where_it_has_weight():
    observed = torch.zeros(4, 3)
    predicted = torch.tensor([[0.1, 0.1, 0.1], [0.0, 0.0, 0.06], [0, 0, 0], [0.9, 0.9, 0.9]])
    weight = torch.tensor([1.0, 1, 1, 0])
    loss = photometric_loss(predicted, observed, weight, CLIP)
    assert loss.item() == pytest.approx((0.1 + 0.02 + 0) / 3)
    assert photometric_loss(observed, observed, weight, CLIP).item() == 0


def test_photometric_loss_stops_pulling_beyond_the_clip():
    predicted = torch.tensor([[0.5, 0.5, 0.5], [0.1, 0.1, 0.1]], requires_grad=True)
    loss = photometric_loss(predicted, torch.zeros(2, 3), torch.ones(2), CLIP)
    loss.backward()
    assert loss.item() == pytest.approx((CLIP + 0.1) / 2)
    assert predicted.grad[0].tolist() == [0, 0, 0] and (predicted.grad[1] > 0).all()


@pytest.mark.parametrize("times", [2, 4], ids=["twice the views", "twice the resolution"])
def test_photometric_loss_does_not_grow_with_pixels(times):
    generator = torch.Generator().manual_seed(0)
    predicted, observed = torch.rand(2, 50, 3, generator=generator, dtype=torch.float64)
    weight = torch.rand(50, generator=generator, dtype=torch.float64)
    once = photometric_loss(predicted, observed, weight, CLIP)
    more = [x.repeat_interleave(times, 0) for x in (predicted, observed, weight)]
    torch.testing.assert_close(photometric_loss(*more, CLIP), once)


def test_photometric_loss_of_no_believed_pixel_is_zero_and_has_a_gradient():
    predicted = torch.rand(3, 3, requires_grad=True)
    loss = photometric_loss(predicted, torch.zeros(3, 3), torch.zeros(3), CLIP)
    loss.backward()
    assert loss.item() == 0 and predicted.grad.abs().sum() == 0


# --- silhouette ----------------------------------------------------------------------------------
def disc(size: int, radius: float, shift: float = 0.0) -> torch.Tensor:
    """A disc (size, size) of `radius` (of the image) as 0 and 1."""
    at = (torch.arange(size) + 0.5) / size - 0.5
    return ((at[:, None] ** 2 + (at - shift) ** 2) < radius**2).double()


def whole_image_loss(coverage: torch.Tensor, mask: torch.Tensor) -> float:
    """The loss from all pixels that coverage touches, as HAM gives them."""
    touched = coverage > 0
    trusted = torch.ones_like(mask[touched])
    masked = float(mask.square().sum())
    return float(silhouette_loss(coverage[touched], mask[touched], trusted, masked))


def test_silhouette_loss_is_zero_on_the_mask_and_one_off_it():
    mask = disc(64, 0.3)
    assert whole_image_loss(mask, mask) == 0
    assert whole_image_loss(torch.zeros_like(mask), mask) == 1


def test_silhouette_loss_counts_differing_pixels_over_the_masks():
    mask, coverage = disc(64, 0.3), disc(64, 0.3, shift=0.1)
    differing = (mask - coverage).abs().sum() / mask.sum()
    assert whole_image_loss(coverage, mask) == pytest.approx(float(differing))


def test_silhouette_loss_does_not_depend_on_resolution_and_views():
    # Discs on pixel grids: the area of the difference (20 % of the disc's) is a count of pixels
    # whose error falls with the resolution; 2 % holds at 128.
    values = [whole_image_loss(disc(n, 0.3, 0.1), disc(n, 0.3)) for n in (128, 256)]
    assert values[1] == pytest.approx(values[0], rel=0.02)
    mask, coverage = disc(64, 0.3), disc(64, 0.3, 0.1)
    both = [torch.cat([x, x]) for x in (coverage, mask)]
    assert whole_image_loss(*both) == pytest.approx(whole_image_loss(coverage, mask))


def test_silhouette_loss_ignores_pixels_that_are_not_trusted():
    coverage, mask = torch.tensor([1.0, 1.0]), torch.tensor([1.0, 0.0])
    trusted = torch.tensor([1.0, 0.0])
    assert silhouette_loss(coverage, mask, trusted, masked=1.0).item() == 0


def test_silhouette_loss_without_any_mask_is_zero_and_has_a_gradient():
    coverage = torch.ones(3, requires_grad=True)
    loss = silhouette_loss(coverage, torch.zeros(3), torch.zeros(3), masked=0.0)
    loss.backward()
    assert loss.item() == 0 and coverage.grad.tolist() == [0, 0, 0]


# --- surface -------------------------------------------------------------------------------------
def test_surface_terms_are_zero_at_the_start():
    points, faces = sphere(2)
    surface, still = SurfaceTerms(points, faces), torch.zeros_like(points)
    assert surface.delta(still) == 0 and surface.laplacian(still) == 0
    assert surface.edge(points) == 0 and surface.fold(points) == 0
    assert surface.albedo(torch.full_like(points, 0.7)) == 0


def test_delta_is_one_for_a_displacement_of_one_detail():
    points, faces = sphere(2)
    moved = torch.tensor([[0, 0, DETAIL]], dtype=torch.float64).expand_as(points)
    surface = SurfaceTerms(points, faces)
    assert surface.delta(moved).item() == pytest.approx(1)
    # A translation neither bends nor stretches; what is left is rounding of float64.
    assert surface.laplacian(moved).item() < 1e-20 and surface.edge(points + moved).item() < 1e-20


def test_edge_is_the_square_of_a_uniform_stretch():
    points, faces = sphere(2)
    assert SurfaceTerms(points, faces).edge(1.1 * points).item() == pytest.approx(0.01)


def test_laplacian_of_a_harmonic_is_its_eigenvalue():
    # z has Laplacian 2 z on the unit sphere and mean square 1/3. 1 %: pointwise Laplacians of
    # 2,562 vertices (measured 0.3 %).
    points, faces = sphere(4)
    moved = DETAIL * points[:, 2:] * torch.tensor([[1.0, 0, 0]], dtype=torch.float64)
    expected = (2 * DETAIL) ** 2 / 3 * DETAIL**2
    assert SurfaceTerms(points, faces).laplacian(moved).item() == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("term", ["delta", "laplacian", "edge", "albedo"])
def test_surface_terms_do_not_depend_on_the_mesh(term):
    # 642 and 2,562 vertices hold the same field to second order in the edge length (0.15 and
    # 0.08): within 3 %.
    coarse, fine = terms_on(3), terms_on(4)
    assert coarse[term] > 0
    assert fine[term] == pytest.approx(coarse[term], rel=0.03)


def test_bending_of_an_open_mesh_does_not_depend_on_the_mesh():
    """The rim, whose row of the Laplacian is a flux and no curvature, must not count more."""

    def bending(level: int) -> float:
        points, faces = sphere(level)
        faces = faces[(points[faces][..., 2] < 0.4).all(1).numpy()]
        used, faces = np.unique(faces, return_inverse=True)
        points = points[used]
        return float(SurfaceTerms(points, faces.reshape(-1, 3)).laplacian(smooth(points)))

    assert bending(4) == pytest.approx(bending(3), rel=0.1)  # the rims differ a little


def test_total_variation_of_a_step_does_not_depend_on_the_mesh():
    """A step of 0.3 around the equator: its length times its height over the area."""

    def variation(level: int) -> float:
        points, faces = sphere(level)
        step = 0.3 * (points[:, 2:] > 0.01).double().expand(-1, 3)
        return float(SurfaceTerms(points, faces).albedo(step))

    assert variation(4) == pytest.approx(variation(3), rel=0.1)  # the step follows the edges


def test_fold_rises_only_when_a_face_turns_beyond_its_limit():
    points, faces = sphere(2)
    surface = SurfaceTerms(points, faces)
    assert surface.fold(points + smooth(points)) == 0
    # Push one vertex far through the opposite edges of its fan: some of its faces turn over.
    pushed = points.clone()
    a, b, c = faces[7]
    pushed[a] += 1.5 * ((points[b] + points[c]) / 2 - points[a])
    before = surface.fold(pushed)
    assert before >= 1.0 / len(faces)  # at least one face has turned by 90 degrees or more
    pushed[a] += 0.5 * ((points[b] + points[c]) / 2 - points[a])
    assert surface.fold(pushed) > before


def test_fold_of_a_sheet_turned_upside_down():
    sheet = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    surface = SurfaceTerms(sheet, np.array([[0, 1, 2], [0, 2, 3]]))
    turned = sheet * torch.tensor([-1.0, 1, 1])
    assert surface.fold(turned).item() == pytest.approx(1 + FOLD_COSINE)


@pytest.mark.parametrize("term", ["delta", "laplacian", "edge", "fold", "albedo"])
def test_gradients_of_surface_terms_equal_finite_differences(term):
    points, faces = sphere(0)
    surface = SurfaceTerms(points, faces)
    generator = torch.Generator().manual_seed(1)
    spread = {"fold": 1.0, "albedo": 0.5}.get(term, 0.05)
    x = spread * torch.randn(points.shape, generator=generator, dtype=torch.float64)
    if term in ("edge", "fold"):
        x = x + points
    if term == "fold":
        assert surface.fold(x) > 0
    scale = DETAIL**2 if term == "delta" else 1  # gradcheck's tolerances are for numbers near 1
    function = getattr(surface, term)
    assert torch.autograd.gradcheck(lambda y: scale * function(y), x.requires_grad_())


def test_gradients_of_image_terms_equal_finite_differences():
    generator = torch.Generator().manual_seed(0)
    a, b, c = torch.rand(3, 6, 3, generator=generator, dtype=torch.float64)
    weight, coverage, mask = c.unbind(1)
    a.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: photometric_loss(x, b, weight, CLIP), a)
    coverage = coverage.clone().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: silhouette_loss(x, mask, torch.ones(6), masked=2.0), coverage
    )


def test_radius_of_a_hand():
    verts = np.array([[0.0, 0, 0], [6, 0, 0], [3, 4, 0]])  # box's middle (3, 2, 0)
    assert hand_radius(verts) == pytest.approx(np.sqrt(13))
    assert hand_radius(1000 * verts + 5) == pytest.approx(1000 * np.sqrt(13))
