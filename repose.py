"""Drives the refined hands with other poses: meshes, pictures and a film.

Reads O/demo_sfs/S and a .pt of poses. Writes into O/demo_sfs/S/repose/NAME: %03d.obj (with
albedo), %03d.png and repose.mp4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.stage import Job, run_stage, stage_parser, start

if TYPE_CHECKING:
    import numpy as np

    from models.ham.reconstruction import Reconstruction
    from utils.cameras import Cameras

Draw = Callable[["np.ndarray"], "np.ndarray"]  # vertices (V, 3), world units -> picture


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run; returns the exit status."""
    parser = stage_parser(
        "Pose the refined hands anew, detail, albedo and features on their skin.\n"
        "The poses: a .pt as mano_out/S.pt is (a list of one dict a hand with type, pose and\n"
        "trans), or a list of such lists, one a frame. Shape and scale stay the hands' own.",
        "# after mesh_sfs_optim.py, for instance into the poses that the hands were fitted in:\n"
        "python repose.py --data_path demo_data --scan_id 1 --poses demo_out/mano_out/1.pt",
    )
    add = parser.add_argument
    add("--poses", required=True, type=Path, metavar="F.pt", help="poses to take")
    add(
        "--renderer",
        choices=["mesh", "mlp", "unet"],
        default="mesh",
        help="mesh: the mesh's own shading; mlp, unet: what neural_render.py trained, with the "
        "mesh that it refined (default: %(default)s)",
    )
    add(
        "--cameras",
        type=Path,
        metavar="F.npz",
        help="draw into its first camera (default: the capture's first)",
    )
    add("--name", metavar="NAME", help="folder of the results (default: the poses' file name)")
    add("--fps", type=int, default=24, help="of the film (default %(default)s)")
    return run_stage(parser, repose, argv)


def repose(job: Job) -> None:
    """Pose one scan's hands anew and write what they look like."""
    from models.export.reposing import load_poses
    from models.export.reposing import repose as posed
    from models.ham.reconstruction import load_reconstruction
    from utils.io.files import check_folder_name
    from utils.io.images import save_image, save_video
    from utils.io.meshes import save_mesh
    from utils.progress_bar import progress

    args, folder = job.args, job.out_path / job.config.out_mesh_dire / job.scan_id
    name = check_folder_name(args.name or args.poses.stem)
    frames = load_poses(args.poses)
    reconstruction = load_reconstruction(folder, job.scan_id)
    verts, draw = open_renderer(job, reconstruction, folder, choose_camera(job, reconstruction))
    albedo = reconstruction.appearance.albedo.clamp(0, 1).numpy()
    target, pictures = folder / "repose" / name, []
    for number, hands in enumerate(progress(frames, "frames")):
        moved = posed(reconstruction, hands, verts)
        save_mesh(target / f"{number:03d}.obj", moved, reconstruction.faces, albedo)
        pictures.append(draw(moved))
        save_image(target / f"{number:03d}.png", pictures[-1])
    save_video(target / "repose.mp4", pictures, args.fps)
    print(f"{len(frames)} poses in {target}")


def choose_camera(job: Job, reconstruction: Reconstruction) -> Cameras:
    """The camera (world units) that pictures are drawn into."""
    from utils.captures.evaluation_views import load_views

    if job.args.cameras is None:
        return reconstruction.cameras[0]
    size = tuple(reconstruction.cameras.sizes[0].tolist())
    return load_views(job.args.cameras, capture_size=size).cameras[0]


def open_renderer(
    job: Job, reconstruction: Reconstruction, folder: Path, camera: Cameras
) -> tuple[np.ndarray, Draw]:
    """The vertices to un-pose, world units, and how reposed ones are drawn."""
    from dataclasses import replace

    import torch

    from models.appearance.model import light_for_unseen
    from models.neural.checkpoint import checkpoint_path, load_checkpoint, reposed
    from models.neural.painter import WorldPainter, world_verts
    from models.textures.drawing import draw_mesh
    from models.textures.files import own_texture

    net_type = job.args.renderer
    if net_type == "mesh":
        light = light_for_unseen(reconstruction.appearance, 1)
        texture = own_texture(folder, job.scan_id, reconstruction)

        def shade(verts: np.ndarray) -> np.ndarray:
            return draw_mesh(replace(reconstruction, verts=verts), camera, light, texture).image

        return reconstruction.verts, shade
    path = checkpoint_path(folder, net_type, job.scan_id)
    hands = load_checkpoint(path, net_type, reconstruction, job.device)

    def paint(verts: np.ndarray) -> np.ndarray:
        own = reconstruction.frame.inverse().apply(torch.from_numpy(verts)).to(hands.mesh.verts)
        return WorldPainter(reposed(hands, own), reconstruction).render(camera).image

    return world_verts(hands, reconstruction), paint


if __name__ == "__main__":
    start(main)
