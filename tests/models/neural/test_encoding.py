"""Directions spread evenly, and waves of the frequencies that the docstring promises."""

import math

import torch

from models.neural.inputs import encode, encoded_size, icosahedral_directions


def test_axes_of_an_icosahedron():
    axes = icosahedral_directions()
    cosines = (axes @ axes.T).abs()
    # Neighbouring corners of an icosahedron are seen under arctan 2, cosine 1 / sqrt 5.
    expected = torch.full((6, 6), 1 / math.sqrt(5)) + (1 - 1 / math.sqrt(5)) * torch.eye(6)
    assert torch.allclose(cosines, expected, atol=1e-6)


def test_size_and_the_points_themselves_come_first():
    points = torch.randn(7, 4, 3, generator=torch.Generator().manual_seed(0))
    for bands in (0, 1, 5):
        encoded = encode(points, bands)
        assert encoded.shape == (7, 4, encoded_size(bands))
        assert torch.equal(encoded[..., :3], points)


def test_each_band_doubles_the_frequency():
    axis = icosahedral_directions()[0]
    one_turn = encode(axis[None] * 4.0, 2)[0]  # pi / 2 a unit along the axis: 4 units are 2 pi
    at_rest = encode(axis[None] * 0.0, 2)[0]
    first_sine, second_sine, first_cosine = 3, 9, 15
    for place in (first_sine, second_sine, first_cosine):
        assert torch.allclose(one_turn[place], at_rest[place], atol=1e-5)
    half = encode(axis[None] * 2.0, 2)[0]
    assert torch.allclose(half[first_cosine], torch.tensor(-1.0), atol=1e-5)
    assert torch.allclose(half[first_cosine + 6], torch.tensor(1.0), atol=1e-5)
