"""The hands drawn together at low resolution and matched with the masks that can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from models.fitting.outlines import outline_targets
from models.fitting.problem import OutlineMatches
from models.hand import HandModel
from models.hand.forearm import forearm_fan, rim_faces, wrist_faces
from utils.cameras import Cameras
from utils.geometry.mesh import open_edges
from utils.keypoints import KEYPOINTS
from utils.parallel import cores, mapped
from utils.photos.crops import crop_boxes
from utils.photos.masks import MaskVerdict, judge_masks, nearest, trusted_pixels
from utils.render import Fragments, Renderer

MARGIN = 0.3  # around the hands, of their size in the image: room for misplaced masks


@dataclass(frozen=True)
class Drawn:
    """One view's low-resolution drawing: covered pixels, wrist ends, and what covers a pixel."""

    hand: np.ndarray  # (H, W) bool
    ignored: np.ndarray  # (H, W) bool: the wrist's end, and where a forearm may be
    side: np.ndarray  # (H, W) bool: the wrist's skin between the hand and the open rim
    fragment: np.ndarray  # (H, W) int, -1 where nothing is


@dataclass(frozen=True)
class _Lines:
    """N fragments of one view's outline and the lines normal . pixel = target to move onto."""

    fragment: np.ndarray  # (N,) index
    normal: np.ndarray  # (N, 2) unit
    target: np.ndarray  # (N,) pixels of the photo
    weight: np.ndarray  # (N,)


