"""The numbered files of a film: each is made once, so that an interrupted run goes on after it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.export.reposing import Reposer
from models.ham.reconstruction import Reconstruction
from utils.io.files import load_record, remove_abandoned, save_json
from utils.io.images import load_image, save_image
from utils.io.meshes import save_mesh
from utils.motion.track import Hands
from utils.progress_bar import progress

NUMBERED = re.compile(r"\d{3,}\.(png|obj)")
DIGITS = 3  # of a frame's number, at least


class FrameFolder:
    """A folder of %03d.png and %03d.obj, with a note of what they were made with.

    made_with: plain data. Where the note says another, or `afresh`, the numbered files in the
    folder are of an older film and are removed.
    """

    def __init__(self, folder: Path, count: int, made_with: Any, afresh: bool = False) -> None:
        self.folder, self.digits = folder, max(DIGITS, len(str(count - 1)))
        note = folder / ".frames.json"
        remove_abandoned([folder])
        if not afresh and load_record(note).get("made_with") == made_with:
            return
        note.unlink(missing_ok=True)
        for path in folder.glob("*") if folder.is_dir() else ():
            if NUMBERED.fullmatch(path.name):
                path.unlink()
        save_json(note, {"made_with": made_with})

    def path(self, number: int, ending: str) -> Path:
        """The file of a frame, counted from 0; ending: png or obj."""
        return self.folder / f"{number:0{self.digits}d}.{ending}"

    def has(self, number: int, endings: Sequence[str]) -> bool:
        """Whether a frame's files are all there."""
        return all(self.path(number, ending).is_file() for ending in endings)


def film(
    files: FrameFolder,
    reposer: Reposer,
    frames: Sequence[Hands],
    draw: Callable[[np.ndarray], np.ndarray],
    mesh: Reconstruction | None,
) -> Iterator[np.ndarray]:
    """Each frame's picture, which is written, too; and with `mesh`, an .obj with its albedo.

    One frame is held at a time. Those whose files are there are not made again, which is said.
    """
    endings = ["png"] if mesh is None else ["png", "obj"]
    kept = sum(files.has(number, endings) for number in range(len(frames)))
    if kept:
        print(f"{kept} of {len(frames)} frames are there already (--overwrite makes them again)")
    for number, hands in enumerate(progress(frames, "frames")):
        picture = files.path(number, "png")
        if files.has(number, endings):
            yield load_image(picture)
            continue
        moved = reposer.verts(hands)
        if mesh is not None:
            albedo = mesh.appearance.albedo.clamp(0, 1).numpy()
            save_mesh(files.path(number, "obj"), moved, mesh.faces, albedo)
        image = draw(moved)
        save_image(picture, image)
        yield image


def motion_digest(frames: Sequence[Hands]) -> str:
    """A digest of what poses say."""
    digest = hashlib.blake2b(digest_size=16)
    for hands in frames:
        for hand in hands:
            flags = [hand.get("flat_hand_mean", False), hand.get("wrist_from_captured", False)]
            digest.update(repr([hand["type"], *flags]).encode())
            for name in ("pose", "trans"):
                if name in hand:
                    digest.update(name.encode() + hand[name].double().numpy().tobytes())
        digest.update(b"frame")
    return digest.hexdigest()
