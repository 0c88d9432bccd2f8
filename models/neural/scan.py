"""What neural_render.py and train_renderer.py start from: one scan after mesh_sfs_optim.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from models.ham.budget import NEURAL, choose_scale, workload
from models.ham.reconstruction import Reconstruction, load_reconstruction
from models.ham.state import HamState
from utils.cameras.correction import SIZE as CORRECTION_SIZE
from utils.captures import Capture, open_capture
from utils.captures.trusted_views import trusted_views
from utils.errors import UserError
from utils.io.meshes import load_mesh
from utils.memory import free_memory
from utils.photos.crops import Photos, ViewCrop, pack_photos
from utils.stage import Job
from utils.stage.config import Config


def open_start(folder: Path, scan_id: str, reconstruction: Reconstruction, device: str) -> HamState:
    """The reconstruction in hand units, with the parametric hand that it was refined from.

    Its cameras are corrected already, so nothing is left to correct.
    """
    path = folder / f"ori_{scan_id}.obj"
    reference, _ = load_mesh(path, "run mesh_sfs_optim.py on this scan first")
    if len(reference) != len(reconstruction.verts):
        raise UserError(f"{path} is not of {scan_id}.pt's mesh; run mesh_sfs_optim.py again")
    to_hand = reconstruction.frame.inverse()
    verts, reference = (
        to_hand.apply(torch.as_tensor(x)).to(device, torch.float32)
        for x in (reconstruction.verts, reference)
    )
    return HamState(
        verts=verts,
        reference=reference,
        faces=reconstruction.faces,
        correction=torch.zeros(len(reconstruction.cameras), CORRECTION_SIZE, device=device),
        hands=len(reconstruction.hands),
        subdivisions=reconstruction.subdivisions,
        appearance=reconstruction.appearance.copy().to(device),
    )


def open_photos(
    capture: Capture, reconstruction: Reconstruction, fit_folder: Path, config: Config, device: str
) -> tuple[Sequence[ViewCrop], Photos]:
    """The capture's views around the hands, in the cameras that the reconstruction ended with.

    Raises UserError where the capture has another number of views, and where memory does not hold
    what the config asks for.
    """
    if len(capture) != len(reconstruction.cameras):
        raise UserError(
            f"{capture.name} holds {len(capture)} photos, the reconstruction "
            f"{len(reconstruction.cameras)} views; run mesh_sfs_optim.py on this scan again"
        )
    cameras = reconstruction.cameras.normalised(reconstruction.frame)
    verts = reconstruction.frame.inverse().apply(torch.from_numpy(reconstruction.verts)).numpy()
    crops, _ = trusted_views(capture, cameras, verts, fit_folder)
    image_scale = config.neural_render.image_scale
    load = workload(cameras, crops.boxes, verts, reconstruction.faces, [(image_scale, len(verts))])
    photo_scale = choose_scale(load, NEURAL, config.photo_scale, free=free_memory(device))
    return crops, pack_photos(crops, cameras, photo_scale * image_scale, device)


@dataclass(frozen=True)
class TrainingScan:
    """One scan as training takes it; inputs are the files that it was read from."""

    reconstruction: Reconstruction
    start: HamState
    crops: Sequence[ViewCrop]
    photos: Photos
    inputs: list[Path]


def open_scan(job: Job) -> TrainingScan:
    """The job's scan with what the stages before left of it."""
    config, scan_id = job.config, job.scan_id
    folder = job.results_dir
    reconstruction = load_reconstruction(folder, scan_id)
    capture = open_capture(job, corrected=True, mended=True)
    inputs = [folder / f"{scan_id}.pt", folder / f"ori_{scan_id}.obj"]
    inputs += capture.files("image", "mask")
    start = open_start(folder, scan_id, reconstruction, job.device)
    fit_folder = job.out_path / config.input_mesh_dire
    crops, photos = open_photos(capture, reconstruction, fit_folder, config, job.device)
    return TrainingScan(reconstruction, start, crops, photos, inputs)
