"""Orders that cameras come in by mistake: alphabetical, reversed, shifted, or any other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from utils.captures.diagnosis.explanation import Explanation
from utils.captures.diagnosis.permutation import camera_order, with_cameras
from utils.captures.diagnosis.sightings import Sightings, fit_of

AS_GOOD = 1.1  # times the best order's residual: rigs with a symmetry have several right orders
WORTH_NAMING = 0.06  # of a hand's size: an order that leaves more explains nothing
MOST_LISTED = 6  # views


def cameras_permuted(sightings: Sightings, options: Mapping[str, Any], seed: int) -> Explanation:
    """The order of the cameras that explains the detections best, one with a name before others."""
    order, fit = camera_order(sightings, options, seed)
    name = ""
    if fit.relative < WORTH_NAMING and np.any(order != np.arange(len(order))):
        for pattern, named in _named_orders(len(order)):
            if np.array_equal(named, order):
                name = pattern
                break
            again = fit_of(with_cameras(sightings, named), options, seed)
            if again.relative < AS_GOOD * fit.relative:
                name, order, fit = pattern, named, again
                break
    moved = np.nonzero(order != np.arange(len(order)))[0]
    each = [f"view {view} has camera {order[view]}" for view in moved[:MOST_LISTED]]
    return Explanation(
        "permutation",
        f"the cameras are in another order than the photos{name}",
        f"put right ({', '.join(each)}{', ...' if len(moved) > MOST_LISTED else ''})",
        "write world_mat_i for photo i, in the photos' order",
        fit,
        {"camera_of_view": order},
    )


def _named_orders(count: int) -> list[tuple[str, np.ndarray]]:
    """What an order is called, and the camera (N,) of each view in it; none is the views' own."""
    own = np.arange(count)
    named = []
    for first in (0, 1):
        names = np.argsort([str(view + first) for view in own], kind="stable")
        listed = ", ".join(str(view + first) for view in names[:4])
        named.append((f": alphabetical ({listed}, ...)", np.argsort(names)))
        named.append((f": the photos are in alphabetical order ({listed}, ...)", names))
    named.append((": reversed", own[::-1]))
    named += [(f": shifted by {abs(by)}", (own + by) % count) for by in (1, -1, 2, -2)]
    return [(name, order) for name, order in named if np.any(order != own)]
