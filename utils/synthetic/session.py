"""A capture session: who stands before which cameras, and the pictures that are taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from utils.cameras import Cameras, Similarity
from utils.progress_bar import ProgressBar
from utils.synthetic import observations
from utils.synthetic.capture_files import RecordedViews
from utils.synthetic.hands import Hand, capped, make_hands
from utils.synthetic.observations import Detections, detect
from utils.synthetic.path_tracer import PathTracer, passes
from utils.synthetic.rig import Light, make_cameras, make_lights
from utils.synthetic.skeleton import Template


@dataclass(frozen=True)
class Session:
    """Everything but the pictures. Cameras stand in order of azimuth, held-out ones among them."""

    hands: list[Hand]
    melanin: float
    cameras: Cameras
    world_from_norm: Similarity
    lights: list[Light]
    training: list[int]  # cameras
    held: list[int]
    gains: np.ndarray  # (cameras, 3), 1 for the held-out ones
    detections: Detections  # of the training views

    def facts(self, hands_mean: np.ndarray) -> dict:
        """What params.json says; a hand's `vertices` are its range in mesh.ply."""
        about_hands, first = {}, 0
        for hand in self.hands:
            last = first + len(hand.verts)
            model = {**hand.model_parameters(hands_mean), "flat_hand_mean": False}
            about_hands[hand.side] = {"vertices": [first, last], **model, **hand.facts}
            first = last
        wrong = {key: value for key, value in vars(self.detections).items() if key != "poses"}
        return {
            "melanin": self.melanin,
            "hands": about_hands,
            "lights": [vars(light) for light in self.lights],
            "gains_rgb": self.gains[self.training],
            "keypoints": wrong,
        }


def plan_session(
    template: Template,
    sides: list[str],
    levels: int,
    views: int,
    held: int,
    size: tuple[int, int],
    seed: int,
    pose_seed: int | None = None,
) -> Session:
    """Draw a session: hands of `levels` subdivisions, cameras of `size` (height, width).

    `pose_seed` gives the hands of `seed` another pose.
    """
    rng = np.random.default_rng(seed)
    hands, melanin = make_hands(template, sides, levels, rng, pose_seed)
    points = np.concatenate([hand.verts for hand in hands])
    around = surroundings(points, views, held, size, rng)
    detections = detections_of(hands, around["cameras"][around["training"]], rng)
    return Session(hands=hands, melanin=melanin, detections=detections, **around)


def surroundings(
    points: np.ndarray, views: int, held: int, size: tuple[int, int], rng: np.random.Generator
) -> dict[str, Any]:
    """What stands about `points` (N, 3): a session's cameras, frame, lights, views and gains."""
    count = views + held
    cameras, world_from_norm = make_cameras(points, count, size, rng)
    lights = make_lights((points.min(0) + points.max(0)) / 2, rng)
    held_ids = [int((k + 0.5) * count / held) for k in range(held)]
    training = [view for view in range(count) if view not in held_ids]
    gains = np.ones((count, 3))
    gains[training] = observations.sample_gains(views, rng)
    return {
        "cameras": cameras,
        "world_from_norm": world_from_norm,
        "lights": lights,
        "training": training,
        "held": held_ids,
        "gains": gains,
    }


def detections_of(hands: Sequence[Hand], cameras: Cameras, rng: np.random.Generator) -> Detections:
    """What a detector makes of the hands in these cameras."""
    return detect({hand.side: hand.keypoints for hand in hands}, cameras, rng)


def photograph(
    session: Session, tracer: PathTracer, samples: int, seed: int, exposure: float | None = None
) -> tuple[RecordedViews, RecordedViews, float]:
    """Training views, held-out views and their common exposure: the one given, or as it suits."""
    cameras = session.cameras
    size = tuple(cameras.sizes[0].tolist())
    shots, total = [], len(cameras) * len(passes(samples, size))
    with ProgressBar(total, "rendering", "pass", leave=True) as bar:
        for view in range(len(cameras)):
            K, R, t = (x[view].numpy() for x in (cameras.K, cameras.R, cameras.t))
            radiance, alpha = tracer.render(
                K, (R, t), size, samples, seed * 101 + view, bar.advance
            )
            shots.append((radiance, alpha, observations.backdrop(K, R, size)))
    masks = [exact_mask(session.hands, cameras[view]) for view in range(len(cameras))]
    if exposure is None:
        lit = [shots[view][0] for view in session.training]
        exposure = observations.exposure_of(lit, [masks[view] for view in session.training])
    images = [
        observations.develop(radiance, alpha, behind, exposure * gain)
        for (radiance, alpha, behind), gain in zip(shots, session.gains)
    ]
    training, held = (
        RecordedViews(cameras[ids], [images[i] for i in ids], [masks[i] for i in ids])
        for ids in (session.training, session.held)
    )
    return training, held, exposure


def exact_mask(hands: list[Hand], camera: Cameras) -> np.ndarray:
    """Mask (H, W) of the hands and their wrist cuts in the one view of `camera`."""
    size = tuple(camera.sizes[0].tolist())
    mask = np.zeros(size, bool)
    for hand in hands:
        verts, faces = capped(hand.verts, hand.faces)
        px = camera.project(torch.from_numpy(verts))[0].numpy()
        mask |= observations.covered_pixels(px, faces, size)
    return mask
