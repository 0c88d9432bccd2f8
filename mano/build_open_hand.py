"""Build the open hand models from MakeHuman's CC0 assets: python -m mano.build_open_hand

Writes mano/open_hand_{right,left}.npz, the arrays of an official MANO file plus UVs, fingertip
vertices and pose statistics. Needs requirements-build.txt; all seeds are fixed.
"""

import argparse
from pathlib import Path

import numpy as np

from mano.open_hand import identities, packing, poses
from mano.open_hand.anatomy import bone_directions
from mano.open_hand.correctives import pose_correctives
from mano.open_hand.makehuman import MakeHuman, Phenotype
from mano.open_hand.skinning import hand_weights
from mano.open_hand.surface import cut_hand, split_quads
from mano.open_hand.uv_layout import fill_unit_square

N_IDENTITIES, N_POSES = 600, 4000
IDENTITY_SEED, POSE_SEED = 0, 1
# Where MANO puts its wrist; keeps our hand beside an official one in a viewer. Metres.
WRIST_POSITION = np.array([0.095, 0.006, 0.006])


def build_right_hand(n_identities: int = N_IDENTITIES, n_poses: int = N_POSES) -> dict:
    """All arrays of the right hand's file, float64. Prints how well each step does."""
    body = MakeHuman()
    ids, quads, uvs, quad_uvs = cut_hand(body)
    sampler = identities.HandSampler(body, ids)
    verts, joints, ends = sampler.hand(Phenotype())
    faces, face_uv = split_quads(verts, quads, quad_uvs)
    directions = bone_directions(joints, ends)
    weights = hand_weights(body, ids, verts, faces, joints, ends)

    all_verts, all_joints = identities.sample_hands(
        sampler, n_identities, weights, directions, IDENTITY_SEED
    )
    mean, shapedirs = identities.shape_space(all_verts)
    regressor = identities.joint_regressor(all_verts, all_joints, weights)
    _report_shape(all_verts, all_joints, mean, shapedirs, regressor)
    mean_joints = regressor @ mean

    tips = packing.tip_vertices(mean, faces, mean_joints, weights, directions)
    return {
        "hand_model": np.array("open"),
        "v_template": mean + WRIST_POSITION,
        "f": faces.astype(np.uint32),
        "uv": fill_unit_square(uvs, face_uv),
        "face_uv": face_uv.astype(np.uint32),
        "shapedirs": shapedirs,
        "posedirs": pose_correctives(mean, mean_joints, weights, directions),
        "J_regressor": regressor,
        "J": mean_joints + WRIST_POSITION,
        "weights": weights,
        "kintree_table": packing.kintree_table(),
        **_pose_arrays(directions, n_poses),
        "tips": tips["pad"],
        "tips_nail": tips["nail"],
        "tips_end": tips["end"],
        "bs_type": np.array("lrotmin"),
        "bs_style": np.array("lbs"),
    }


def _pose_arrays(directions: np.ndarray, n_poses: int) -> dict[str, np.ndarray]:
    space = poses.pose_space(poses.sample_poses(n_poses, directions, POSE_SEED))
    explained = np.cumsum(space.std**2) / np.sum(space.std**2)
    print(f"pose: 6/12/20 components explain {explained[[5, 11, 19]].round(3)}")
    return {
        "hands_mean": space.mean,
        "hands_components": space.components,
        "hands_std": space.std,
        "hands_limits": space.limits,
    }


def _report_shape(
    verts: np.ndarray,
    joints: np.ndarray,
    mean: np.ndarray,
    shapedirs: np.ndarray,
    regressor: np.ndarray,
) -> None:
    basis = np.linalg.qr(shapedirs.reshape(-1, shapedirs.shape[2]))[0]
    centred = (verts - mean).reshape(len(verts), -1)
    rest = (centred - centred @ basis @ basis.T).reshape(verts.shape)
    joint_error = np.linalg.norm(regressor @ verts - joints, axis=2)
    explained = 1 - (rest**2).sum() / (centred**2).sum()
    print(
        f"shape: {shapedirs.shape[2]} components explain {explained:.4f}, leave "
        f"{1e3 * np.linalg.norm(rest, axis=2).mean():.2f} mm mean; joint regressor "
        f"{1e3 * joint_error.mean():.2f} mm mean, {1e3 * joint_error.max():.2f} mm max"
    )


def main() -> None:
    """Write both hands' files into --out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    folder = parser.parse_args().out
    right = build_right_hand()
    for side, model in (("right", right), ("left", packing.mirror(right))):
        path = folder / f"open_hand_{side}.npz"
        packing.save_npz(path, model)
        print(f"{path}: {len(model['v_template'])} vertices, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
