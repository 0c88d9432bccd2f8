"""HAM on fitted hands, shortened to 20 steps on a coarse mesh by overrides of the config."""

from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from mesh_sfs_optim import refine_mesh
from models.fitting.fit import fit_hands
from models.fitting.observations import Observations
from models.fitting.results import save_fit
from models.hand import load_hand_model
from models.hand.fitted import load_hands
from utils.captures import load_capture
from utils.keypoints.triangulation import triangulate_hands
from utils.stage.config import load_config

LEVEL = "{verts=6000, image_scale=0.5, steps=20, lr=0.03, smoothness=20}"
config = load_config(overrides=[f"ham_levels=[{LEVEL}]"])
capture = load_capture("demo_data", "1")
xy, confidence = capture.keypoints
points = triangulate_hands(capture.cameras, xy, confidence, config.pose_optim).points
sides, kind = ("left", "right"), config.hand_model
models = [load_hand_model(side, kind, dtype=torch.float64) for side in sides]
observations = Observations.of(capture, points, config.pose_optim)
fit = fit_hands(models, observations, config.mano_optim)
with TemporaryDirectory() as folder:  # or your results folder, then load_hands(O / "mano_out", S)
    save_fit(Path(folder), "1", capture, fit)
    hands = load_hands(Path(folder) / "mano_out", "1")
    result = refine_mesh(capture, hands, config)
first, last = (result.state.history[step]["total"] for step in (0, -1))
print(f"loss {first:.4f} -> {last:.4f} on {len(result.verts_world())} vertices")
