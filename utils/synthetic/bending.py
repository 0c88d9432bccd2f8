"""A finished hand whose fingers bend a little: what it takes to pose a surface once more."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from utils.keypoints.order import KEYPOINT_ROWS
from utils.synthetic.skeleton import Bones, Template, chained, move_by_bones


@dataclass(frozen=True)
class PosedBones:
    """Where the joints of a posed hand are, and about which axes its fingers bend."""

    weights: np.ndarray  # (N, 16) of the dense surface's vertices
    joints: np.ndarray  # (16, 3)
    flexion: np.ndarray  # (16, 3) unit axes; row 0, the wrist, is unused
    tips: np.ndarray  # (5,) vertices

    @staticmethod
    def of(
        template: Template, bones: Bones, pose: np.ndarray, joints: np.ndarray, weights: np.ndarray
    ) -> PosedBones:
        """Of a hand in `pose` (16, 3) with posed joints (16, 3), bones as they rest."""
        turns, _ = chained(Rotation.from_rotvec(pose).as_matrix(), joints)
        axes = np.cross(bones.direction, bones.palmar)
        return PosedBones(weights, joints, np.einsum("jab,jb->ja", turns, axes), template.tips)

    def moved(self, R: np.ndarray, t: np.ndarray) -> PosedBones:
        """After x -> R x + t."""
        return replace(self, joints=self.joints @ R.T + t, flexion=self.flexion @ R.T)

    def mirrored(self) -> PosedBones:
        """After x -> -x along the first axis: axes of turns are no ordinary vectors."""
        flip = np.array([-1.0, 1, 1])
        return replace(self, joints=self.joints * flip, flexion=-self.flexion * flip)

    def bent(self, verts: np.ndarray, angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Verts (N, 3) and keypoints (21, 3) with joints bent by `angles` (16,), radians."""
        local = Rotation.from_rotvec(angles[:, None] * self.flexion).as_matrix()
        linear, moved = chained(local, self.joints)
        verts = move_by_bones(verts, self.joints, moved, self.weights, linear)
        return verts, np.vstack([moved, verts[self.tips]])[list(KEYPOINT_ROWS)]
