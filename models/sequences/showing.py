"""What is looked at of a refined sequence: a film of photos and re-renderings, and an animation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from models.export.files import save_animation
from models.ham.reconstruction import load_reconstruction
from models.sequences.files import sequence_path
from models.sequences.opened import OpenedFrame, OpenedSequence
from models.sequences.verdict import Written
from utils import draw
from utils.errors import UserError
from utils.io.images import load_image, save_video
from utils.motion.load import load_motion
from utils.motion.options import MotionOptions
from utils.progress_bar import progress
from utils.stage import Job


def save_showings(job: Job, opened: OpenedSequence, written: Written) -> list[Path]:
    """Write the film S.mp4 and the animation S.glb, where they can be; returns all files' paths."""
    outputs = [Path(path) for facts in written.values() if facts for path in facts["outputs"]]
    good = [frame for frame in opened.frames if written.get(frame.name)]
    folder, rate = job.out_path / "sequence", job.config.sequence.frame_rate / opened.chosen.step
    views = min(job.config.sequence.film_views, len(opened.rig.names))
    if good and views:
        path = folder / f"{job.scan_id}.mp4"
        results = job.out_path / job.config.out_mesh_dire
        save_video(path, _film(opened, good, results, views), rate)
        outputs.append(path)
    if good:
        outputs += _save_animation(job, folder / f"{job.scan_id}.glb", good[0], rate)
    return outputs


def _film(
    opened: OpenedSequence, good: Sequence[OpenedFrame], results: Path, views: int
) -> Iterator[np.ndarray]:
    """The film's pictures (H, W, 3) in [0, 1], one a step: a row a view, photo and re-rendering.

    Steps without a frame show the one before.
    """
    by_step = {frame.step: frame for frame in good}
    shown = np.linspace(0, len(opened.rig.names), views, endpoint=False).astype(int).tolist()
    sizes, names, last = opened.rig.cameras.sizes.numpy(), opened.names(), None
    width = 2 * int(sizes[shown, 1].max())
    for step in progress(range(opened.steps), "film", "frame"):
        frame = by_step.get(step)
        if frame is not None:
            last = np.concatenate([_row(frame, results, v, sizes[v], width) for v in shown])
        if last is not None:
            said = f"frame {names[step]}" + ("" if frame else ": not there")
            yield draw.caption(last.copy(), said)


def _row(frame: OpenedFrame, results: Path, view: int, size: np.ndarray, width: int) -> np.ndarray:
    """One of the rig's views, of `size` height, width, side by side; black where there is none."""
    row = np.zeros((int(size[0] + size[0] % 2), width, 3), np.float32)  # films take even sizes
    if view in frame.views:
        own = list(frame.views).index(view)
        path = results / frame.name / "rerender" / f"mesh_{own:02d}.png"
        pair = np.concatenate([frame.capture.image(own), load_image(path)], 1)
        row[: pair.shape[0], : pair.shape[1]] = pair
    return row


def _save_animation(job: Job, path: Path, frame: OpenedFrame, rate: float) -> list[Path]:
    """The hands of one frame in the motion of the sequence; nothing where packages are missing."""
    poses = sequence_path(job.out_path, job.scan_id)
    if not poses.is_file():
        print(f"note: no animation: {poses} is missing; run mano_optim.py with the same --frames")
        return []
    folder = job.out_path / job.config.out_mesh_dire / frame.name
    try:
        motion = load_motion(poses, MotionOptions(fps=rate))
        reconstruction = load_reconstruction(folder, frame.name)
        return save_animation(path, reconstruction, None, motion, rate)
    except UserError as error:
        print(f"note: no animation: {error}")
        return []
