"""Opens what mesh_sfs_optim.py wrote: the refined hands, how they look, and their cameras."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.appearance.light import LOBES
from models.appearance.model import Appearance
from models.appearance.shading import Rendering, capped, render_mesh
from models.hand import HandModel, load_hand_model
from models.hand.fitted import FittedHand, check_near, checked_hands, hand_slices
from models.hand.forearm import wrist_faces
from models.hand.model import announce
from utils.cameras import Cameras, Similarity
from utils.errors import UserError
from utils.io.checks import FileCheck
from utils.io.files import load_torch
from utils.keypoints import SIDES
from utils.render import Renderer

KEYS = ("albedo", "sh_coeff", "gain", "lobes", "verts", "faces", "subdivisions", "hands", "cameras")
KEYS += ("world_from_hand_units",)
AGAIN = "run mesh_sfs_optim.py on this scan again"
BOUNDS = {"least": -1e6, "most": 1e6}  # of colours and light, whose unit is about 1
LARGEST_PHOTO = 1 << 16  # pixels of a side
ROTATION_TOLERANCE = 1e-3  # |R R^T - I|
MOST_SUBDIVISIONS = 6  # of a hand of 778 vertices: three million


@dataclass(frozen=True)
class Reconstruction:
    """Refined hands, left first, each a mesh of the same number of vertices.

    verts (V, 3) float64 and faces (F, 3), world units; appearance of the fitted views; cameras,
    the fitted views' in world units as the pipeline corrected them; frame, world_from_hand_units;
    hands, one dict of parameters each; subdivisions of the hand models' meshes.
    """

    verts: np.ndarray
    faces: np.ndarray
    appearance: Appearance
    cameras: Cameras
    frame: Similarity
    hands: list[dict[str, Any]]
    subdivisions: int

    @property
    def sides(self) -> list[str]:
        """The hands' names in the order of their vertices."""
        return [hand["type"] for hand in self.hands]

    @property
    def scale(self) -> float:
        """World units in a metre of the hand model, the hands' mean."""
        return float(np.mean([float(hand["scale"]) for hand in self.hands]))

    def keypoints(self) -> np.ndarray:
        """Keypoints (2, 21, 3) of the fitted hand models, world units; nan for an absent hand."""
        points = np.full((2, 21, 3), np.nan)
        for hand in self.hands:
            points[SIDES.index(hand["type"])] = FittedHand.of_dict(hand).keypoints().numpy()
        return points

    def hand(self, side: str) -> Reconstruction:
        """One hand alone; raises ValueError where it is absent."""
        k, size = self.sides.index(side), len(self.verts) // len(self.hands)
        hand_slice = slice(k * size, (k + 1) * size)
        faces = self.faces[(self.faces[:, 0] // size) == k] - k * size
        appearance = replace(self.appearance, albedo=self.appearance.albedo[hand_slice])
        return replace(
            self,
            verts=self.verts[hand_slice],
            faces=faces,
            appearance=appearance,
            hands=[self.hands[k]],
        )

    def models(self) -> list[HandModel]:
        """The hands' models, in their order."""
        return [load_hand_model(hand["type"], hand["hand_model"]) for hand in self.hands]

    def wrist_faces(self) -> np.ndarray:
        """Faces (F,) bool at the open wrists, as the stages leave them out."""
        coarse = torch.cat([wrist_faces(model).cpu() for model in self.models()]).numpy()
        return np.repeat(coarse, 4**self.subdivisions)

    def covered_and_wrist(self, camera: Cameras) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (H, W) bool of one camera (world units): the hands', and their wrists' ends."""
        verts, own = self.in_hand_units(camera)
        verts, faces, _ = capped(verts, torch.from_numpy(self.faces), None)
        at_wrist = np.ones(len(faces), bool)  # caps are
        at_wrist[: len(self.faces)] = self.wrist_faces()
        fragments = Renderer(faces).rasterize(own, verts)
        covered, wrist = np.zeros((2, *camera.sizes[0].tolist()), bool)
        y, x = fragments.y.numpy(), fragments.x.numpy()
        covered[y, x], wrist[y, x] = True, at_wrist[fragments.face.numpy()]
        return covered, wrist

    def render(self, cameras: Cameras, appearance: Appearance | None) -> list[Rendering]:
        """Draw the hands into cameras (world units) as `shading.render_mesh` does."""
        verts, own = self.in_hand_units(cameras)
        return render_mesh(verts, self.faces, appearance, own)

    def in_hand_units(self, cameras: Cameras) -> tuple[Tensor, Cameras]:
        """Vertices (V, 3) and cameras in hand units, where single precision is enough."""
        verts = self.frame.inverse().apply(torch.from_numpy(self.verts))
        return verts.float(), cameras.normalised(self.frame).to(dtype=torch.float32)


def load_reconstruction(folder: Path, scan_id: str) -> Reconstruction:
    """Read `folder`/S.pt and say which hand model it is of.

    Raises UserError where it is missing, foreign or inconsistent.
    """
    path = folder / f"{scan_id}.pt"
    data = load_torch(path, "run mesh_sfs_optim.py on this scan first")
    missing = set(KEYS) - set(data) if isinstance(data, dict) else set(KEYS)
    if missing:
        raise UserError(f"{path} has no {', '.join(sorted(missing))}; {AGAIN}")
    check = FileCheck(path, AGAIN)
    frame, cameras = _checked_cameras(check, data)
    reconstruction = Reconstruction(
        **_checked_mesh(check, data),
        appearance=_checked_appearance(check, data),
        cameras=cameras,
        frame=frame,
        hands=checked_hands(check, data["hands"]),
        subdivisions=check.whole(data["subdivisions"], "subdivisions", 0, MOST_SUBDIVISIONS),
    )
    if len(reconstruction.wrist_faces()) != len(reconstruction.faces):
        raise UserError(f"{path} is not a mesh of the hand models that it names; {AGAIN}")
    verts, hands = reconstruction.verts, reconstruction.hands
    check_near(check, verts, hand_slices(len(verts), len(hands)))
    announce(reconstruction.models())
    return reconstruction


def _checked_mesh(check: FileCheck, data: dict[str, Any]) -> dict[str, np.ndarray]:
    verts = check.tensor(data["verts"], "verts", ("V", 3)).double()
    faces = check.tensor(data["faces"], "faces", ("F", 3), "int", least=0, most=len(verts) - 1)
    return {"verts": verts.numpy(), "faces": faces.long().numpy()}


def _checked_appearance(check: FileCheck, data: dict[str, Any]) -> Appearance:
    sh_coeff = check.tensor(data["sh_coeff"], "sh_coeff", ("views", "harmonics"), **BOUNDS).float()
    if math.isqrt(sh_coeff.shape[1]) ** 2 != sh_coeff.shape[1]:
        raise check.error(f"sh_coeff has {sh_coeff.shape[1]} harmonics, expected a square number")
    lobes = data["lobes"]
    return Appearance(
        albedo=check.tensor(data["albedo"], "albedo", ("V", 3), **BOUNDS).float(),
        sh_coeff=sh_coeff,
        gain=check.tensor(data["gain"], "gain", ("views", 3), **BOUNDS).float(),
        lobes=None if lobes is None else check.tensor(lobes, "lobes", (LOBES, 3), **BOUNDS).float(),
    )


def _checked_cameras(check: FileCheck, data: dict[str, Any]) -> tuple[Similarity, Cameras]:
    """world_from_hand_units, and the cameras in world units."""
    scale, *offset = check.numbers(data["world_from_hand_units"], "world_from_hand_units", 4)
    if scale <= 0:
        raise check.error(f"world_from_hand_units is {scale:.6g} times as large, expected above 0")
    frame = Similarity(scale, torch.tensor(offset, dtype=torch.float64))
    kept = check.mapping(data["cameras"], "cameras", ("K", "R", "t", "sizes"))
    cameras = Cameras(
        K=check.tensor(kept["K"], "cameras, K", ("views", 3, 3)),
        R=check.tensor(kept["R"], "cameras, R", ("views", 3, 3)),
        t=check.tensor(kept["t"], "cameras, t", ("views", 3)),
        sizes=check.tensor(
            kept["sizes"], "cameras, sizes", ("views", 2), "int", least=1, most=LARGEST_PHOTO
        ).long(),
    )
    cameras = cameras.to(dtype=torch.float64)
    identity = torch.eye(3, dtype=torch.float64)
    if (cameras.R @ cameras.R.transpose(1, 2) - identity).abs().max() > ROTATION_TOLERANCE:
        raise check.error("cameras, R holds something else than rotations")
    return frame, cameras.normalised(frame.inverse())
