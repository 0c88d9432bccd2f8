"""Drives the refined hands with other poses: pictures, a film, an animated .glb, meshes.

Reads O/demo_sfs/S and a file of poses. Writes into O/demo_sfs/S/repose/NAME: %03d.png, repose.mp4,
repose.glb and %03d.obj (with albedo). --mode turntable writes a film around the hands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.errors import UserError
from utils.motion.options import add_motion_options, motion_options
from utils.stage import Job, run_stage, stage_parser, start
from utils.stage.arguments import whole

if TYPE_CHECKING:
    import argparse

    import numpy as np

    from models.ham.reconstruction import Reconstruction
    from utils.cameras import Cameras
    from utils.motion.track import Hands

Draw = Callable[["Cameras"], "np.ndarray"]  # one camera (world units) -> picture
Pose = Callable[["np.ndarray"], Draw]  # vertices (V, 3), world units -> how cameras see them
MOST_MESHES = 100  # frames that get an .obj each unless --meshes says more
RENDERERS = {
    "mesh": "the mesh's own shading, with its texture where there is one",
    "mlp": "what neural_render.py trained, with the mesh that it refined",
    "unet": "the same",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run; returns the exit status."""
    parser = stage_parser(
        "Pose the refined hands anew, detail, albedo and features on their skin, or film them\n"
        "from all sides. Shape and scale stay the hands' own.\n"
        "Files of poses: .pt as mano_out/S.pt is (a list of one dict a hand with type, pose and\n"
        "trans), or a list of such lists, one a frame; .npz of AMASS (SMPL-H, SMPL-X) and\n"
        "S_sequence.npz of this suite; InterHand2.6M's MANO_NeuralAnnot.json.",
        "# after mesh_sfs_optim.py, for instance into the poses that the hands were fitted in:\n"
        "python repose.py --data_path demo_data --scan_id 1 --poses demo_out/mano_out/1.pt\n"
        "python repose.py --data_path demo_data --scan_id 1 \\\n"
        "  --poses grab.npz --poses_frames 100:700\n"
        "python repose.py --data_path demo_data --scan_id 1 --mode turntable",
    )
    add_motion_options(parser, "file of poses: .pt, .npz or .json")
    add_film_options(parser)
    return run_stage(parser, repose, argv)


def add_film_options(parser: argparse.ArgumentParser) -> None:
    """The options of how hands are drawn, and what is written."""
    add = parser.add_argument
    add(
        "--mode",
        choices=["motion", "turntable"],
        default="motion",
        help="motion: the hands move; turntable: a camera goes round them, as captured or in the "
        "first of --poses (default: %(default)s)",
    )
    drawn = "; ".join(f"{name}: {what}" for name, what in RENDERERS.items())
    add("--renderer", choices=[*RENDERERS], default="mesh", help=f"{drawn} (default: %(default)s)")
    add(
        "--cameras",
        type=Path,
        metavar="F.npz",
        help="motion: draw into its first camera (default: the capture's first)",
    )
    add("--name", metavar="NAME", help="folder of the results (default: the poses' file name)")
    add(
        "--meshes",
        choices=["auto", "all", "none"],
        default="auto",
        help=f"motion: an .obj a frame; auto: of up to {MOST_MESHES} frames (default: %(default)s)",
    )
    add("--video", type=Path, metavar="F.mp4", help="turntable: the film, .mp4 or .gif")
    add(
        "--seconds",
        type=whole(1, 600),
        default=6,
        help="turntable: how long a turn takes (default %(default)s)",
    )
    add(
        "--size",
        type=whole(16, 8192),
        default=512,
        help="turntable: pixels of a side (default %(default)s)",
    )


def repose(job: Job) -> None:
    """Pose or film one scan's hands."""
    {"motion": move, "turntable": turn}[job.args.mode](job)


def move(job: Job) -> None:
    """Pose one scan's hands anew and write what they look like."""
    from models.export.files import save_animation
    from models.export.frames import FrameFolder, film
    from models.export.reposing import Reposer
    from models.export.textures import load_textures
    from models.ham.reconstruction import load_reconstruction
    from utils.io.images import save_video
    from utils.motion.load import load_motion
    from utils.stage.lock import hold
    from utils.stage.record import lock_path

    args, folder = job.args, job.results_dir
    if args.poses is None:
        raise UserError("--poses is missing: a file of poses; --mode turntable needs none")
    target = folder / "repose" / result_name(args)
    frames = load_motion(args.poses, motion_options(args))
    reconstruction = load_reconstruction(folder, job.scan_id)
    verts, pose = open_renderer(job, reconstruction, folder)
    camera, reposer = choose_camera(job, reconstruction), Reposer(reconstruction, verts)
    reposer.check(frames)
    what = f"repose_{target.name}"
    hold(lock_path(job, what), f"scan {job.scan_id}: {what}")
    textures = load_textures(folder, job.scan_id, reconstruction)
    save_animation(target / "repose.glb", reconstruction, textures, frames, args.fps)
    files = FrameFolder(target, len(frames), made_with(job, folder, frames), job.overwrite)
    mesh = reconstruction if wants_meshes(args.meshes, len(frames)) else None
    pictures = film(files, reposer, frames, lambda moved: pose(moved)(camera), mesh)
    save_video(target / "repose.mp4", pictures, args.fps)
    print(f"{len(frames)} poses in {target}")


