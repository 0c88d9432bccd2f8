import numpy as np
import pytest
import torch

from models.appearance.light import radiance, sh_basis


def quadrature(n: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Directions (Q, 3) and weights (Q,) that integrate polynomials up to degree 2n - 1 exactly.

    Gauss-Legendre in z times 2n equal steps around z.
    """
    z, weight = np.polynomial.legendre.leggauss(n)
    angle = np.arange(2 * n) * np.pi / n
    z, angle = (x.ravel() for x in np.meshgrid(z, angle, indexing="ij"))
    r = np.sqrt(1 - z**2)
    points = np.stack([r * np.cos(angle), r * np.sin(angle), z], 1)
    return torch.from_numpy(points), torch.from_numpy(np.repeat(weight, 2 * n) * np.pi / n)


def test_basis_is_orthogonal_over_the_sphere():
    points, weight = quadrature()
    basis = sh_basis(points)
    gram = basis.T @ (weight[:, None] * basis)
    # Squared norms over the unit sphere without the harmonics' constants: 4 pi times the means
    # of 1, x^2, x^2 y^2 (1/15), (2z^2 - x^2 - y^2)^2 (4/5) and (x^2 - y^2)^2 (4/15).
    norms = [1, 1 / 3, 1 / 3, 1 / 3, 1 / 15, 1 / 15, 4 / 5, 1 / 15, 4 / 15]
    expected = torch.diag(4 * np.pi * torch.tensor(norms, dtype=torch.float64))
    torch.testing.assert_close(gram, expected, atol=1e-12, rtol=1e-12)


def test_order_of_the_functions():
    assert sh_basis(torch.tensor([0.0, 0, 1])).tolist() == [1, 0, 1, 0, 0, 0, 2, 0, 0]
    assert sh_basis(torch.tensor([0.0, 1, 0])).tolist() == [1, 1, 0, 0, 0, 0, -1, 0, -1]
    assert sh_basis(torch.tensor([1.0, 0, 0])).tolist() == [1, 0, 0, 1, 0, 0, -1, 0, 1]
    x, y, z = 2 / 7, 3 / 7, 6 / 7
    found = sh_basis(torch.tensor([x, y, z], dtype=torch.float64))[4:].tolist()
    expected = [x * y, y * z, 2 * z * z - x * x - y * y, z * x, x * x - y * y]
    assert found == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_lower_degrees_are_the_first_functions(degree):
    points, _ = quadrature(2)
    found = sh_basis(points, degree)
    assert found.shape == (len(points), degree**2)
    torch.testing.assert_close(found, sh_basis(points)[:, : degree**2], atol=0, rtol=0)


@pytest.mark.parametrize("degree", [0, 4, 9])
def test_other_degrees_are_refused(degree):
    with pytest.raises(ValueError, match=f"degree is {degree}; expected 1, 2 or 3"):
        sh_basis(torch.zeros(1, 3), degree)


def test_radiance_is_one_row_a_view():
    points, _ = quadrature(2)
    light = torch.zeros(2, 4, dtype=torch.float64)
    light[0, 0], light[1, 2] = 0.8, 0.5  # even light; light from +z
    found = radiance(light, sh_basis(points, 2))
    torch.testing.assert_close(found[0], torch.full_like(found[0], 0.8))
    torch.testing.assert_close(found[1], 0.5 * points[:, 2])


def test_gradients_equal_finite_differences():
    points, _ = quadrature(1)
    light = torch.rand(2, 9, dtype=torch.float64, requires_grad=True)
    points.requires_grad_()
    assert torch.autograd.gradcheck(lambda c, n: radiance(c, sh_basis(n)), (light, points))
