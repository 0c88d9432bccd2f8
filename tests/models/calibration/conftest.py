"""The hand model that is looked for."""

import pytest
import torch

from models.hand import HandModel, load_hand_model


@pytest.fixture(scope="session")
def model() -> HandModel:
    """The open right hand, float64."""
    return load_hand_model("right", "open", dtype=torch.float64)
