"""A mesh held against the true one: here the hands that the graph network predicts, in 7 ms each,
from the triangulated keypoints."""

import torch

from models.gcn.prediction import joined_verts, predict_hands
from models.gcn.weights import load_network
from models.hand import load_hand_model
from models.hand.fitted import joined_mesh
from utils.captures import load_capture
from utils.io.meshes import load_mesh
from utils.keypoints.triangulation import triangulate_hands
from utils.metrics.comparison import compare_surfaces
from utils.stage.config import load_config

config = load_config()
capture = load_capture("demo_data", "1")
points = triangulate_hands(capture.cameras, *capture.keypoints, config.pose_optim).points
models = {side: load_hand_model(side, "open", dtype=torch.float64) for side in ("left", "right")}
network = load_network(models["right"])
hands = predict_hands(network, models, points, None, config.multihands).hands
verts, faces = joined_verts(hands), joined_mesh([hand.hand for hand in hands])[1]

true = load_mesh("demo_data/1/gt/mesh.ply")
scores = compare_surfaces(verts, faces, true, mm_per_unit=1000, hands=("left", "right")).scores
distance, angle = scores["to_truth"]["mean_mm"], scores["normal_deg"]
print(f"predicted hands: {distance:.2f} mm from the true surface, normals {angle:.1f} degrees")
