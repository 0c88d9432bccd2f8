"""One pair of hands, coarse enough to be quick, for all tests of this folder."""

from pathlib import Path

import numpy as np
import pytest

from utils.synthetic.hands import make_hands
from utils.synthetic.skeleton import load_template

HAND_FILE = Path(__file__).resolve().parents[3] / "mano" / "open_hand_right.npz"


@pytest.fixture(scope="session")
def template():
    return load_template(HAND_FILE)


@pytest.fixture(scope="session")
def hands(template):
    """Left and right, one subdivision: 6,500 vertices each."""
    return make_hands(template, ["left", "right"], 1, np.random.default_rng(2))[0]
