"""21 keypoints a hand: their order, files, and robust triangulation from many views."""

from utils.keypoints.order import KEYPOINTS, SIDES

__all__ = ["KEYPOINTS", "SIDES"]