def turn(job: Job) -> None:
    """A film around the hands, which stand still."""
    import torch

    from models.export.reposing import Reposer
    from models.ham.reconstruction import load_reconstruction
    from utils.cameras.orbit import orbit_cameras
    from utils.io.images import check_video_path, save_video
    from utils.motion.load import load_motion
    from utils.progress_bar import progress

    args, folder = job.args, job.results_dir
    path = folder / f"turntable_{args.renderer}_{job.scan_id}.mp4"
    if args.poses is not None:
        path = folder / "repose" / result_name(args) / "turntable.mp4"
    path = args.video or path
    check_video_path(path)
    frames = [] if args.poses is None else load_motion(args.poses, motion_options(args))
    reconstruction = load_reconstruction(folder, job.scan_id)
    verts, pose = open_renderer(job, reconstruction, folder)
    if frames:
        verts = Reposer(reconstruction, verts).verts(frames[0])
    count, size = args.seconds * args.fps, (args.size, args.size)
    cameras = orbit_cameras(torch.from_numpy(verts), reconstruction.cameras, count, size)
    draw, numbers = pose(verts), progress(range(count), "frames")
    save_video(path, (draw(cameras[number]) for number in numbers), args.fps)
    print(f"look at {path}")


def wants_meshes(option: str, count: int) -> bool:
    """Whether each of `count` frames gets an .obj."""
    if option == "auto" and count > MOST_MESHES:
        print(f"note: no .obj a frame, for there are {count} (--meshes all writes them)")
    return option == "all" or (option == "auto" and count <= MOST_MESHES)


def made_with(job: Job, folder: Path, frames: Sequence[Hands]) -> dict[str, Any]:
    """What the pictures depend on."""
    from models.export.frames import motion_digest
    from models.neural.checkpoint import checkpoint_path
    from models.textures.files import texture_paths
    from utils.io.fingerprint import code_version, file_names, fingerprint, hashes

    args = job.args
    inputs = [folder / f"{job.scan_id}.pt"]
    if args.renderer == "mesh":
        textures = texture_paths(folder, job.scan_id)
        inputs += [textures["albedo"], textures["facts"]]
    else:
        inputs.append(checkpoint_path(folder, args.renderer, job.scan_id))
    inputs += [] if args.cameras is None else [args.cameras]
    named = file_names(inputs, {"out": job.out_path})
    return {
        "code": code_version(),
        "renderer": args.renderer,
        "poses": motion_digest(frames),
        "inputs": hashes({name: fingerprint(path) for name, path in named.items()}),
    }


def result_name(args: argparse.Namespace) -> str:
    """The folder of the results in repose/."""
    from utils.io.files import check_folder_name

    return check_folder_name(args.name or args.poses.stem)


def choose_camera(job: Job, reconstruction: Reconstruction) -> Cameras:
    """The camera (world units) that pictures are drawn into."""
    from utils.captures.evaluation_views import load_views

    if job.args.cameras is None:
        return reconstruction.cameras[0]
    size = tuple(reconstruction.cameras.sizes[0].tolist())
    return load_views(job.args.cameras, capture_size=size).cameras[0]


def open_renderer(
    job: Job, reconstruction: Reconstruction, folder: Path
) -> tuple[np.ndarray, Pose]:
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

        def shaded(verts: np.ndarray) -> Draw:
            moved = replace(reconstruction, verts=verts)
            return lambda camera: draw_mesh(moved, camera, light, texture).image

        return reconstruction.verts, shaded
    path = checkpoint_path(folder, net_type, job.scan_id)
    hands = load_checkpoint(path, net_type, reconstruction, job.device)

    def painted(verts: np.ndarray) -> Draw:
        own = reconstruction.frame.inverse().apply(torch.from_numpy(verts)).to(hands.mesh.verts)
        painter = WorldPainter(reposed(hands, own), reconstruction)
        return lambda camera: painter.render(camera).image

    return world_verts(hands, reconstruction), painted


if __name__ == "__main__":
    start(main)
