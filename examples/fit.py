"""3D keypoints, detections and masks -> hands of the parametric model, held against the truth."""

import torch

from models.fitting.fit import fit_hands
from models.fitting.observations import Observations
from models.hand import load_hand_model
from models.hand.fitted import joined_mesh
from utils.captures import load_capture
from utils.io.meshes import load_mesh
from utils.keypoints.triangulation import triangulate_hands
from utils.metrics.comparison import compare_surfaces
from utils.stage.config import load_config

config = load_config()
capture = load_capture("demo_data", "1")
xy, confidence = capture.keypoints
points = triangulate_hands(capture.cameras, xy, confidence, config.pose_optim).points
sides, kind = ("left", "right"), config.hand_model
models = [load_hand_model(side, kind, dtype=torch.float64) for side in sides]
observations = Observations.of(capture, points, config.pose_optim)
fit = fit_hands(models, observations, config.mano_optim)

true = load_mesh("demo_data/1/gt/mesh.ply")  # metres
scores = compare_surfaces(*joined_mesh(fit.hands), true, mm_per_unit=1000).scores
print(f"fitted hands: {scores['to_truth']['mean_mm']:.2f} mm from the true surface")
