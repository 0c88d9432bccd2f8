"""The graph network that predicts a hand's mesh and parameters from its keypoints."""
