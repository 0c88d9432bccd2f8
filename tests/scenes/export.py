"""Refined hands in memory as exports take them, and a reader of .glb that is not our writer."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.appearance.model import Appearance
from models.ham.reconstruction import Reconstruction
from models.hand import load_hand_model
from models.hand.fitted import FittedHand
from tests.scenes.captures import ring_of_cameras
from utils.cameras import Similarity
from utils.keypoints import SIDES

DTYPES = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}

ROOT = Path(__file__).parents[2]
NO_VALIDATOR = "no gltf-validator for node (CONTRIBUTING.md)"
VALIDATE = """
const validator = require('gltf-validator'), fs = require('fs');
validator.validateBytes(new Uint8Array(fs.readFileSync(process.argv[1])))
  .then(report => console.log(JSON.stringify(report.issues)));
"""


def validator_folder() -> str | None:
    """The folder that node finds gltf-validator in: GLTF_VALIDATOR's, or node_modules here."""
    folders = [os.environ.get("GLTF_VALIDATOR", ""), str(ROOT / "node_modules")]
    found = [folder for folder in folders if folder and Path(folder, "gltf-validator").is_dir()]
    return found[0] if found and shutil.which("node") else None


def validator_issues(path: Path) -> dict[str, Any]:
    """What Khronos' validator has against a file."""
    done = subprocess.run(
        ["node", "-e", VALIDATE, str(path)],
        env={**os.environ, "NODE_PATH": validator_folder() or ""},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def refined_hands(
    levels: int = 1, unit: float = 1.0, sides: tuple[str, ...] = SIDES
) -> Reconstruction:
    """Bent hands 0.2 m apart with bumps of 1 mm, in a world of `unit` units a metre."""
    hands = [_bent_hand(side, unit) for side in sides]
    finer = [hand.model.subdivide(levels) for hand in hands]
    verts = [each.matrix @ hand.verts().numpy() for each, hand in zip(finer, hands)]
    count = len(verts[0])
    faces = np.concatenate([each.faces + k * count for k, each in enumerate(finer)])
    verts = np.concatenate(verts)
    verts = verts + 0.001 * unit * np.sin(40 * verts[:, [1, 2, 0]] / unit)
    albedo = torch.from_numpy(0.5 + 0.4 * np.sin(30 * verts / unit)).float()
    cameras = ring_of_cameras(3, size=(60, 80), focal=100.0)
    return Reconstruction(
        verts=verts,
        faces=faces,
        appearance=Appearance(albedo, torch.ones(3, 1), torch.ones(3, 3)),
        cameras=cameras.normalised(Similarity(1 / unit, torch.zeros(3))),
        frame=Similarity(0.1 * unit, torch.zeros(3, dtype=torch.float64)),
        hands=[hand.as_dict() for hand in hands],
        subdivisions=levels,
    )


def _bent_hand(side: str, unit: float) -> FittedHand:
    model = load_hand_model(side, "open", dtype=torch.float64)
    generator = torch.Generator().manual_seed(SIDES.index(side))
    pose = 0.3 * torch.randn(1, 48, generator=generator, dtype=torch.float64)
    shape = torch.randn(1, 10, generator=generator, dtype=torch.float64)
    offset = [-0.1 if side == "left" else 0.1, 0.05, 0.02]
    trans, scale = unit * torch.tensor([offset]).double(), unit * torch.tensor([1.05]).double()
    return FittedHand(model, pose, shape, trans, scale)


@dataclass(frozen=True)
class GlbFile:
    """A .glb as its two chunks."""

    json: dict[str, Any]
    blob: bytes

    @staticmethod
    def of(data: bytes) -> GlbFile:
        """Split a file as glTF 2.0, section 4, lays it out."""
        magic, version, length = struct.unpack("<4sII", data[:12])
        assert (magic, version, length) == (b"glTF", 2, len(data))
        size, kind = struct.unpack("<I4s", data[12:20])
        assert kind == b"JSON"
        rest = data[20 + size :]
        blob_size, kind = struct.unpack("<I4s", rest[:8])
        assert kind == b"BIN\0"
        return GlbFile(json.loads(data[20 : 20 + size]), rest[8 : 8 + blob_size])

    def view(self, number: int) -> bytes:
        """The bytes of a buffer view."""
        view = self.json["bufferViews"][number]
        start = view.get("byteOffset", 0)
        return self.blob[start : start + view["byteLength"]]

    def values(self, number: int) -> np.ndarray:
        """An accessor's values (N, width)."""
        accessor = self.json["accessors"][number]
        data = np.frombuffer(self.view(accessor["bufferView"]), DTYPES[accessor["componentType"]])
        return data.reshape(accessor["count"], WIDTHS[accessor["type"]])

    def attribute(self, mesh: int, name: str) -> np.ndarray:
        """A vertex attribute of a mesh."""
        return self.values(self.json["meshes"][mesh]["primitives"][0]["attributes"][name])

    def image(self, number: int) -> np.ndarray:
        """The picture of a texture, RGB bytes (H, W, 3)."""
        import io

        from PIL import Image

        source = self.json["images"][self.json["textures"][number]["source"]]
        return np.asarray(Image.open(io.BytesIO(self.view(source["bufferView"]))).convert("RGB"))

    def node(self, name: str) -> dict[str, Any]:
        """The node of that name."""
        (node,) = [each for each in self.json["nodes"] if each.get("name") == name]
        return node

    def joint_names(self, skin: int) -> list[str]:
        """The joints of a skin, in its order."""
        return [self.json["nodes"][k]["name"] for k in self.json["skins"][skin]["joints"]]

    def blended(self, skin: int) -> np.ndarray:
        """(N, 4, 4) scene from rest of a skin's vertices, as the file's nodes stand."""
        mesh = next(n["mesh"] for n in self.json["nodes"] if n.get("skin") == skin)
        attributes = self.json["meshes"][mesh]["primitives"][0]["attributes"]
        sets = range(sum(name.startswith("JOINTS_") for name in attributes))
        joints = np.concatenate([self.attribute(mesh, f"JOINTS_{k}") for k in sets], 1)
        weights = np.concatenate([self.attribute(mesh, f"WEIGHTS_{k}") for k in sets], 1)
        entry = self.json["skins"][skin]
        bind = self.values(entry["inverseBindMatrices"]).astype(float)
        world = self._world()
        matrices = np.stack([world[j] @ m.reshape(4, 4).T for j, m in zip(entry["joints"], bind)])
        return np.einsum("nk,nkab->nab", weights.astype(float), matrices[joints])

    def skinned(self, skin: int) -> np.ndarray:
        """Vertices (N, 3) of a skin's mesh in the scene."""
        mesh = next(n["mesh"] for n in self.json["nodes"] if n.get("skin") == skin)
        points = self.attribute(mesh, "POSITION").astype(float)
        blended = self.blended(skin)
        return np.einsum("nab,nb->na", blended[:, :3, :3], points) + blended[:, :3, 3]

    def _world(self) -> dict[int, np.ndarray]:
        world: dict[int, np.ndarray] = {}

        def visit(number: int, parent: np.ndarray) -> None:
            node = self.json["nodes"][number]
            world[number] = parent @ _local(node)
            for child in node.get("children", ()):
                visit(child, world[number])

        for root in self.json["scenes"][self.json["scene"]]["nodes"]:
            visit(root, np.eye(4))
        return world


def _local(node: dict[str, Any]) -> np.ndarray:
    x, y, z, w = node.get("rotation", (0, 0, 0, 1))
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, 3] = node.get("translation", (0, 0, 0))
    return matrix
