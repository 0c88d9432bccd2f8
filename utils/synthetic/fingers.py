"""Knuckles, creases and nails of the five fingers."""

from __future__ import annotations

import numpy as np

from utils.synthetic.fields import MM, bump, smoothstep, unit
from utils.synthetic.skeleton import FINGER_ROOTS, THUMB
from utils.synthetic.surface import Layers, Surface

NAIL_CORNER = 2.5 * MM  # radius of the plate's rounded corners
WRINKLED_BACKS = {1: (5.5, 2.5, 1.0), 2: (3.6, 2.0, 0.7)}  # joint: extent mm, period mm, height


def paint_fingers(surface: Surface, layers: Layers) -> None:
    """Add what the fingers have to `layers`."""
    for finger, root in enumerate(FINGER_ROOTS):
        on_finger = smoothstep(0.45, 0.85, surface.finger_weights[:, finger])
        _knuckle(surface, layers, root, on_finger)
        for joint in (1, 2):
            _joint(surface, layers, root, joint, on_finger)
        _nail(surface, layers, root)


def _along(surface: Surface, root: int, joint: int) -> tuple[np.ndarray, np.ndarray]:
    """Distance past a joint along the finger (metres), and how dorsal the normal is (-1 to 1)."""
    direction, k = surface.bones.direction, root + joint
    axis = unit(direction[k] + direction[root + max(joint - 1, 0)])
    past = (surface.points - surface.joints[k]) @ axis
    return past, surface.normals @ -surface.bones.palmar[k]


def _knuckle(surface: Surface, layers: Layers, root: int, on_finger: np.ndarray) -> None:
    """The bump over a finger's root and the creases where it leaves the palm."""
    if root == THUMB:
        return
    past, dorsal = _along(surface, root, 0)
    top = surface.joints[root] - 8 * MM * surface.bones.palmar[root]
    hump = bump(np.linalg.norm(surface.points - top, axis=1), 7 * MM)
    layers.swelling += 1.3 * MM * hump
    layers.redness += 0.55 * hump * smoothstep(0, 0.6, dorsal)
    wavy = past + 0.5 * MM * surface.noise(9)
    crease = 0.46 * surface.bones.length[root]
    for offset in (crease, crease + 2.6 * MM):
        palmar = smoothstep(-0.05, 0.5, -dorsal) * on_finger
        layers.cut(0.75, wavy - offset, surface.width(0.75), palmar)


def _joint(surface: Surface, layers: Layers, root: int, joint: int, on_finger: np.ndarray) -> None:
    """Wrinkles on the back of a finger joint (flatter when it bends), creases on its inside."""
    past, dorsal = _along(surface, root, joint)
    extent, period, height = WRINKLED_BACKS[joint]
    near = bump(past, extent * MM) * on_finger * smoothstep(0.15, 0.7, dorsal)
    waves = (past + 0.7 * MM * surface.noise(6)) / max(period * MM, 3 * surface.edge)
    slack = np.clip(1.1 - surface.bends[root + joint] / 1.2, 0.35, 1)
    layers.ridge += height * slack * near * (1 - 2 * np.abs(np.sin(np.pi * waves)) ** 0.8)
    layers.swelling += 0.5 * MM * bump(past, 6 * MM) * on_finger * smoothstep(0, 0.8, dorsal)
    layers.redness += 0.45 * near
    layers.darkness += 0.18 * near
    wavy = past + 0.5 * MM * surface.noise(9)
    doubled = joint == 1 and root != THUMB
    for offset in (-1.4 * MM, 1.4 * MM) if doubled else (0.0,):
        palmar = smoothstep(-0.05, 0.5, -dorsal) * on_finger
        layers.cut(1.0, wavy - offset, surface.width(0.75), palmar)


def _nail(surface: Surface, layers: Layers, root: int) -> None:
    """A nail, a rounded box on the last phalanx with its fold and lunula, and a rosy fingertip."""
    tip, bones = root + 2, surface.bones
    on_tip = smoothstep(0.5, 0.9, surface.weights[:, tip])
    from_joint = surface.points - surface.joints[tip]
    along = from_joint @ bones.direction[tip]
    across = from_joint @ np.cross(-bones.palmar[tip], bones.direction[tip])
    fraction, dorsal = along / bones.length[tip], surface.normals @ -bones.palmar[tip]
    inside = _nail_distance(surface, tip, along, across)
    facing = smoothstep(-0.15, 0.25, dorsal) * on_tip
    plate = smoothstep(surface.width(0.35), -surface.width(0.35), inside) * facing
    np.maximum(layers.nail, plate, out=layers.nail)
    from_root = np.hypot(across, 1.3 * (along - 0.5 * bones.length[tip]))
    layers.lunula += plate * bump(from_root, 2.2 * MM)
    layers.free_edge += plate * smoothstep(0.925, 0.97, fraction)
    fold = bump(inside, surface.width(0.55)) * facing * smoothstep(0.97, 0.85, fraction)
    layers.swelling -= 0.40 * MM * fold
    layers.darkness += 0.30 * bump(inside, surface.width(0.6)) * facing
    pad = smoothstep(0.45, 0.95, fraction) * smoothstep(0.2, -0.4, dorsal)
    layers.redness += on_tip * (0.7 * pad + 0.35 * bump(inside, 2 * MM))


def _nail_distance(surface: Surface, tip: int, along: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Signed distance (N,) to the outline of the nail plate, metres, negative inside."""
    length = surface.bones.length[tip]
    pulp = (surface.weights[:, tip] > 0.9) & (np.abs(along / length - 0.55) < 0.25)
    half_width = np.percentile(np.abs(across[pulp]), 97)
    box = np.stack(
        [np.abs(across) - 0.74 * half_width, np.abs(along - 0.74 * length) - 0.25 * length], 1
    )
    box += NAIL_CORNER
    outside = np.linalg.norm(np.maximum(box, 0), axis=1)
    return outside + np.minimum(box.max(1), 0) - NAIL_CORNER
