import torch

from tests.scenes.captures import ring_of_cameras
from utils.cameras.correction import CorrectableCameras


def scene():
    generator = torch.Generator().manual_seed(0)
    views = CorrectableCameras(ring_of_cameras(3), torch.tensor([0.02, -0.01, 0.03]).double())
    correction = 0.02 * torch.randn(3, 6, generator=generator).double()
    points = 0.1 * torch.randn(7, 3, generator=generator).double()
    return views, correction, points, torch.tensor([0, 1, 2, 2, 1, 0, 0])


def test_project_is_that_of_the_corrected_cameras():
    views, correction, points, view = scene()
    pixel, _, _ = views.project(view, points, correction)
    expected = views.corrected(correction).project(points)[view, torch.arange(7)]
    assert (pixel - expected).abs().max() < 1e-9


def test_jacobians_are_those_of_autograd():
    views, correction, points, view = scene()
    _, by_point, by_correction = views.project(view, points, correction)
    full = torch.func.jacfwd(lambda p: views.project(view, p, correction)[0])(points)
    rows = torch.arange(7)
    assert (full[rows, :, rows] - by_point).abs().max() < 1e-7
    full = torch.func.jacfwd(lambda c: views.project(view, points, c)[0])(correction)
    assert (full[rows, :, view] - by_correction).abs().max() < 1e-6


def test_no_correction_changes_nothing():
    views, correction, _, _ = scene()
    same = views.corrected(0 * correction)
    assert torch.allclose(same.R, views.cameras.R) and torch.allclose(same.t, views.cameras.t)


def test_a_shift_is_in_units_of_the_depth():
    views, correction, _, _ = scene()
    correction = torch.zeros_like(correction)
    correction[1, 3] = 0.01
    shift = views.shift_px(correction)
    assert abs(float(shift[1]) - 0.01 * float(views.cameras.K[1, 0, 0])) < 1e-6
    assert shift[0] == 0 and shift[2] == 0


def test_px_per_unit_is_what_a_unit_spans():
    views, _, _, _ = scene()
    step = 1e-4 * views.cameras.R[:, 0]  # along each camera's x
    for view in range(3):
        ends = torch.stack([views.anchor, views.anchor + step[view]])
        px = views.cameras.project(ends)[view]
        # fx and fy differ by 1 %, the mean of the two is reported
        assert (
            abs(float((px[1] - px[0]).norm()) / 1e-4 / float(views.px_per_unit()[view]) - 1) < 0.01
        )
