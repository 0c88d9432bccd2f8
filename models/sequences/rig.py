"""The rig that all frames of a sequence are taken by, and frames that are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from utils.cameras import Cameras
from utils.captures import Capture
from utils.errors import UserError

SAME = 1e-6  # relative to the largest number: cameras that differ by more are others


@dataclass(frozen=True)
class Rig:
    """Views by name, with their cameras as calibrated; a frame may lack some of them."""

    names: tuple[str, ...]
    cameras: Cameras

    @staticmethod
    def of(captures: Sequence[Capture]) -> Rig:
        """The rig of the capture with the most views, the first of these."""
        fullest = max(captures, key=len)
        return Rig(tuple(fullest.names), fullest.cameras.to("cpu", torch.float64))

    def views_of(self, capture: Capture) -> list[int]:
        """Which of the rig's views the capture has, in its order.

        Raises UserError where it has a view that the rig lacks, or whose camera is another.
        """
        views = []
        own = capture.cameras.to("cpu", torch.float64)
        for number, name in enumerate(capture.names):
            if name not in self.names:
                raise UserError(f"it is of another rig: the other frames have no view {name}")
            view = self.names.index(name)
            if not _alike(own[number], self.cameras[view]):
                raise UserError(
                    f"it is of another rig: the camera of view {name} is not that of the other "
                    "frames"
                )
            views.append(view)
        return views


def _alike(a: Cameras, b: Cameras) -> bool:
    pairs = [(getattr(a, key), getattr(b, key)) for key in ("K", "R", "t", "sizes")]
    return all(bool(((x - y).abs() <= SAME * (1 + y.abs().max())).all()) for x, y in pairs)
