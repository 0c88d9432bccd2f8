"""What neural_render.py starts from, made up: hands whose colours mesh_sfs_optim.py has missed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from models.ham.state import HamState
from models.neural.inputs import NetShape, net_shape
from models.neural.mesh import NeuralMesh
from models.neural.pixels import TrainingPixels
from tests.scenes.evaluation import FRAME, write_reconstruction
from tests.scenes.ham import HamScene, hand_scene
from utils.io.files import load_torch, save_torch
from utils.io.meshes import save_mesh
from utils.photos.crops import Photos, pack_photos
from utils.stage.config import Config, load_config

SHORT = ["steps=40", "joint_steps=3", "finish_steps=10", "batch=1500", "feature_lr=0.005"]


def short_config(*more: str) -> Config:
    """The shipped config with few steps."""
    return load_config(None, [f"neural_render.{each}" for each in (*SHORT, *more)])


@dataclass(frozen=True)
class NeuralScene:
    """One hand in photos; `start` has its true surface in one grey, and no view's own light."""

    scene: HamScene
    start: HamState
    photos: Photos

    @property
    def faces(self) -> Tensor:
        """The start's (F, 3), on its device."""
        return torch.from_numpy(self.start.faces).to(self.start.verts.device)

    @property
    def mesh(self) -> NeuralMesh:
        """The start as it is drawn."""
        return NeuralMesh.of(self.start.verts, self.scene.faces, self.start.appearance)

    @property
    def pixels(self) -> TrainingPixels:
        """Of all views."""
        return TrainingPixels.of(self.mesh, self.photos)

    def write(self, data: Path, out: Path) -> None:
        """Scan 1 in `data`, and in `out` what the stages before leave."""
        self.scene.write_capture(data / "1")
        self.scene.write_fit(out / "mano_out")
        folder = out / "demo_sfs" / "1"
        grey = replace(self.scene, appearance=self.start.appearance)
        write_reconstruction(folder, grey)
        save_torch(folder / "1.pt", load_torch(folder / "1.pt") | {"lobes": None})
        save_mesh(folder / "ori_1.obj", self.scene.smooth.numpy(), self.scene.faces)


def neural_scene(views: int = 6, pixels: int = 72, device: str = "cpu") -> NeuralScene:
    """A right hand in `views` photos."""
    scene = hand_scene(("right",), views, pixels)
    cameras = scene.cameras.normalised(FRAME)
    true, smooth = (
        FRAME.inverse().apply(verts).to(device, torch.float32)
        for verts in (scene.true, scene.smooth)
    )
    appearance = scene.appearance.copy().to(device)
    appearance.albedo = torch.full_like(appearance.albedo, 0.5)
    still = torch.zeros(views, 6, device=device)
    start = HamState(true, smooth, scene.faces, still, appearance=appearance)
    return NeuralScene(scene, start, pack_photos(scene.crops(), cameras, 1.0, device))


def small_shape(net_type: str = "mlp") -> NetShape:
    """Of the default preset."""
    return net_shape(net_type, "small")
