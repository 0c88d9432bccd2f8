"""Photos of fingers that bent a little, drawn as if they had kept their mean pose.

The hand model says where each pixel of the hand would be in the mean pose; photos are warped by
that, a smooth shift that fades out around the hand. What one finger uncovers of another is not
made up: this is for bends of a few degrees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

import cv2
import numpy as np
import torch
from scipy.ndimage import distance_transform_edt

from models.calibration.bending import HandBending
from utils.cameras import Cameras
from utils.captures import Capture
from utils.captures.capture import View
from utils.keypoints import KEYPOINTS, SIDES
from utils.render import Renderer

FADE = 0.12  # of the hand's extent in the image: how far from it a shift fades out
SMOOTH = 0.01  # likewise: how far it is smoothed
MARGIN = 3.0  # FADEs about the hand that are looked at


@dataclass(frozen=True)
class Straightening:
    """Hands in the mean pose, and as each photo shows them; world units.

    still (N, 3), bent (V, N, 3) vertices; faces (F, 3); still_points (2, 21, 3), bent_points
    (V, 2, 21, 3): keypoints, nan where there is no hand; names: the photos', V.
    """

    names: Sequence[str]
    still: np.ndarray
    bent: np.ndarray
    faces: np.ndarray
    still_points: np.ndarray
    bent_points: np.ndarray

    @staticmethod
    def of(bending: HandBending, names: Sequence[str], to_world: np.ndarray) -> Straightening:
        """to_world (4, 4): a similarity from the frame in which bending was found."""
        still, bent, faces, count = [], [], [], 0
        still_points = np.full((len(SIDES), KEYPOINTS, 3), np.nan)
        bent_points = np.full((len(names), *still_points.shape), np.nan)
        for hand, side in enumerate(bending.fit.sides):
            verts, moved = bending.vertices(hand)
            still.append(verts)
            bent.append(moved)
            faces.append(bending.fit.models[hand].faces.cpu().numpy() + count)
            count += len(verts)
            at = SIDES.index(side)
            still_points[at], bent_points[:, at] = bending.keypoints(hand)

        def moved_to_world(points: np.ndarray) -> np.ndarray:
            return points @ to_world[:3, :3].T + to_world[:3, 3]

        return Straightening(
            list(names),
            moved_to_world(np.concatenate(still)),
            moved_to_world(np.concatenate(bent, 1)),
            np.concatenate(faces),
            moved_to_world(still_points),
            moved_to_world(bent_points),
        )

    def applied(self, capture: Capture) -> Capture:
        """The capture whose photos and keypoints are those of the mean pose; no masks are."""
        views = []
        for row, view in enumerate(capture.views):
            photo = self.names.index(view.name)
            known = {each.name: getattr(view, each.name) for each in fields(View)}
            known |= {"is_plain": False, "camera": capture.cameras[row].to("cpu", torch.float64)}
            views.append(_StraightView(**known, hands=self, photo=photo))
        return replace(capture, views=views)


@dataclass(frozen=True)
class _StraightView(View):
    """A photo's view in the mean pose."""

    camera: Cameras = field(kw_only=True)
    hands: Straightening = field(kw_only=True)
    photo: int = field(kw_only=True)

    def image(self) -> np.ndarray:
        hands = self.hands
        return straightened(
            super().image(), self.camera, hands.still, hands.bent[self.photo], hands.faces
        )

    def keypoints(self) -> tuple[np.ndarray, np.ndarray]:
        xy, confidence = super().keypoints()
        still = _projected(self.camera, self.hands.still_points.reshape(-1, 3))
        bent = _projected(self.camera, self.hands.bent_points[self.photo].reshape(-1, 3))
        shift = np.nan_to_num(still - bent).reshape(xy.shape)
        return xy + shift, confidence


def straightened(
    image: np.ndarray, camera: Cameras, still: np.ndarray, bent: np.ndarray, faces: np.ndarray
) -> np.ndarray:
    """The photo (H, W, 3) float32 that the camera would take of `still` (N, 3) instead of `bent`.

    camera: one, of the image's size; faces (F, 3) of both.
    """
    px = _projected(camera, still)
    shift = (_projected(camera, bent) - px).astype(np.float32)
    extent = float(np.ptp(px, axis=0).max())
    margin, (height, width) = MARGIN * FADE * extent, image.shape[:2]
    low = np.clip(np.floor(px.min(0) - margin), 0, [width - 1, height - 1]).astype(int)
    high = np.clip(np.ceil(px.max(0) + margin) + 1, low + 1, [width, height]).astype(int)
    renderer = Renderer(torch.from_numpy(faces), backend="cpu")
    box = torch.from_numpy(np.concatenate([low, high])[None])
    with torch.no_grad():
        fragments = renderer.rasterize(camera.crop(box), torch.from_numpy(still))
        if not len(fragments):
            return image
        on_hand = renderer.interpolate(fragments, torch.from_numpy(shift)).numpy()
    flow = np.zeros((high[1] - low[1], high[0] - low[0], 2), np.float32)
    outside = np.ones(flow.shape[:2], bool)
    rows, columns = fragments.y.numpy(), fragments.x.numpy()
    flow[rows, columns], outside[rows, columns] = on_hand, False
    distance, nearest = distance_transform_edt(outside, return_indices=True)
    flow = flow[tuple(nearest)] * np.exp(-((distance / (FADE * extent)) ** 2))[..., None]
    flow = cv2.GaussianBlur(flow.astype(np.float32), (0, 0), max(SMOOTH * extent, 0.5))
    grid = np.stack(np.meshgrid(*(np.arange(a, b) for a, b in zip(low, high))), -1)
    source = (grid + flow).astype(np.float32)
    result = image.copy()
    result[low[1] : high[1], low[0] : high[0]] = cv2.remap(
        image, source, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    ).clip(0, 1)
    return result


def _projected(camera: Cameras, points: np.ndarray) -> np.ndarray:
    return camera.project(torch.from_numpy(points))[0].numpy()
