"""A phone's photos of hands as files: planned, taken, and written with their ground truth."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from utils.calibration.boards import Board
from utils.cameras import Cameras
from utils.cameras.calibrated import CalibratedCamera
from utils.cameras.lens import pixels_of, rays_of
from utils.captures.calibrations.camera_entries import save_calibrated
from utils.io.files import save_json
from utils.io.images import save_image, save_video
from utils.keypoints import KEYPOINTS, SIDES
from utils.keypoints.order import save_keypoints
from utils.progress_bar import progress
from utils.synthetic import observations
from utils.synthetic.capture_files import appearing_folder, refuse_existing, write_mesh
from utils.synthetic.hands import Hand, capped, make_hands
from utils.synthetic.observations import Detections, detect
from utils.synthetic.path_tracer import PathTracer, set_variant
from utils.synthetic.phone.options import SIZE, PhoneOptions
from utils.synthetic.phone.path import PhonePath, bends, drift, walk
from utils.synthetic.phone.photos import (
    PhoneLens,
    develop,
    exposures,
    save_photo,
    shutter_turns,
)
from utils.synthetic.phone.raster import Rasteriser
from utils.synthetic.phone.scenery import Panel, room
from utils.synthetic.rig import Light, make_lights
from utils.synthetic.skeleton import Template

VIDEO_RATE = 30  # photos a second of the video


@dataclass(frozen=True)
class PhoneSession:
    """Everything but the photos.

    In each photo the fingers are bent by `bends` (photos, 16), radians, and `motions` (4, 4) move
    the hands about `centre`.
    """

    hands: list[Hand]
    path: PhonePath
    motions: list[np.ndarray]
    bends: np.ndarray
    centre: np.ndarray
    lights: list[Light]
    panels: list[Panel]
    gains: np.ndarray
    turns: list[np.ndarray]
    detections: Detections

    def motion(self, photo: int) -> np.ndarray:
        """What takes the hands to where they are in a photo (4, 4), in the world."""
        motion = self.motions[photo].copy()
        motion[:3, 3] += self.centre - motion[:3, :3] @ self.centre
        return motion

    def hands_in(self, photo: int) -> list[Hand]:
        """The hands as they are in a photo."""
        motion = self.motion(photo)
        moved = [hand.bent(self.bends[photo]) for hand in self.hands]
        for hand in moved:
            hand.move(motion[:3, :3], motion[:3, 3])
        return moved


def make_phone_capture(
    target: Path,
    template: Template,
    sides: list[str],
    options: PhoneOptions,
    seed: int = 0,
    size: tuple[int, int] | None = None,
    levels: int = 2,
    samples: int = 32,
    bounces: int = 3,
    variant: str = "auto",
    pose_seed: int | None = None,
    overwrite: bool = False,
) -> None:
    """Write photos and truth to the folder `target`; size (height, width), None: SIZE.

    Raises UserError when `target` exists and `overwrite` is False, cannot be written, or when
    mitsuba is missing and options.renderer asks for it.
    """
    start = time.perf_counter()
    refuse_existing(target, overwrite)
    if options.renderer == "trace":
        set_variant(variant)  # where that fails, nothing is waited for
    session = plan_phone(template, sides, options, seed, size or SIZE, levels, pose_seed)
    render, place = _renderer(session, options, samples, bounces, variant, seed)
    photos, masks = take_photos(session, render, place, seed)
    with appearing_folder(target, overwrite) as folder:
        _write(folder, session, photos, masks)
        facts = {"seed": seed, "options": vars(options), "motions": session.motions}
        facts["bends"] = session.bends
        facts |= {"stated_focal": session.path.stated_focal, "gains": session.gains}
        shaken = [k for k, turns in enumerate(session.turns) if len(turns) > 1]
        facts |= {"shaken": shaken, "outliers": session.detections.outliers}
        if options.board:
            facts["board"] = Board().text
        save_json(folder / "gt" / "params.json", facts)
        if options.video:
            save_video(folder / "video.mp4", (photo / 255.0 for photo in photos), VIDEO_RATE)
    print(f"{target}: {options.photos} photos in {time.perf_counter() - start:.0f} s")


def plan_phone(
    template: Template,
    sides: list[str],
    options: PhoneOptions,
    seed: int,
    size: tuple[int, int],
    levels: int,
    pose_seed: int | None = None,
) -> PhoneSession:
    """Draw a session: hands as make_demo's rig has them, a room, a phone's path."""
    rng = np.random.default_rng(seed)
    hands, _ = make_hands(template, sides, levels, rng, pose_seed)
    points, count = np.concatenate([hand.verts for hand in hands]), options.photos
    centre = (points.min(0) + points.max(0)) / 2
    lights = make_lights(centre, rng)
    path = walk(points, count, size, options.distortion, rng)
    panels = room(points, options.background, Board() if options.board else None, rng)
    motions = drift(count, options.motion, rng)
    gains, turns = exposures(count, options.exposure, rng), shutter_turns(count, options.blur, rng)
    bent = bends(count, options.bending, np.random.default_rng([seed, 2]))
    session = PhoneSession(
        hands, path, motions, bent, centre, lights, panels, gains, turns, Detections([])
    )
    return replace(session, detections=_detections(session, rng))


def _detections(session: PhoneSession, rng: np.random.Generator) -> Detections:
    """A detector's keypoints in the photos as stored, lens and all."""
    cameras = session.path.cameras
    K = np.stack([camera.K for camera in cameras])
    motions = [session.motion(photo) for photo in range(len(cameras))]
    R = np.stack([camera.R @ motion[:3, :3] for camera, motion in zip(cameras, motions)])
    t = np.stack([c.R @ motion[:3, 3] + c.t for c, motion in zip(cameras, motions)])
    sizes = torch.tensor([camera.size for camera in cameras])
    keypoints = {
        hand.side: np.stack([hand.bent(angles).keypoints for angles in session.bends])
        for hand in session.hands
    }
    found = detect(keypoints, Cameras.of(K, R, t, sizes), rng)
    found.poses = [
        {key: _bent(values, camera) for key, values in pose.items()}
        for pose, camera in zip(found.poses, cameras)
    ]
    return found


