import torch
from scipy.spatial.transform import Rotation

from utils.geometry.rotations import rotation_and_jacobian, skew


def vectors(length: float) -> torch.Tensor:
    r = torch.randn(20, 3, generator=torch.Generator().manual_seed(0)).double()
    return length * r / r.norm(dim=1, keepdim=True)


def test_rotations_are_scipys_at_every_angle():
    for length in (0.0, 1e-9, 1e-4, 0.5, 3.1, 6.0):
        R, left = rotation_and_jacobian(vectors(length))
        expected = torch.from_numpy(Rotation.from_rotvec(vectors(length).numpy()).as_matrix())
        assert (R - expected).abs().max() < 1e-12
        assert left.isfinite().all()


def test_left_jacobian_predicts_a_small_change():
    for length in (1e-5, 1e-2, 1.3, 3.0):
        r, step = vectors(length), 1e-6 * vectors(1.0).flip(0)
        R, left = rotation_and_jacobian(r)
        turned, _ = rotation_and_jacobian(r + step)
        predicted = R + skew((left @ step[..., None])[..., 0]) @ R
        assert (turned - predicted).abs().max() < 1e-11  # the square of the step


def test_skew_is_the_cross_product():
    a, b = vectors(1.0), vectors(2.0).flip(0)
    expected = torch.linalg.cross(a, b)
    assert torch.allclose((skew(a) @ b[..., None])[..., 0], expected)
