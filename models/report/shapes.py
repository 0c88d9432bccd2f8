"""The hands of a scan at every stage, on one mesh, for pictures and for the 3D view."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from models.ham.reconstruction import Reconstruction, load_reconstruction
from models.hand.fitted import FittedHand, hand_slices, load_hands
from models.report.gather import ScanFacts
from models.textures.files import own_texture
from utils.cameras import Cameras, Similarity
from utils.errors import UserError
from utils.io.meshes import load_mesh

START, FINAL, NEURAL = "start", "final", "neural"
TEXTURE_ROWS = 1024  # that a page holds


@dataclass(frozen=True)
class HandShapes:
    """One or two hands, left first, on meshes of equally many vertices.

    stages: vertices (V, 3) float64, world units, by the stage's name; faces (F, 3) of all;
    subdivisions of the hand models' meshes; albedo (V, 3) in [0, 1], and error (V, 3), the colours
    of the distance to the truth, where they are known; texture (H, hands H, 3), one tile a hand,
    where one was baked; cameras as the latest stage corrected them.
    """

    hands: list[FittedHand]
    stages: dict[str, np.ndarray]
    faces: np.ndarray
    subdivisions: int
    cameras: Cameras | None
    albedo: np.ndarray | None = None
    error: np.ndarray | None = None
    texture: np.ndarray | None = None

    @property
    def verts(self) -> np.ndarray:
        """The latest stage's vertices (V, 3) but for the neural renderer's."""
        return self.stages.get(FINAL, self.stages[START])

    @cached_property
    def slices(self) -> list[slice]:
        """Each hand's vertices."""
        return hand_slices(len(self.verts), len(self.hands))

    def coarser(self, stage: str) -> tuple[np.ndarray, np.ndarray]:
        """A stage's vertices (V', 3) and faces (F', 3) on a mesh one subdivision coarser.

        Its vertices are the first ones of each hand's finer mesh.
        """
        level = max(self.subdivisions - 1, 0)
        verts, faces, count = [], [], 0
        for hand, own in zip(self.hands, self.slices):
            coarse = hand.model.subdivide(level)
            verts.append(self.stages[stage][own][: coarse.matrix.shape[0]])
            faces.append(coarse.faces + count)
            count += len(verts[-1])
        return np.concatenate(verts), np.concatenate(faces)

    @cached_property
    def view_from_world(self) -> Similarity:
        """The frame of pictures: metres of the hand model, about the hands' middle."""
        scale = float(np.mean([float(hand.scale) for hand in self.hands]))
        middle = (self.verts.min(0) + self.verts.max(0)) / 2
        return Similarity(scale, torch.from_numpy(middle)).inverse()


def load_shapes(facts: ScanFacts) -> HandShapes | None:
    """The refined hands, or else the fitted ones, or None where there are neither.

    A stage's file that cannot be read is a problem of `facts`, and left out.
    """
    try:
        if (facts.folder / f"{facts.scan_id}.pt").is_file():
            return _refined(facts)
        if (facts.fit_folder / f"{facts.scan_id}.pt").is_file():
            return _fitted(facts)
    except UserError as error:
        facts.problems.append(str(error))
    return None


def _refined(facts: ScanFacts) -> HandShapes:
    reconstruction = load_reconstruction(facts.folder, facts.scan_id)
    count, stages = len(reconstruction.verts), {}
    start = facts.folder / f"ori_{facts.scan_id}.obj"
    neural = facts.folder / f"final_{facts.scan_id}.obj"
    for name, path in ((START, start), (NEURAL, neural)):
        verts = obj_verts(path, count)
        if verts is not None:
            stages[name] = verts
        elif path.is_file():
            facts.problems.append(f"{path} is not a mesh of {count} vertices; run its stage again")
    stages[FINAL] = reconstruction.verts
    return HandShapes(
        [FittedHand.of_dict(hand) for hand in reconstruction.hands],
        stages,
        reconstruction.faces,
        reconstruction.subdivisions,
        reconstruction.cameras,
        reconstruction.appearance.albedo.clamp(0, 1).numpy(),
        _error_colors(facts, count),
        _texture(facts, reconstruction),
    )


def _texture(facts: ScanFacts, reconstruction: Reconstruction) -> np.ndarray | None:
    """The albedo texture (H, hands H, 3) of at most TEXTURE_ROWS rows; None without one."""
    texture = own_texture(facts.folder, facts.scan_id, reconstruction)
    if texture is None:
        return None
    fitting = [level for level in texture.levels if level.shape[2] <= TEXTURE_ROWS]
    return (fitting or texture.levels[-1:])[0][0].movedim(0, -1).numpy()


def _fitted(facts: ScanFacts) -> HandShapes:
    mesh = load_hands(facts.fit_folder, facts.scan_id)
    cameras = None if facts.capture is None else facts.capture.cameras
    hands = [FittedHand.of_dict(hand) for hand in mesh.parameters]
    return HandShapes(hands, {START: mesh.verts}, mesh.faces, 0, cameras)


def obj_verts(path: Path, count: int) -> np.ndarray | None:
    """The vertices (count, 3) of an .obj as `save_mesh` writes it, None where it is another.

    Ten times faster than a reader of every .obj, which matters to a stage that waits.
    """
    try:
        text = path.read_bytes().split(b"\nf ", 1)[0]
        numbers = np.array(text.replace(b"v ", b"").split(), float)
        verts = numbers.reshape(count, -1)[:, :3]
    except (OSError, ValueError):
        return None
    return verts if verts.shape == (count, 3) and np.isfinite(verts).all() else None


def _error_colors(facts: ScanFacts, count: int) -> np.ndarray | None:
    """The colours that evaluate.py gave the vertices, the first evaluation's with a truth."""
    for name in facts.evaluations:
        path = facts.folder / "eval" / name / "error.ply"
        if path.is_file() and path.stat().st_mtime >= _refined_at(facts):
            return _ply_colors(path, count)
    return None


def _refined_at(facts: ScanFacts) -> float:
    return (facts.folder / f"{facts.scan_id}.pt").stat().st_mtime


def _ply_colors(path: Path, count: int) -> np.ndarray | None:
    import trimesh

    load_mesh(path)  # which says what is wrong with it
    mesh = trimesh.load(path, process=False, maintain_order=True, force="mesh")
    colors = np.asarray(mesh.visual.vertex_colors)[:, :3] / 255
    return colors if colors.shape == (count, 3) else None
