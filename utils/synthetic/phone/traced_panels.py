"""A room's panels as Mitsuba takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from utils.synthetic.phone.scenery import Panel


def panel_dicts(panels: Sequence[Panel], mitsuba: Any) -> dict[str, dict[str, Any]]:
    """One textured rectangle a panel, for the dictionary of a scene of the module `mitsuba`.

    Mitsuba's rectangle spans [-1, 1] in x and y; the first row of its texture lies at y = -1.
    """
    return {panel.name: _rectangle(panel, mitsuba) for panel in panels}


def _rectangle(panel: Panel, mitsuba: Any) -> dict[str, Any]:
    world_from_square = np.eye(4)
    world_from_square[:3, 0] = panel.right / 2
    world_from_square[:3, 1] = panel.down / 2
    world_from_square[:3, 2] = panel.normal
    world_from_square[:3, 3] = panel.corner + panel.right / 2 + panel.down / 2
    texture = {
        "type": "bitmap",
        "bitmap": mitsuba.Bitmap(np.ascontiguousarray(panel.texture, np.float32)),
        "raw": True,
        "wrap_mode": "clamp",
    }
    surface = {"type": "twosided", "inner": {"type": "diffuse", "reflectance": texture}}
    return {
        "type": "rectangle",
        "to_world": mitsuba.ScalarTransform4f(world_from_square),
        "bsdf": surface,
    }
