import torch

from models.appearance.light import LOBES, Highlights, lobe_responses, towards_cameras


def scene():
    generator = torch.Generator().manual_seed(0)
    normals = torch.randn(400, 3, generator=generator)
    towards = normals + 0.4 * torch.randn(2, 400, 3, generator=generator)
    lobes = torch.rand(LOBES, 3, generator=generator)
    unit = torch.nn.functional.normalize
    return unit(normals, dim=-1), unit(towards, dim=-1), lobes


def test_the_table_gives_the_sum_of_the_lobes():
    normals, towards, lobes = scene()
    exact = torch.stack([lobe_responses(normals, view) @ lobes for view in towards])
    torch.testing.assert_close(Highlights(lobes)(normals, towards), exact, rtol=0.01, atol=0)


def test_a_lamp_is_brightest_where_it_is_mirrored():
    """One lobe along a direction l, seen from c: the normal half way between them shines most."""
    lobes = torch.zeros(LOBES, 3)
    lobes[20] = 1.0
    normals, _, _ = scene()
    camera = torch.tensor([[0.0, 0.3, 5.0]])
    towards = towards_cameras(torch.zeros_like(normals), camera)
    facing = (normals * towards[0]).sum(1) > 0.7  # where Fresnel's factor is flat
    shine = Highlights(lobes)(normals, towards)[0, :, 0]
    lamp = normals[facing][lobe_responses(normals[facing], towards[0][facing])[:, 20].argmax()]
    best = normals[facing][shine[facing].argmax()]
    assert (best @ lamp) > 0.98


def test_gradients_follow_the_normals():
    normals, towards, lobes = scene()
    normals = normals[:5].double().requires_grad_(True)
    shine = Highlights(lobes.double())

    def f(n):
        return shine(n, towards[:1, :5].double())

    # Interpolation bends at grid lines: finite differences within one cell.
    torch.autograd.gradcheck(f, (normals,), eps=1e-7, atol=1e-4)
