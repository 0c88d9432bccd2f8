"""Detected keypoints of all views -> 42 keypoints in 3D, held against the true ones."""

import numpy as np

from utils.captures import load_capture
from utils.keypoints.order import load_keypoints
from utils.keypoints.triangulation import triangulate_hands
from utils.stage.config import load_config

config = load_config()  # conf/demo_sfs.conf
capture = load_capture("demo_data", "1")
hands = triangulate_hands(capture.cameras, *capture.keypoints, config.pose_optim)

true = load_keypoints("demo_data/1/gt/keypoints3d.xyz")  # (2, 21, 3), metres
apart = 1000 * np.linalg.norm(hands.points - true, axis=-1)
seen = np.isfinite(apart).sum()
print(f"{seen} of {apart.size} keypoints, median error {np.nanmedian(apart):.2f} mm")
