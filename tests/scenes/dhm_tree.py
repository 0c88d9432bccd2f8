"""Miniature trees of DeepHandMesh, with the data set's own conventions, of known scenes."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from models.hand.forearm import forearm_fan
from utils.cameras import Cameras
from utils.geometry.mesh import open_edges
from utils.keypoints.joint_orders import own_rows
from utils.render import Renderer

SUBJECT, SEQUENCE = "subject_4", "0007_RT_fist"
MM = 1000.0  # in a metre
K_WIDTH, K_HEIGHT = 334, 512  # of the images that KRT_512 is of
HOLE = 0.008  # metres about its middle


@dataclass
class DhmTree:
    """The folder `data` of a release: root, and the names of its colour cameras."""

    root: Path
    cameras: list[str]

    @property
    def sequence(self) -> Path:
        return self.root / "images" / SUBJECT / SEQUENCE

    @property
    def annotations(self) -> Path:
        return self.root / "annotations"

    def photo(self, camera: str, frame: int) -> Path:
        return self.sequence / f"cam{camera}" / f"image{frame:05d}.jpg"

    def keypoints(self, frame: int) -> Path:
        return self.annotations / "keypoints" / SUBJECT / f"keypoints{frame:04d}.pts"

    def depth_map(self, camera: str, frame: int) -> Path:
        folder = self.annotations / "depthmaps" / SUBJECT / f"{frame:06d}"
        return folder / f"depthmap{camera}.pkl"

    def scan(self, frame: int) -> Path:
        return self.annotations / "3D_scans_decimated" / SUBJECT / f"{frame:06d}.ply"

    @property
    def options(self) -> list[str]:
        """Of a stage's command line."""
        keys = ["data_type=dhm", f"capture_name={SUBJECT}", f"data_name={SEQUENCE}"]
        return ["--data_path", str(self.root), "--set", *keys]

    @property
    def config(self) -> dict[str, str]:
        return {"data_type": "dhm", "capture_name": SUBJECT, "data_name": SEQUENCE}


def write_tree(root: Path, cameras: Cameras, greys: int = 1) -> DhmTree:
    """KRT_512 of cameras (metres, of one size), named 400002, 400004, ..., and some grey ones.

    Written with a carriage return after every line's end, as on Windows.
    """
    names = [f"{400002 + 2 * k}" for k in range(len(cameras))]
    tree = DhmTree(root, names)
    tree.annotations.mkdir(parents=True)
    lines = []
    for k, name in enumerate([*names, *(f"{410001 + k}" for k in range(greys))]):
        k = k % len(cameras)
        K = scaled(cameras.K[k].numpy(), cameras.sizes[k].tolist(), (K_HEIGHT, K_WIDTH))
        Rt = np.column_stack([cameras.R[k].numpy(), MM * cameras.t[k].numpy()])
        rows = [*K, np.zeros(5), *Rt]
        lines += [name, *(" ".join(f"{x:.17g}" for x in row) for row in rows), ""]
    text = "".join(f"{line}\r\n" for line in lines)
    (tree.annotations / "KRT_512").write_bytes(text.encode())
    return tree


def scaled(K: np.ndarray, size: list[int] | tuple[int, int], to: tuple[int, int]) -> np.ndarray:
    """K (3, 3) of pictures of `size` for those of size `to` (height, width), by the set's rule."""
    return np.diag([to[1] / size[1], to[0] / size[0], 1.0]) @ K


def write_frame(tree: DhmTree, frame: int, photos: list[np.ndarray], quality: int = 95) -> None:
    """JPEGs of photos (H, W, 3) RGB in [0, 1], one a colour camera, and of one grey camera."""
    grey = photos[0].mean(-1, keepdims=True).repeat(3, -1)
    for name, photo in zip([*tree.cameras, "410001"], [*photos, grey]):
        path = tree.photo(name, frame)
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.round(255 * photo[..., ::-1]).astype(np.uint8)
        assert cv2.imwrite(str(path), pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])


def write_keypoints(tree: DhmTree, frame: int, points: np.ndarray) -> None:
    """points (2, 21, 3) metres, left then right, in the suite's order; nan: no line."""
    own = own_rows("interhand")  # of their list, by our row
    theirs = np.full((42, 3), np.nan)
    theirs[own], theirs[21 + own] = MM * points[1], MM * points[0]
    seen = [k for k in range(42) if np.isfinite(theirs[k]).all()]
    lines = [f"{k} {' '.join(f'{x:.17g}' for x in theirs[k])} 11.3 12\n" for k in seen]
    path = tree.keypoints(frame)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines))


def write_depth_maps(
    tree: DhmTree,
    frame: int,
    cameras: Cameras,
    mesh: tuple[np.ndarray, np.ndarray],
    size: tuple[int, int],
) -> None:
    """Depth of a mesh (V, 3), (F, 3), metres, in every colour camera, in maps of `size`."""
    verts, faces = torch.from_numpy(mesh[0]), torch.from_numpy(mesh[1])
    for k, name in enumerate(tree.cameras):
        K = torch.from_numpy(scaled(cameras.K[k].numpy(), cameras.sizes[k].tolist(), size))
        own = Cameras(K[None], cameras.R[k : k + 1], cameras.t[k : k + 1], torch.tensor([size]))
        fragments = Renderer(faces, "cpu").rasterize(own, verts)
        depth = np.zeros(size, np.float32)
        depth[fragments.y.numpy(), fragments.x.numpy()] = MM * fragments.depth.numpy()
        path = tree.depth_map(name, frame)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(depth, protocol=2))


def scan_of(verts: np.ndarray, faces: np.ndarray, hole: int) -> tuple[np.ndarray, np.ndarray]:
    """A scan of a hand (V, 3), (F, 3), metres: a hole about vertex `hole`, a forearm, a ball.

    The hand ends in an open rim, from which the forearm goes on.
    """
    import trimesh

    middles = verts[faces].mean(1)
    around = np.linalg.norm(middles - verts[hole], axis=1) < HOLE
    rim = open_edges(torch.from_numpy(faces))
    tubes, tube_faces = forearm_fan(torch.from_numpy(verts), rim)
    arm, arm_faces = tubes[: 4 * len(rim)].numpy(), tube_faces[: 2 * len(rim)].numpy()
    ball = trimesh.creation.icosphere(3, radius=0.03)
    away = verts.mean(0) + np.array([0.0, 0.0, 0.25])
    parts = [(verts, faces[~around]), (arm, arm_faces), (ball.vertices + away, ball.faces)]
    first = np.cumsum([0, *(len(points) for points, _ in parts)])
    joined = [faces + start for (_, faces), start in zip(parts, first)]
    return np.concatenate([points for points, _ in parts]), np.concatenate(joined)


def write_scan(tree: DhmTree, frame: int, verts: np.ndarray, faces: np.ndarray) -> None:
    """A scan (V, 3), (F, 3), metres, in the set's unit."""
    from utils.io.meshes import save_mesh

    path = tree.scan(frame)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_mesh(path, MM * verts, faces)
