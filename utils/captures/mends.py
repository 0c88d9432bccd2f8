"""What stages take otherwise than it stands: keypoints' order, sides' names, views left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from utils.captures.capture import Capture
from utils.errors import UserError
from utils.io.files import load_json
from utils.keypoints import KEYPOINTS
from utils.keypoints.joint_orders import JOINT_ORDERS, OWN_ORDER, own_rows

Reading = Callable[[Path, tuple[int, int]], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Mend:
    """joint_order: the order that the files are in (`JOINT_ORDERS`); sides_exchanged: whether left
    and right bear each other's names in all views; without_keypoints: views whose keypoints show
    something else."""

    joint_order: str = OWN_ORDER
    sides_exchanged: bool = False
    without_keypoints: tuple[int, ...] = ()

    @property
    def needed(self) -> bool:
        """Whether there is anything to mend."""
        return self != Mend()

    def facts(self) -> dict[str, Any]:
        """As keypoints_3d_S.json holds it."""
        facts = asdict(self)
        if not self.without_keypoints:
            del facts["without_keypoints"]
        return facts


def mended(capture: Capture, mend: Mend) -> Capture:
    """The capture with keypoints in the suite's order, under the right names, where they count."""
    if not mend.needed:
        return capture
    views = tuple(
        replace(
            view,
            read_pose=_unseen
            if number in mend.without_keypoints
            else partial(_read_mended, view.read_pose, mend),
        )
        for number, view in enumerate(capture.views)
    )
    return replace(capture, views=views)


def _read_mended(
    read: Reading, mend: Mend, path: Path, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    rows = own_rows(mend.joint_order)
    xy, confidence = read(path, size)
    xy, confidence = xy[:, rows], confidence[:, rows]
    return (xy[::-1], confidence[::-1]) if mend.sides_exchanged else (xy, confidence)


def without_views(capture: Capture, left_out: Sequence[int]) -> Capture:
    """The capture whose views in `left_out` keep their photos, but say nothing of the hands."""
    if not left_out:
        return capture
    views = tuple(
        replace(view, read_pose=_unseen, read_mask=_no_mask) if number in left_out else view
        for number, view in enumerate(capture.views)
    )
    return replace(capture, views=views, left_out=tuple(left_out))


def _unseen(path: Path, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    return np.full((2, KEYPOINTS, 2), np.nan), np.zeros((2, KEYPOINTS))


def _no_mask(path: Path) -> None:
    return None


def recorded_left_out(path: Path, views: int) -> tuple[int, ...]:
    """The views that pose_optim.py left out, as it wrote them into keypoints_3d_S.json.

    None where there is no such file. Raises UserError where they are no views of the capture.
    """
    facts = load_json(path) if path.is_file() else {}
    left_out = facts.get("left_out", []) if isinstance(facts, Mapping) else None
    right = isinstance(left_out, list) and all(
        isinstance(view, int) and 0 <= view < views for view in left_out
    )
    if not right:
        raise UserError(f"{path}: 'left_out' is not as pose_optim.py writes it; run that again")
    return tuple(left_out)


def recorded_mend(path: Path) -> Mend:
    """What pose_optim.py found in need of mending and wrote into keypoints_3d_S.json.

    Nothing where there is no such file. Raises UserError where it holds something else.
    """
    if not path.is_file():
        return Mend()
    facts = load_json(path)
    facts = facts.get("mended", {}) if isinstance(facts, Mapping) else None
    try:
        mend = Mend(**facts | {"without_keypoints": tuple(facts.get("without_keypoints", ()))})
    except (TypeError, AttributeError):
        mend = None
    right = mend is not None and isinstance(mend.sides_exchanged, bool)
    right = right and all(isinstance(view, int) for view in mend.without_keypoints)
    if not right or mend.joint_order not in list(JOINT_ORDERS):
        raise UserError(f"{path}: 'mended' is not as pose_optim.py writes it; run that again")
    return mend