def _bent(values: list[float], camera: CalibratedCamera) -> list[float]:
    """Keypoints (21 x 3 numbers of a pose file) where the lens puts them."""
    if not values:
        return values
    table, extent = np.reshape(values, (KEYPOINTS, 3)), np.array(camera.size[::-1])
    px = (table[:, :2] + 1) / 2 * extent
    px = pixels_of(camera.K, camera.lens.distort(rays_of(camera.K, px)))
    table[:, :2] = 2 * px / extent - 1
    return table.ravel().round(7).tolist()


def _renderer(
    session: PhoneSession,
    options: PhoneOptions,
    samples: int,
    bounces: int,
    variant: str,
    seed: int,
) -> tuple[Callable[..., np.ndarray], Callable[[list[Hand]], None]]:
    """render(photo, K, (R, t), size) -> radiance, and what shows the hands of a photo."""
    if options.renderer == "raster":
        scene = Rasteriser(session.hands, session.lights, session.panels)
        return lambda photo, *view: scene.render(*view), scene.place
    from utils.synthetic.phone.traced_panels import panel_dicts

    surroundings = partial(panel_dicts, session.panels)
    tracer = PathTracer(session.hands, session.lights, bounces, variant, surroundings)

    def render(photo: int, *view: Any) -> np.ndarray:
        return tracer.render(*view, samples, seed * 101 + photo)[0].astype(np.float32)

    return render, tracer.place


def take_photos(
    session: PhoneSession,
    render: Callable[..., np.ndarray],
    place: Callable[[list[Hand]], None],
    seed: int,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Photos (H, W, 3) uint8 and exact masks (H, W) bool of the hands in them."""
    cameras = session.path.cameras
    lens = PhoneLens(cameras[0])
    exposed, masks = [], []
    for photo in progress(range(len(cameras)), "photos", "photo"):
        camera, hands = cameras[photo], session.hands_in(photo)
        place(hands)
        picture = render(photo, lens.K, (camera.R, camera.t), lens.size)
        exposed.append(lens.expose(picture, session.turns[photo]).astype(np.float16))
        masks.append(_mask(hands, camera))
    exposure = observations.exposure_of([rgb.astype(np.float32) for rgb in exposed], masks)
    rng = np.random.default_rng([seed, 1])
    photos = [
        develop(rgb.astype(np.float32), exposure * gain, rng)
        for rgb, gain in zip(exposed, session.gains)
    ]
    return photos, masks


def _mask(hands: list[Hand], camera: CalibratedCamera) -> np.ndarray:
    mask = np.zeros(camera.size, bool)
    for hand in hands:
        verts, faces = capped(hand.verts, hand.faces)
        mask |= observations.covered_pixels(camera.project(verts), faces, camera.size)
    return mask


def _write(
    folder: Path, session: PhoneSession, photos: list[np.ndarray], masks: list[np.ndarray]
) -> None:
    for camera, photo, mask, pose in zip(
        session.path.cameras, photos, masks, session.detections.poses
    ):
        save_photo(folder / "photos" / camera.photo, photo, session.path.stated_focal)
        save_image(folder / "gt" / "mask" / f"{camera.name}.png", mask)
        save_json(folder / "pose" / f"{camera.name}.json", pose)
    save_calibrated(folder / "gt" / "cameras.json", session.path.cameras, "m")
    keypoints = np.full((2, KEYPOINTS, 3), np.nan)
    for hand in session.hands:
        keypoints[SIDES.index(hand.side)] = hand.keypoints
    save_keypoints(folder / "gt" / "keypoints3d.xyz", keypoints)
    write_mesh(folder / "gt" / "mesh.ply", session.hands)
