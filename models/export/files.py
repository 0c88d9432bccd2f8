"""Which files an export is made of: their formats, their names and what is in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from models.export.bvh import bvh_text
from models.export.motion import FPS, Motion, motions_of
from models.export.plain import obj_texts, ply_bytes
from models.export.scene import scene_frame
from models.export.skinned import SkinnedHand, skinned_hand
from models.export.textures import HandTextures
from models.ham.reconstruction import Reconstruction
from utils.errors import UserError
from utils.io.files import atomic_path
from utils.motion.track import Hands

FORMATS = ("glb", "usd", "obj", "ply", "bvh")
PACKAGES = {  # that a format needs, and how they are installed
    "glb": ("pygltflib", "pip install -r requirements-export.txt"),
    "usd": ("pxr", "pip install usd-core"),
}


def check_formats(names: str) -> list[str]:
    """The formats of a list with commas, each once.

    Raises UserError for unknown ones and where a package is missing.
    """
    formats = list(dict.fromkeys(name.strip() for name in names.split(",")))
    for name in formats:
        if name not in FORMATS:
            raise UserError(f"--format {names}: {name!r} is none of {', '.join(FORMATS)}")
        command = missing_package(name)
        if command is not None:
            raise UserError(f"--format {name} needs a package that is missing: {command}")
    return formats


def missing_package(name: str) -> str | None:
    """How the package is installed that a format lacks here; None where nothing is missing."""
    package, command = PACKAGES.get(name, (None, ""))
    return command if package is not None and find_spec(package) is None else None


def export_files(
    reconstruction: Reconstruction,
    scan_id: str,
    textures: Mapping[str, HandTextures] | None,
    formats: Sequence[str],
    fine: bool = False,
    poses: Sequence[Hands] | None = None,
    fps: float = FPS,
) -> dict[str, bytes]:
    """The contents of all files by name: each hand's, and with glb and usd one of all hands.

    fine: the refined mesh instead of the hand model's; poses: frames of a motion, fps a second.
    Raises UserError as `skinned_hand` and `motions_of`.
    """
    frame, end = scene_frame(reconstruction), "_fine" if fine else ""
    hands = [skinned_hand(reconstruction, side, frame, fine) for side in reconstruction.sides]
    motions = None if poses is None else motions_of(reconstruction, poses, frame, fps)
    groups = {f"{scan_id}_{hand.side}{end}": [hand] for hand in hands}
    files: dict[str, bytes] = {}
    for stem, group in {f"{scan_id}{end}": hands, **groups}.items():
        if "glb" in formats:
            from models.export.glb import glb_bytes  # here, for its package is optional

            files[f"{stem}.glb"] = glb_bytes(group, textures, frame, motions)
        if "usd" in formats:
            from models.export.usd import usdz_bytes

            files[f"{stem}.usdz"] = usdz_bytes(group, textures, motions)
        if stem in groups:
            (hand,) = group
            own = None if textures is None else textures[hand.side]
            motion = hand.captured_pose if motions is None else motions[hand.side]
            files |= _single_files(hand, stem, own, motion, formats)
    return files


def animated_glb(
    reconstruction: Reconstruction,
    textures: Mapping[str, HandTextures] | None,
    poses: Sequence[Hands],
    fps: float = FPS,
    fine: bool = False,
) -> bytes:
    """One .glb of all hands that move as `poses` say, fps frames a second.

    Raises UserError as `skinned_hand` and `motions_of`.
    """
    from models.export.glb import glb_bytes  # here, for its package is optional

    frame = scene_frame(reconstruction)
    hands = [skinned_hand(reconstruction, side, frame, fine) for side in reconstruction.sides]
    return glb_bytes(hands, textures, frame, motions_of(reconstruction, poses, frame, fps))


def save_animation(
    path: Path,
    reconstruction: Reconstruction,
    textures: Mapping[str, HandTextures] | None,
    poses: Sequence[Hands],
    fps: float,
) -> list[Path]:
    """Write `animated_glb` to `path`; without its package, say so and return nothing."""
    missing = missing_package("glb")
    if missing is not None:
        print(f"note: no {path.name}, for a package is missing: {missing}")
        return []
    content = animated_glb(reconstruction, textures, poses, fps)
    with atomic_path(path) as beside:
        beside.write_bytes(content)
    return [path]


def _single_files(
    hand: SkinnedHand,
    stem: str,
    textures: HandTextures | None,
    motion: Motion,
    formats: Sequence[str],
) -> dict[str, bytes]:
    """The files that hold one hand only."""
    files = obj_texts(hand, stem, textures) if "obj" in formats else {}
    if "ply" in formats:
        files[f"{stem}.ply"] = ply_bytes(hand)
    if "bvh" in formats:
        files[f"{stem}.bvh"] = bvh_text(hand, motion).encode()
    return files
