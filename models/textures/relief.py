"""What a light mesh lacks, as textures: the fine mesh's normals, and how open each place is."""

from __future__ import annotations

import numpy as np
import torch

from models.appearance.light import spiral
from models.ham.reconstruction import Reconstruction
from models.hand.fitted import FittedHand
from models.textures.layout import Texels, TextureLayout, texture_layout
from utils.cameras import Cameras
from utils.geometry.mesh import vertex_normals
from utils.geometry.tangents import vertex_tangents
from utils.render import Renderer

DIRECTIONS = 64  # from which openness is looked at
PICTURE = 384  # pixels of a side
FAR = 40.0  # of the hand's radius: nearly parallel
SLACK = 0.02  # of the hand's radius: nearer than this, skin does not shade itself


def normal_map(
    reconstruction: Reconstruction, refined: TextureLayout, texels: Texels
) -> np.ndarray:
    """Tangent-space normals (N, 3) at the texels, unit: x to where u grows, y to where v does.

    Of the fine mesh about the light one, the hand models' own topology: the first vertices of each
    hand, with tangents by MikkTSpace's rule, interpolated and made unit as glTF asks. refined:
    the layout of the fine mesh, of which the texels are.
    """
    models, levels = reconstruction.models(), reconstruction.subdivisions
    fine = _normals(reconstruction.verts, reconstruction.faces)
    size = len(reconstruction.verts) // len(models)
    own = np.concatenate([np.arange(len(m.v_template)) + k * size for k, m in enumerate(models)])
    faces, count = [], 0
    for model in models:
        faces.append(model.faces.cpu().numpy() + count)
        count += len(model.v_template)
    light_faces, light_verts = np.concatenate(faces), reconstruction.verts[own]
    layout = texture_layout(models, 0)
    normals = _normals(light_verts, light_faces)
    tangents, handedness = vertex_tangents(
        light_verts, light_faces, normals, layout.uv, layout.face_uv
    )
    parent = np.arange(len(refined.face_uv)) // 4**levels
    bary = _in_parent(layout.uv[layout.face_uv], refined.uv[refined.face_uv], parent, texels)
    face = parent[texels.face]
    about = _interpolated(normals, light_faces[face], bary)
    along = _interpolated(tangents, layout.face_uv[face], bary)
    across = handedness[layout.face_uv[face, 0]][:, None] * np.cross(about, along)
    n = texels.at(fine, reconstruction.faces).astype(float)
    frame = np.stack([along, across, about], 1)  # rows; not quite orthogonal between vertices
    local = np.linalg.solve(frame.transpose(0, 2, 1), n[..., None])[..., 0]
    return local / np.maximum(np.linalg.norm(local, axis=1, keepdims=True), 1e-9)


def _normals(verts: np.ndarray, faces: np.ndarray) -> np.ndarray:
    return vertex_normals(torch.from_numpy(verts), torch.from_numpy(faces)).numpy()


def _in_parent(
    parents_uv: np.ndarray, faces_uv: np.ndarray, parent: np.ndarray, texels: Texels
) -> np.ndarray:
    """Barycentrics (N, 3) of the texels in the light mesh's faces, from their place in the UVs."""
    place = np.einsum("nk,nkc->nc", texels.bary, faces_uv[texels.face])
    a, b, c = parents_uv[parent[texels.face]].transpose(1, 0, 2)
    area = _cross(b - a, c - a)
    area = np.where(np.abs(area) > 1e-15, area, 1e-15)
    second, third = _cross(place - a, c - a) / area, _cross(b - a, place - a) / area
    return np.stack([1 - second - third, second, third], 1)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def _interpolated(values: np.ndarray, corners: np.ndarray, bary: np.ndarray) -> np.ndarray:
    mixed = np.einsum("nk,nkc->nc", bary, values[corners])
    return mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-9)


def openness(reconstruction: Reconstruction) -> np.ndarray:
    """The cosine-weighted share (V,) in [0, 1] of directions from which each vertex is seen.

    Of each hand alone, in the rest pose, so that it holds in any pose.
    """
    size, shares = len(reconstruction.verts) // len(reconstruction.hands), []
    for k, hand in enumerate(reconstruction.hands):
        fitted = FittedHand.of_dict(hand)
        verts = torch.from_numpy(reconstruction.verts[k * size : (k + 1) * size])
        rest = fitted.unposed(verts, reconstruction.subdivisions).numpy()
        faces = fitted.model.subdivide(reconstruction.subdivisions).faces
        shares.append(_openness(rest, faces))
    return np.concatenate(shares)


def _openness(verts: np.ndarray, faces: np.ndarray) -> np.ndarray:
    centre = (verts.min(0) + verts.max(0)) / 2
    radius = float(np.linalg.norm(verts - centre, axis=1).max())
    points = torch.from_numpy((verts - centre) / radius).float()
    normals = torch.from_numpy(_normals(verts, faces)).float()
    renderer = Renderer(torch.from_numpy(faces), "cpu")
    seen, total = torch.zeros(len(verts)), torch.zeros(len(verts))
    for direction in spiral(DIRECTIONS).float():
        camera = _camera_from(direction)
        fragments = renderer.rasterize(camera, points)
        depth = torch.full((PICTURE, PICTURE), torch.inf)
        depth[fragments.y.long(), fragments.x.long()] = fragments.depth
        px = camera.px_from_world(points)[0]
        x, y = (px[:, :2] / px[:, 2:]).round().long().clamp(0, PICTURE - 1).unbind(1)
        cosine = (normals @ direction).clamp(min=0)
        seen += cosine * (px[:, 2] <= depth[y, x] + SLACK)
        total += cosine
    return (seen / total.clamp(min=1e-6)).clamp(0, 1).numpy()


def _camera_from(direction: torch.Tensor) -> Cameras:
    """A camera far away in `direction` (3,), whose picture the unit sphere fills."""
    z = -direction
    helper = torch.eye(3)[int(direction.abs().argmin())]
    x = torch.nn.functional.normalize(torch.linalg.cross(helper, z), dim=0)
    R = torch.stack([x, torch.linalg.cross(z, x), z])
    focal, middle = FAR * PICTURE / 2.05, (PICTURE - 1) / 2
    K = torch.tensor([[focal, 0, middle], [0, focal, middle], [0, 0, 1]])
    t = torch.tensor([0.0, 0.0, FAR])
    return Cameras(K[None], R[None], t[None], torch.tensor([[PICTURE, PICTURE]]))
