"""HAM's kernels against the same formulas in torch: values and gradients."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.appearance.light import LOBES
from models.appearance.model import Appearance
from models.ham.comparison import PhotoTerms
from models.ham.losses import SurfaceTerms, photometric_loss, silhouette_loss
from models.ham.surface import KernelSurfaceTerms, surface_terms
from tests.scenes.ham import sphere_scene
from utils.cameras.correction import CorrectableCameras
from utils.geometry.mesh import vertex_normals
from utils.photos.crops import Photos, pack_photos
from utils.render import Renderer

CLIP = 0.15
ROUNDING = 2e-5  # of a gradient's length: sums of float32 in another order


@pytest.fixture(scope="module")
def scene():
    return sphere_scene(level=3, views=4, pixels=64)


@pytest.fixture(scope="module")
def photos(scene) -> Photos:
    """Photos of which some pixels are not compared and some masks not believed."""
    whole = pack_photos(scene.crops(), scene.in_hand_units()[2], 1.0)
    table, random = whole.table.clone(), torch.Generator().manual_seed(1)
    for column in (4, 5):
        table[:, column] *= torch.rand(len(table), generator=random) < 0.8
    return replace(whole, table=table)


def close(found: torch.Tensor, expected: torch.Tensor) -> bool:
    return float((found - expected).norm()) <= ROUNDING * float(expected.norm())


def moved(points: torch.Tensor, size: float) -> torch.Tensor:
    return points + size * torch.randn(points.shape, generator=torch.Generator().manual_seed(0))


def test_all_surface_terms_at_once_are_each_of_them(scene):
    start = scene.in_hand_units()[0]
    verts, albedo = moved(start, 0.1).requires_grad_(), torch.rand_like(start).requires_grad_()
    for terms in (surface_terms(start, scene.faces), SurfaceTerms(start, scene.faces)):
        offset = terms.displacement(verts)
        expected = {
            "lap": terms.laplacian(offset),
            "edge": terms.edge(verts),
            "delta": terms.delta(offset),
            "fold": terms.fold(verts),
        }
        assert terms.named(verts) == expected
        assert terms.named(verts, albedo) == {**expected, "albedo": terms.albedo(albedo)}


@pytest.mark.parametrize("name", ["laplacian", "delta", "edge", "fold", "albedo"])
def test_surface_terms(scene, name):
    start = scene.in_hand_units()[0]
    given = {
        "albedo": torch.rand(start.shape, generator=torch.Generator().manual_seed(2)),
        "edge": moved(start, 0.01),
        "fold": moved(start, 0.1),  # so far that faces turn over
    }.get(name, moved(start, 0.01) - start)
    results = []
    for terms in (surface_terms(start, scene.faces), SurfaceTerms(start, scene.faces)):
        at = given.clone().requires_grad_()
        value = getattr(terms, name)(at)
        (3 * value).backward()
        results.append((value.item(), at.grad))
    (value, gradient), (expected, expected_gradient) = results
    assert value == pytest.approx(expected, rel=1e-5) and expected > 0
    assert close(gradient, expected_gradient)


def test_other_precisions_and_devices_take_torch(scene):
    start = scene.in_hand_units()[0]
    assert isinstance(surface_terms(start, scene.faces), KernelSurfaceTerms)
    assert type(surface_terms(start.double(), scene.faces)) is SurfaceTerms


@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize("shiny", [False, True])
def test_comparison_with_photos(scene, photos, degree, shiny):
    """Photometric and silhouette term, and their gradient in all that HAM optimises."""
    random = torch.Generator().manual_seed(3)
    verts, faces = moved(scene.in_hand_units()[1], 0.01), torch.from_numpy(scene.faces)
    views = len(photos.starts)
    light = 0.1 * torch.randn(views, degree**2, generator=random)
    light[:, 0] += 1.0
    given = (
        verts,
        torch.rand(verts.shape, generator=random),
        light,
        1 + 0.2 * torch.rand(views, 3, generator=random),
        0.01 * torch.randn(views, 6, generator=random),
    )
    lobes = 0.05 * torch.rand(LOBES, 3, generator=random) if shiny else None
    terms = PhotoTerms(Renderer(faces), photos, CLIP)
    results = []
    for compare in (terms, lambda *args: plainly(terms, *args)):
        at, albedo, lit, gain, correction = leaves = [x.clone().requires_grad_() for x in given]
        cameras = CorrectableCameras(photos.cameras, torch.zeros(3)).corrected(correction)
        normals, fragments = vertex_normals(at, faces), terms.renderer.rasterize(cameras, at)
        values = compare(fragments, Appearance(albedo, lit, gain, lobes), cameras, at, normals)
        (2 * values[0] + values[1]).backward()
        results.append((values, [leaf.grad for leaf in leaves]))
    (values, gradients), (expected, expected_gradients) = results
    for value, wanted in zip(values, expected):
        assert value.item() == pytest.approx(wanted.item(), rel=1e-5)
    for gradient, wanted in zip(gradients, expected_gradients):
        assert close(gradient, wanted) and float(wanted.norm()) > 0


def plainly(terms, fragments, appearance, cameras, verts, normals):
    """`PhotoTerms` in torch, as on other devices."""
    colors = appearance.colors_in(cameras, verts, normals)
    rim = terms.renderer.coverage(fragments)
    pixels = terms.photos.at(rim.view, rim.y, rim.x)
    shown = pixels.first(rim.covered)
    predicted = terms.renderer.interpolate(fragments, colors)
    weight = shown.photometric * fragments.front_facing()
    return (
        photometric_loss(predicted, shown.color, weight, CLIP),
        silhouette_loss(rim.value, pixels.mask, pixels.silhouette, terms.masked),
    )


def test_vertices_that_are_no_numbers_make_no_numbers(scene, photos):
    """As in torch: the loss shows it, and nothing is read or written out of place."""
    verts, faces = scene.in_hand_units()[1].clone(), torch.from_numpy(scene.faces)
    verts[:5] = np.nan
    verts.requires_grad_()
    terms = PhotoTerms(Renderer(faces), photos, CLIP)
    views, count = len(photos.starts), len(verts)
    appearance = Appearance(
        torch.ones(count, 3), torch.ones(views, 9), torch.ones(views, 3), torch.ones(LOBES, 3)
    )
    fragments, normals = (
        terms.renderer.rasterize(photos.cameras, verts),
        vertex_normals(verts, faces),
    )
    sum(terms(fragments, appearance, photos.cameras, verts, normals)).backward()
    assert verts.grad.shape == verts.shape
