"""The parametric hand, MANO's or our own, and hands of fitted parameters."""

from models.hand.model import HandModel, load_hand_model

__all__ = ["HandModel", "load_hand_model"]
