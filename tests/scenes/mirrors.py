"""A phone's photos of a right hand before a mirror, in which a detector sees a left hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from make_demo import HAND_FILE
from utils.cameras.calibrated import CalibratedCamera
from utils.captures.calibrations.camera_entries import save_calibrated
from utils.captures.pose_files import save_pose
from utils.synthetic.fields import unit
from utils.synthetic.phone.capture import PhoneSession, plan_phone, take_photos
from utils.synthetic.phone.options import SIZE, PhoneOptions
from utils.synthetic.phone.path import PhonePath
from utils.synthetic.phone.photos import save_photo
from utils.synthetic.phone.raster import Rasteriser
from utils.synthetic.phone.scenery import Panel
from utils.synthetic.skeleton import load_template

WALK, SHOTS = 40, 12  # photos all around, and those of them that are taken: 120 degrees
BEHIND, WIDTH, HEIGHT = 0.085, 0.5, 0.4  # metres from the hand's middle; of the mirror
UNLIT = -1.0  # reflectance that no surface has: it marks the mirror in a picture
NOISE = 1.0  # pixels of a keypoint's coordinate
LEAST_SEEN = 14  # keypoints of a hand that is detected


@dataclass(frozen=True)
class Mirror:
    """The points x with x . normal = offset; normal (3,) points at the hand."""

    normal: np.ndarray
    offset: float

    def image(self, points: np.ndarray) -> np.ndarray:
        """Where points (N, 3) are seen in the mirror (N, 3)."""
        return points - 2 * (points @ self.normal - self.offset)[:, None] * self.normal

    def reflected(self, R: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """R, t (improper) by which a camera sees things where their mirror images are."""
        R_mirrored = R @ (np.eye(3) - 2 * np.outer(self.normal, self.normal))
        return R_mirrored, t + 2 * self.offset * R @ self.normal


def hand_before_a_mirror(folder: Path, seed: int = 1) -> None:
    """Write photos/ and pose/ of a right hand and its image, gt/cameras.json and the mirror."""
    template, options = load_template(HAND_FILE), PhoneOptions(WALK, renderer="raster")
    session = _first_part(plan_phone(template, ["right"], options, seed, SIZE, 0))
    cameras, hand = session.path.cameras, session.hands[0]
    middle = cameras[len(cameras) // 2].center - session.centre
    normal = unit(middle * [1, 1, 0])
    mirror = Mirror(normal, float(session.centre @ normal) - BEHIND)
    panel = _panel(mirror, session)
    plain = Rasteriser(session.hands, session.lights, session.panels)
    marked = Rasteriser(session.hands, session.lights, [*session.panels, panel])

    def render(photo, K, pose, size):
        picture = marked.render(K, pose, size)
        image = plain.render(K, mirror.reflected(*pose), size)
        return np.where(picture.max(-1, keepdims=True) < 0, image, picture.clip(0))

    photos, _ = take_photos(session, render, lambda hands: None, seed)
    rng = np.random.default_rng(seed)
    for camera, photo in zip(cameras, photos):
        save_photo(folder / "photos" / camera.photo, photo, session.path.stated_focal)
        xy = np.full((2, len(hand.keypoints), 2), np.nan)
        for side, points in enumerate((mirror.image(hand.keypoints), hand.keypoints)):
            seen = camera.project(points)
            inside = _inside(seen, camera) & (side == 1 or _through(points, camera, panel))
            if inside.sum() >= LEAST_SEEN:
                xy[side, inside] = (seen + rng.normal(0, NOISE, seen.shape))[inside]
        confidence = np.isfinite(xy).all(-1).astype(float)
        save_pose(folder / "pose" / f"{camera.name}.json", xy, confidence, camera.size)
    save_calibrated(folder / "gt" / "cameras.json", cameras, "m")
    np.save(folder / "gt" / "points.npy", hand.keypoints)


def _first_part(session: PhoneSession) -> PhoneSession:
    path = PhonePath(session.path.cameras[:SHOTS], session.path.stated_focal)
    return replace(session, path=path)


def _panel(mirror: Mirror, session: PhoneSession) -> Panel:
    """The mirror as it stands on the table, its face to the hand."""
    table = next(panel for panel in session.panels if panel.name == "table")
    foot = session.centre - BEHIND * mirror.normal
    right = WIDTH * np.cross([0, 0, 1.0], mirror.normal)
    foot[2] = table.corner[2]
    down = np.array([0, 0, -HEIGHT])
    texture = np.full((4, 4, 3), UNLIT, np.float32)
    return Panel("mirror", foot - right / 2 - down, right, down, texture)


def _inside(px: np.ndarray, camera: CalibratedCamera) -> np.ndarray:
    return ((px > 0) & (px < np.array(camera.size[::-1]) - 1)).all(1)


def _through(points: np.ndarray, camera: CalibratedCamera, panel: Panel) -> np.ndarray:
    """Which of the points (N, 3) behind the panel the camera sees through it (N,)."""
    rays = points - camera.center
    share = (panel.corner - camera.center) @ panel.normal / (rays @ panel.normal)
    at = camera.center + share[:, None] * rays - panel.corner
    across, down = at @ panel.right / WIDTH**2, at @ panel.down / HEIGHT**2
    return (across > 0) & (across < 1) & (down > 0) & (down < 1)
