"""Textures: albedo, normals and occlusion of the refined hands from all photos.

Reads O/demo_sfs/S and D/S. Writes O/demo_sfs/S: S_albedo.png, S_normal.png (tangent space, for
the hand model's own mesh), S_occlusion.png, S_seen.png (white: photos show it), S_textures.json.
Each hand has a square tile, the left one first. mesh_sfs_optim.py runs this at its end.
"""

from __future__ import annotations

from collections.abc import Sequence

from utils.stage import Job, run_stage, stage_parser, start


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run the stage; returns the exit status."""
    parser = stage_parser(
        "Bake textures of the refined hands from all photos.",
        "python bake_textures.py --data_path demo_data --scan_id 1   # after mesh_sfs_optim.py\n"
        "python bake_textures.py --data_path demo_data --set texture_size=4096",
    )
    return run_stage(parser, bake_textures, argv)


def bake_textures(job: Job) -> None:
    """Run the stage on one scan."""
    from models.textures.stage import bake_textures as bake

    bake(job)


if __name__ == "__main__":
    start(main)
