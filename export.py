"""Hands for other programs: skinned and textured .glb and .usdz, .obj, .ply, and motion as .bvh.

Reads O/demo_sfs/S and, where bake_textures.py left some, its textures. Writes into O/demo_sfs/S:
S.glb with all hands, and S_left, S_right as .glb, .usdz, .obj, .ply or .bvh; of the fine mesh,
S_fine, S_left_fine, S_right_fine.
"""

from __future__ import annotations

from collections.abc import Sequence

from utils.motion.options import add_motion_options, motion_options
from utils.stage import Job, StageRecord, run_stage, stage_parser, start


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run; returns the exit status."""
    parser = stage_parser(
        "Write the refined hands for Blender, Unity, Unreal, three.js and others: skinned, in\n"
        "metres, y up, in the pose that they were captured in.",
        "# after mesh_sfs_optim.py, and better after bake_textures.py, too:\n"
        "python export.py --data_path demo_data --scan_id 1\n"
        "python export.py --data_path demo_data --scan_id 1 --format glb,usd,bvh --detail fine",
    )
    add = parser.add_argument
    add(
        "--format",
        default="glb",
        metavar="F,F,...",
        help="glb, usd (a .usdz), obj, ply, bvh (the skeleton's motion) or several, separated by "
        "commas (default %(default)s)",
    )
    add(
        "--detail",
        choices=["light", "fine"],
        default="light",
        help="light: the hand model's mesh, with the detail in a normal map; fine: the refined "
        "mesh (default: %(default)s)",
    )
    what = "poses as for repose.py, one a frame: the motion of .glb, .usdz and .bvh"
    add_motion_options(parser, what)
    add("--no_textures", action="store_true", help="vertex colours, even where there are textures")
    return run_stage(parser, export, argv)


def export(job: Job) -> None:
    """Write one scan's hands."""
    from models.export.files import check_formats, export_files
    from models.export.textures import load_textures
    from models.ham.reconstruction import load_reconstruction
    from models.hand.files import model_files
    from models.textures.files import texture_paths
    from utils.io.files import atomic_path
    from utils.motion.load import load_motion

    args, folder = job.args, job.results_dir
    formats = check_formats(args.format)
    reconstruction = load_reconstruction(folder, job.scan_id)
    poses = None if args.poses is None else load_motion(args.poses, motion_options(args))
    record = StageRecord(
        job, "export", [formats, args.detail, args.no_textures, motion_options(args).plain()]
    )
    kind = reconstruction.hands[0]["hand_model"]
    inputs = [folder / f"{job.scan_id}.pt", *texture_paths(folder, job.scan_id).values()]
    inputs += [] if args.poses is None else [args.poses]
    if record.is_current([*inputs, *model_files(kind)]):
        return
    record.recall("mesh_sfs_optim")
    textures = None
    if not args.no_textures:
        textures = load_textures(folder, job.scan_id, reconstruction)
        if textures is None:
            print("note: vertex colours only; bake_textures.py gives textures")
    fine = args.detail == "fine"
    files = export_files(reconstruction, job.scan_id, textures, formats, fine, poses, args.fps)
    for name, content in files.items():  # all are made before the first is written
        with atomic_path(folder / name) as beside:
            beside.write_bytes(content)
    record.finish([folder / name for name in files])
    print(f"{', '.join(files)} in {folder}")


if __name__ == "__main__":
    start(main)
