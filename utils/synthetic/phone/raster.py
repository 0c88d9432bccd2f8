"""A quick stand-in for the path tracer: textured panels and a lit hand, without shadows."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from utils.cameras import Cameras
from utils.render import Renderer
from utils.synthetic.hands import Hand, capped
from utils.synthetic.phone.scenery import Panel
from utils.synthetic.rig import AMBIENT, Light
from utils.synthetic.surface import vertex_normals

OVERSAMPLING = 2  # samples a pixel and side
COARSE = 32  # pixels between those that tell where a panel is seen
LIT_GRID = 48  # points a side at which a panel's light is computed


class Rasteriser:
    """A scene of hands, lights and panels; `render` as that of `PathTracer`, opaque everywhere."""

    variant = "raster"

    def __init__(self, hands: list[Hand], lights: list[Light], panels: list[Panel]):
        self._lights, self._panels = lights, panels
        self._textures = [self._lit(panel) for panel in panels]
        self.place(hands)

    def place(self, hands: list[Hand]) -> None:
        """Show these hands from now on."""
        meshes = [capped(hand.verts, hand.faces) for hand in hands]
        first = np.cumsum([0, *(len(verts) for verts, _ in meshes)])
        faces = np.concatenate([faces + k for (_, faces), k in zip(meshes, first)])
        self._verts = torch.from_numpy(np.concatenate([verts for verts, _ in meshes]))
        self._renderer = Renderer(torch.from_numpy(faces), backend="cpu")
        colours = []
        for hand, (verts, all_faces) in zip(hands, meshes):
            albedo = np.vstack([hand.skin.albedo, np.median(hand.skin.albedo, 0)])
            colours.append(albedo * self._irradiance(verts, vertex_normals(verts, all_faces)))
        self._colours = torch.from_numpy(np.concatenate(colours).astype(np.float32))

    def render(
        self, K: np.ndarray, cam_from_world: tuple[np.ndarray, np.ndarray], size: tuple[int, int]
    ) -> np.ndarray:
        """Linear radiance (H, W, 3) float32 in the pinhole camera K, R, t."""
        R, t = cam_from_world
        A = np.diag([OVERSAMPLING, OVERSAMPLING, 1.0])
        A[:2, 2] = (OVERSAMPLING - 1) / 2
        K, (height, width) = A @ K, (size[0] * OVERSAMPLING, size[1] * OVERSAMPLING)
        image = np.zeros((height, width, 3), np.float32)
        for panel, texture in zip(self._panels, self._textures):
            _draw(image, panel, texture, K, R, t)
        cameras = Cameras.of(K[None], R[None], t[None], torch.tensor([[height, width]]))
        fragments = self._renderer.rasterize(cameras, self._verts)
        at = fragments.y.numpy(), fragments.x.numpy()
        image[at] = self._renderer.interpolate(fragments, self._colours).numpy()
        return cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)

    def _lit(self, panel: Panel) -> np.ndarray:
        """The panel's texture under the lights, (h, w, 3)."""
        steps = (np.arange(LIT_GRID) + 0.5) / LIT_GRID
        points = (
            panel.corner + steps[None, :, None] * panel.right + steps[:, None, None] * panel.down
        )
        points = points.reshape(-1, 3)
        light = self._irradiance(points, np.broadcast_to(panel.normal, points.shape))
        light = light.reshape(LIT_GRID, LIT_GRID, 3).astype(np.float32)
        return panel.texture * cv2.resize(light, panel.texture.shape[1::-1])

    def _irradiance(self, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """Irradiance over pi (N, 3) at points (N, 3) with unit normals (N, 3): small lights."""
        total = np.tile(np.array(AMBIENT), (len(points), 1))
        for light in self._lights:
            to_light = light.position - points
            distance = np.linalg.norm(to_light, axis=1, keepdims=True)
            towards = to_light / distance
            looks = light.target - light.position
            looks = looks / np.linalg.norm(looks)
            facing = (normals * towards).sum(1).clip(0) * (-towards @ looks).clip(0)
            share = facing[:, None] * (2 * light.half_size) ** 2 / distance**2 / np.pi
            total += share * light.radiance
        return total


def _draw(
    image: np.ndarray,
    panel: Panel,
    texture: np.ndarray,
    K: np.ndarray,
    R: np.ndarray,
    t: np.ndarray,
) -> None:
    """Draw a panel over `image` (H, W, 3) where it lies in front of the camera."""
    h, w = texture.shape[:2]
    right, down = R @ panel.right, R @ panel.down
    corner = R @ panel.corner + t + right * 0.5 / w + down * 0.5 / h
    px_from_texel = K @ np.stack([right / w, down / h, corner], 1)
    # px_from_texel maps (u, v, 1) to z (x, y, 1), so the third row gives 1 / z: positive in front.
    texel_from_px = np.linalg.inv(px_from_texel)
    y, x = np.mgrid[: image.shape[0] + COARSE : COARSE, : image.shape[1] + COARSE : COARSE]
    _, _, shown = _texels(texel_from_px, x, y, (h, w), slack=1.0)
    if not shown.any():
        return
    rows, columns = (np.flatnonzero(shown.any(axis)) * COARSE for axis in (1, 0))
    y0, x0 = max(rows[0] - COARSE, 0), max(columns[0] - COARSE, 0)
    window = image[y0 : rows[-1] + COARSE, x0 : columns[-1] + COARSE]
    y, x = np.mgrid[y0 : y0 + window.shape[0], x0 : x0 + window.shape[1]].astype(np.float32)
    u, v, shown = _texels(texel_from_px, x, y, (h, w))
    seen = cv2.remap(texture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    window[shown] = seen[shown]


def _texels(
    texel_from_px: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    shape: tuple[int, int],
    slack: float = 0.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Texels u, v (float32) of pixels x, y; which are on the texture or `slack` sizes beside it."""
    h, w = shape
    u, v, s = (row[0] * x + row[1] * y + row[2] for row in texel_from_px.astype(np.float32))
    with np.errstate(divide="ignore", invalid="ignore"):
        u, v = u / s, v / s
    beside_u, beside_v = 0.5 + slack * w, 0.5 + slack * h
    on = (u > -beside_u) & (u < w - 1 + beside_u) & (v > -beside_v) & (v < h - 1 + beside_v)
    return u.astype(np.float32), v.astype(np.float32), on & (s > 0)
