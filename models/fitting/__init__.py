"""Fits of the parametric hand to keypoints, masks and, where needed, cameras."""
