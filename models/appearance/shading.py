"""Mesh shading: a refined hand drawn into cameras under their own light and gain.

Open wrists are closed by caps, else the inner side of the skin is seen through them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from models.appearance.model import Appearance
from utils.cameras import Cameras
from utils.geometry.kept import kept_by_faces
from utils.geometry.mesh import open_edges, vertex_normals
from utils.render import Fragments, Renderer


@dataclass(frozen=True)
class Rendering:
    """image (H, W, 3) float32 RGB in [0, 1] on black, covered (H, W) bool."""

    image: np.ndarray
    covered: np.ndarray

    @staticmethod
    def of(
        fragments: Fragments, colors: Tensor, camera: Cameras, background: float = 0.0
    ) -> Rendering:
        """Colours (N, 3) of one camera's fragments on an even background."""
        height, width = camera.sizes[0].tolist()
        image = np.zeros((height, width, 3), np.float32)
        if background:
            image[:] = background
        y, x = fragments.y.cpu().numpy(), fragments.x.cpu().numpy()
        image[y, x] = colors.cpu().numpy()
        return Rendering(image, fragments.covered()[0])


def render_mesh(
    verts: Tensor, faces: np.ndarray, appearance: Appearance | None, cameras: Cameras
) -> list[Rendering]:
    """Draw verts (V, 3) into every camera, view i under light i; white without appearance.

    Open wrists are closed by caps.
    """
    return list(each_rendering(verts, faces, appearance, cameras))


def each_rendering(
    verts: Tensor, faces: np.ndarray, appearance: Appearance | None, cameras: Cameras
) -> Iterator[Rendering]:
    """The same, one after another: a large photo's rendering takes 13 bytes a pixel."""
    verts, faces_t, appearance = capped(verts, torch.from_numpy(faces).to(verts.device), appearance)
    renderer = Renderer(faces_t)
    colors = torch.ones(len(cameras), *verts.shape, device=verts.device)
    if appearance is not None:
        colors = appearance.colors_in(cameras, verts, vertex_normals(verts, faces_t))
    for view in range(len(cameras)):
        yield _rendering(renderer, verts, colors[view], cameras[view])


@torch.no_grad()
def each_cover(verts: Tensor, faces: np.ndarray, cameras: Cameras) -> Iterator[np.ndarray]:
    """Of the same renderings `covered` (H, W) alone, one camera after another."""
    verts, faces_t, _ = capped(verts, torch.from_numpy(faces).to(verts.device), None)
    renderer = Renderer(faces_t)
    for view in range(len(cameras)):
        yield renderer.rasterize(cameras[view], verts).covered()[0]


@torch.no_grad()
def _rendering(renderer: Renderer, verts: Tensor, colors: Tensor, camera: Cameras) -> Rendering:
    fragments = renderer.rasterize(camera, verts)
    return Rendering.of(fragments, renderer.interpolate(fragments, colors).clamp(0, 1), camera)


def capped(
    verts: Tensor,
    faces: Tensor,
    appearance: Appearance | None,
    cap_albedo: Tensor | None = None,
) -> tuple[Tensor, Tensor, Appearance | None]:
    """The mesh with a fan over each loop of open edges.

    verts (V, 3), faces (F, 3); cap_albedo (caps, 3), in `rims`' order, is the median albedo of
    each cap's hand unless given. Caps have vertices of their own, after the others, so that they
    are shaded by their own normals; faces, too, are appended.
    """
    wrists = rims(faces, len(verts))
    if not wrists:
        return verts, faces, appearance
    corners, cap_faces, colors, count = [verts], [faces], [], len(verts)
    for number, (hand, rim) in enumerate(wrists):
        start, end = verts[rim].unbind(1)  # (E, 3) each
        middle = start.mean(0, keepdim=True)
        own = torch.stack([end, start, middle.expand_as(start)], 1).reshape(-1, 3)
        corners.append(own)
        cap_faces.append(count + torch.arange(len(own), device=faces.device).view(-1, 3).to(faces))
        count += len(own)
        if appearance is not None:
            albedo = appearance.albedo
            color = albedo[hand].median(0).values if cap_albedo is None else cap_albedo[number]
            colors.append(color.to(albedo).expand(len(own), 3))
    if appearance is not None:
        appearance = replace(appearance, albedo=torch.cat([appearance.albedo, *colors]))
    return torch.cat(corners), torch.cat(cap_faces), appearance


@kept_by_faces
def rims(faces: Tensor, num_verts: int) -> list[tuple[Tensor, Tensor]]:
    """For each cap its hand's vertices (num_verts,) bool and its rim's edges (E, 2)."""
    rim = open_edges(faces)
    if len(rim) == 0:
        return []
    hand = _components(faces, num_verts).to(faces.device)
    rim_hand = hand[rim[:, 0]]
    return [(hand == k, rim[rim_hand == k]) for k in rim_hand.unique()]


def _components(faces: Tensor, count: int) -> Tensor:
    """The number (V,) of the connected component that each vertex belongs to."""
    edges = faces.cpu().numpy()[:, [0, 1, 1, 2]].reshape(-1, 2).T
    graph = sp.coo_matrix((np.ones(edges.shape[1]), edges), (count, count))
    return torch.from_numpy(sp.csgraph.connected_components(graph, directed=False)[1])
