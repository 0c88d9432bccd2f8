"""A session of many frames: the same hands, cameras, lights and exposure, and a movement."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from utils.errors import UserError
from utils.io.files import load_json
from utils.synthetic.capture_files import appearing_folder, write_capture
from utils.synthetic.motion import FRAME_RATE, Person, moving_hands
from utils.synthetic.path_tracer import PathTracer, set_variant
from utils.synthetic.session import Session, detections_of, photograph, surroundings
from utils.synthetic.skeleton import Template


@dataclass(frozen=True)
class Rig:
    """How many cameras there are, `held` of them for judging, and their (height, width)."""

    views: int
    held: int
    size: tuple[int, int]


def plan_sequence(
    template: Template, sides: list[str], levels: int, rig: Rig, seed: int, frames: int
) -> list[Session]:
    """Draw a session a frame; only the hands and what is detected of them differ.

    Each camera sees the hands whole in all frames.
    """
    rng = np.random.default_rng(seed)
    person = Person.of(sides, rng)
    sequence = moving_hands(template, person, levels, frames, rng)
    points = np.concatenate([hand.verts for hands in sequence for hand in hands])
    around = surroundings(points, rig.views, rig.held, rig.size, rng)
    training = around["cameras"][around["training"]]
    return [
        Session(
            hands=hands,
            melanin=person.melanin,
            detections=detections_of(hands, training, rng),
            **around,
        )
        for hands in sequence
    ]


@dataclass(frozen=True)
class Tracing:
    """How fine the pictures are: samples a pixel, bounces of light, mitsuba's variant, seed."""

    samples: int
    bounces: int
    variant: str
    seed: int


def write_sequence(
    folder: Path,
    template: Template,
    sides: list[str],
    levels: int,
    rig: Rig,
    tracing: Tracing,
    frames: int,
    facts: dict[str, Any],
    overwrite: bool = False,
) -> None:
    """Write frame k as the capture `folder`/k, k from 1.

    facts: what params.json begins with, `arguments` among it. Frames that are there and were made
    with the same arguments stay, so that an interrupted run goes on. Raises UserError where one
    was made with others, unless `overwrite`, and as `PathTracer`.
    """
    left = [n for n in range(1, frames + 1) if overwrite or not _is_made(folder / str(n), facts)]
    if not left:
        print(f"{folder}: all {frames} frames are there")
        return
    set_variant(tracing.variant)  # where that fails, nothing is waited for
    print(f"{folder}: moving the hands through {frames} frames", flush=True)
    sessions = plan_sequence(template, sides, levels, rig, tracing.seed, frames)
    exposure = None
    if left[0] > 1:
        exposure = load_json(folder / "1" / "gt" / "params.json")["exposure"]
    for number in left:
        start, session = time.perf_counter(), sessions[number - 1]
        tracer = PathTracer(session.hands, session.lights, tracing.bounces, tracing.variant)
        seed = tracing.seed * 1000 + number
        training, held, exposure = photograph(session, tracer, tracing.samples, seed, exposure)
        about = facts | {"mitsuba_variant": tracer.variant, "exposure": exposure}
        about |= {"frame": number, "frame_rate": FRAME_RATE, **session.facts(template.hands_mean)}
        with appearing_folder(folder / str(number), overwrite) as scan:
            frame, poses = session.world_from_norm, session.detections.poses
            write_capture(scan, training, held, frame, poses, session.hands, about)
        seconds = time.perf_counter() - start
        print(f"{folder / str(number)}: frame {number} of {frames} in {seconds:.0f} s", flush=True)


def _is_made(scan: Path, facts: dict[str, Any]) -> bool:
    """Whether the frame is there, made with these arguments; UserError: with others."""
    if not scan.exists():
        return False
    path = scan / "gt" / "params.json"
    made = load_json(path) if path.is_file() else {}
    plain = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in facts["arguments"].items()
    }
    if made.get("arguments") == plain:
        return True
    raise UserError(
        f"{scan} exists and is no frame of this sequence; pass --overwrite to replace it, or "
        "another --out"
    )
