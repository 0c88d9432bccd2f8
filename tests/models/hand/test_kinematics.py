import pytest
import torch

from models.hand import load_hand_model
from models.hand.kinematics import LAYOUT, SIZE, HandKinematics


@pytest.fixture(scope="module", params=["left", "right"])
def model(request):
    return load_hand_model(request.param, "open", dtype=torch.float64)


def unknowns(seed: int) -> torch.Tensor:
    return 0.4 * torch.randn(SIZE, generator=torch.Generator().manual_seed(seed)).double()


def forward(model, x):
    parts = torch.cat([x[LAYOUT["rotation"]], x[LAYOUT["pose"]]]), x[LAYOUT["shape"]]
    return model(parts[0][None], parts[1][None], x[LAYOUT["trans"]][None], x[61:].exp())


def test_points_are_those_of_the_hand_model(model):
    x = unknowns(0)
    verts, joints = forward(model, x)
    kinematics = HandKinematics(model)
    # smplx adds 1e-8 to angles, which moves points by some nanometres
    assert (kinematics.vertices(x)[0] - verts[0]).abs().max() < 1e-7
    assert (kinematics.keypoints(x)[0] - model.keypoints(verts, joints)[0]).abs().max() < 1e-7


def test_jacobians_are_those_of_autograd(model):
    x, ids = unknowns(1), torch.tensor([5, 700, 1600, 29])
    kinematics = HandKinematics(model)
    expected = torch.func.jacfwd(lambda x: forward(model, x)[0][0, ids])(x)
    assert (kinematics.vertices(x, ids)[1] - expected).abs().max() < 1e-7
    expected = torch.func.jacfwd(lambda x: model.keypoints(*forward(model, x))[0])(x)
    assert (kinematics.keypoints(x)[1] - expected).abs().max() < 1e-7


def test_jacobian_is_finite_at_rest(model):
    points, jacobian = HandKinematics(model).keypoints(torch.zeros(SIZE).double())
    assert points.isfinite().all() and jacobian.isfinite().all()
