"""The parametric hand, MANO's or our own, and hands of fitted parameters."""

from models.hand.model import HandModel, load_hand_model, load_hand_models

__all__ = ["HandModel", "load_hand_model", "load_hand_models"]
