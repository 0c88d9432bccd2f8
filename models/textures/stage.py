"""The textures' stage, which bake_textures.py and the end of mesh_sfs_optim.py run."""

from __future__ import annotations

import torch

from models.ham.reconstruction import load_reconstruction
from models.hand.fitted import load_hands
from models.textures.files import load_texture, texture_paths, write_textures
from models.textures.pictures import save_textured_pictures
from utils.captures import open_capture
from utils.captures.trusted_views import trusted_views
from utils.io.meshes import load_mesh
from utils.stage import Job, StageRecord


def bake_textures(job: Job) -> None:
    """Bake the textures of one scan from what mesh_sfs_optim.py wrote, and draw its pictures anew
    with them.
    """
    config, scan_id = job.config, job.scan_id
    folder = job.results_dir
    reconstruction = load_reconstruction(folder, scan_id)
    capture = open_capture(job, corrected=True, mended=True)
    hands = load_hands(job.out_path / config.input_mesh_dire, scan_id)
    record = StageRecord(job, "bake_textures")
    if record.is_current(
        [folder / f"{scan_id}.pt", *hands.files(), *capture.files("image", "mask")]
    ):
        return
    verts, cameras = reconstruction.in_hand_units(reconstruction.cameras)
    crops, _ = trusted_views(
        capture, cameras.to(dtype=torch.float64), verts.double().numpy(), hands.folder
    )
    outputs = write_textures(folder, scan_id, reconstruction, crops, config.texture_size)
    texture = load_texture(folder, scan_id, reconstruction)
    reference, _ = load_mesh(folder / f"ori_{scan_id}.obj", "run mesh_sfs_optim.py again")
    outputs += save_textured_pictures(
        folder, reconstruction, reference, crops, capture.names, texture
    )
    record.finish(outputs)
    print(f"look at {texture_paths(folder, scan_id)['albedo']}")