class HandOutlines:
    """Draws hands from all views and matches their outlines with masks (H, W) bool or None."""

    def __init__(
        self,
        models: Sequence[HandModel],
        masks: Sequence[np.ndarray | None],
        cameras: Cameras,
        verts: Sequence[Tensor],
        size: int,
    ):
        """`size` is the longer side in pixels of the crops around the hands (V, 3) `verts`."""
        first = np.cumsum([0, *(len(v) for v in verts)])
        self.starts = torch.from_numpy(first[:-1])
        faces = [model.faces.cpu() + int(k) for model, k in zip(models, first)]
        self.renderer = Renderer(torch.cat(faces), backend="cpu")
        self.hand_of_face = torch.cat([torch.full((len(f),), k) for k, f in enumerate(faces)])
        self.wrist_face = torch.cat([wrist_faces(model).cpu() for model in models])
        self.rim_face = torch.cat([rim_faces(model).cpu() for model in models])
        self.rims = [open_edges(model.faces.cpu()) for model in models]
        px = cameras.project_visible(torch.cat(list(verts))).numpy()
        self.full_sizes = cameras.sizes.numpy()  # height, width
        self.boxes = crop_boxes(px, self.full_sizes, MARGIN)
        extent = np.maximum(self.boxes[:, 2:] - self.boxes[:, :2], 1)
        factor = np.minimum(size / extent.max(1, keepdims=True), 1.0)
        self.sizes = np.maximum(np.round(extent * factor), 1).astype(np.int64)  # width, height
        self.masks = [self._small(mask, view) for view, mask in enumerate(masks)]

    def pixels(self) -> float:
        """Of the largest photo."""
        return float(self.full_sizes.prod(1).max())

    def _small(self, mask: np.ndarray | None, view: int) -> np.ndarray | None:
        if mask is None:
            return None
        return self.shrunk(mask, view) >= 0.5

    def shrunk(self, image: np.ndarray, view: int) -> np.ndarray:
        """The crop of a full image (H, W[, C]), float32 or bool, at the drawing's size; float32."""
        x0, y0, x1, y1 = self.boxes[view]
        crop = image[y0:y1, x0:x1].astype(np.float32, copy=False)
        return cv2.resize(crop, self.sizes[view].tolist(), interpolation=cv2.INTER_AREA)

    def enlarged(self, mask: np.ndarray, view: int) -> np.ndarray:
        """A drawing-sized mask (H, W) bool as a full image's, False outside of the crop."""
        full = np.zeros(tuple(self.full_sizes[view]), bool)
        x0, y0, x1, y1 = self.boxes[view]
        crop = cv2.resize(mask.astype(np.float32), (x1 - x0, y1 - y0))
        full[y0:y1, x0:x1] = crop >= 0.5
        return full

    def draw(self, cameras: Cameras, verts: Sequence[Tensor]) -> tuple[list[Drawn], Fragments]:
        """Every view's drawing, and the fragments that they point to."""
        small = cameras.crop(torch.from_numpy(self.boxes))
        small = small.resize(torch.from_numpy(self.sizes[:, ::-1].copy()))
        with torch.no_grad():
            fragments = self.renderer.rasterize(small, torch.cat(list(verts)))
            forearms = self._forearms(small, verts)

        def drawn(view: int) -> Drawn:
            width, height = self.sizes[view]
            rows = slice(int(fragments.offsets[view]), int(fragments.offsets[view + 1]))
            index = np.full((height, width), -1)
            at = fragments.y[rows].numpy(), fragments.x[rows].numpy()
            index[at] = np.arange(rows.start, rows.stop)
            wrist, side = np.zeros((2, height, width), bool)
            face = fragments.face[rows]
            wrist[at] = self.wrist_face[face].numpy()
            side[at] = (self.wrist_face & ~self.rim_face)[face].numpy()
            hand = index >= 0
            beyond = forearms[view] & ~hand
            if hand.any():
                beyond |= wrist.ravel()[nearest(hand)]
            return Drawn(hand, beyond, side, index)

        return list(mapped(drawn, range(len(self.sizes)), cores())), fragments

    def _forearms(self, small: Cameras, verts: Sequence[Tensor]) -> list[np.ndarray]:
        """Pixels (H, W) bool of each view where a forearm may be seen."""
        fans = [forearm_fan(v, rim) for v, rim in zip(verts, self.rims)]
        first = np.cumsum([0, *(len(points) for points, _ in fans)])
        faces = torch.cat([faces + int(k) for (_, faces), k in zip(fans, first)])
        points = torch.cat([points for points, _ in fans])
        return Renderer(faces, backend="cpu").rasterize(small, points).covered()

    def judge(self, drawn: Sequence[Drawn]) -> list[MaskVerdict]:
        """Verdicts on all masks."""
        return judge_masks(self.masks, [d.hand for d in drawn], [d.ignored for d in drawn])

    def _trusted(self, drawn: Drawn, verdict: MaskVerdict) -> np.ndarray:
        """Pixels (H, W) bool of a drawing where the mask can be compared with the hands.

        Where a forearm may be and the mask has none, there is none.
        """
        mask = self.masks[verdict.view]
        if not verdict.usable:
            return np.zeros_like(drawn.hand)
        ignored = drawn.ignored & (mask | drawn.hand)
        return trusted_pixels(mask, drawn.hand, ignored, verdict)

    def trusted(self, drawn: Sequence[Drawn], verdicts: Sequence[MaskVerdict]) -> list[np.ndarray]:
        """Pixels (H, W) bool of the full images where each mask can be compared with hands."""
        return [
            self.enlarged(self._trusted(each, verdict), verdict.view)
            for each, verdict in zip(drawn, verdicts)
        ]

    def match(
        self,
        cameras: Cameras,
        verts: Sequence[Tensor],
        px_per_unit: np.ndarray,
        reach: float,
        count: int,
    ) -> list[OutlineMatches]:
        """Matches of up to `reach` world units at the hands, about 2 `count` a view.

        px_per_unit (views,): pixels that one unit spans at the hands. The matches of a usable
        view weigh together as much as the keypoints of its hands.
        """
        drawn, fragments = self.draw(cameras, verts)
        usable = [verdict for verdict in self.judge(drawn) if verdict.usable]

        def lines_of(verdict: MaskVerdict) -> _Lines:
            view = verdict.view
            return self._lines(drawn[view], verdict, reach * px_per_unit[view], count)

        lines = list(mapped(lines_of, usable, cores()))
        return self._by_hand(fragments, lines) if lines else []

    def _lines(self, drawn: Drawn, verdict: MaskVerdict, reach_px: float, count: int) -> _Lines:
        """The lines of one view, for points up to `reach_px` pixels of the photo away."""
        view, mask = verdict.view, self.masks[verdict.view]
        trusted = self._trusted(drawn, verdict)
        trusted |= drawn.side & ~mask  # a wrist that sticks out of the mask is seen to be wrong
        full_per_small = (self.boxes[view, 2:] - self.boxes[view, :2]) / self.sizes[view]  # x, y
        near = reach_px / full_per_small.mean()
        targets = outline_targets(drawn.hand, mask, trusted, near, count)
        y, x = np.divmod(targets.pixel, drawn.hand.shape[1])
        goal = np.stack([x, y], 1) + targets.normal * targets.shift[:, None]
        goal = (goal + 0.5) * full_per_small - 0.5 + self.boxes[view, :2]
        target = (targets.normal * goal).sum(1)
        weight = np.full(len(target), KEYPOINTS * len(self.rims) / max(len(target), 1))
        return _Lines(drawn.fragment.ravel()[targets.pixel], targets.normal, target, weight)

    def _by_hand(self, fragments: Fragments, lines: Sequence[_Lines]) -> list[OutlineMatches]:
        """The lines of all views, sorted by the hand that each fragment shows."""
        index, normal, target, weight = (
            torch.from_numpy(np.concatenate([getattr(each, name) for each in lines]))
            for name in ("fragment", "normal", "target", "weight")
        )
        face = fragments.face[index]
        matches = []
        for hand, start in enumerate(self.starts):
            mine = self.hand_of_face[face] == hand
            if not mine.any():
                continue
            at = index[mine]
            matches.append(
                OutlineMatches(
                    hand=hand,
                    view=fragments.view[at],
                    corners=self.renderer.faces[face[mine]].long() - start,
                    bary=fragments.bary[at].double(),
                    normal=normal[mine].double(),
                    target=target[mine].double(),
                    weight=weight[mine].double(),
                )
            )
        return matches
