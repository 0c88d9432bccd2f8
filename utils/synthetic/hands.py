"""Whole hands: shape, proportions, pose, displacement, skin; and two hands side by side."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from utils.errors import UserError
from utils.geometry.crossings import crossing_faces
from utils.keypoints.order import KEYPOINT_ROWS
from utils.synthetic.bending import PosedBones
from utils.synthetic.fields import MM, bump, noise
from utils.synthetic.skeleton import (
    DORSAL,
    FINGER_ROOTS,
    Bones,
    Template,
    finger_clearance,
    measure_bones,
    move_by_bones,
    sample_open_pose,
    skin,
)
from utils.synthetic.skin import Skin, paint_skin
from utils.synthetic.surface import Surface, loop_subdivided, vertex_normals

SOFT_TISSUE, SOFT_WAVELENGTH, SOFT_LIMIT = 0.9 * MM, 50 * MM, 2.0  # amplitude; in amplitudes
LENGTH_SD, LENGTH_LIMIT = 0.035, 0.06  # of finger length, off the hand model
GIRTH_SD, GIRTH_LIMIT = 0.045, 0.08
MIN_CLEARANCE = 4 * MM  # between fingers
POSE_ATTEMPTS = 200
FOLD_REACH, UNFOLDING_STEPS = 5 * MM, 8
GAP_BETWEEN_HANDS = (9 * MM, 13 * MM)
START_APART = np.array([0.3, 0, 0])  # metres; clear of each other before they close in


@dataclass
class Hand:
    """A posed hand in world metres; its rigid motion is world = R model + t."""

    side: str  # 'left' or 'right'
    verts: np.ndarray  # (N, 3)
    faces: np.ndarray  # (F, 3) outward, open at the wrist
    keypoints: np.ndarray  # (21, 3) MediaPipe's order
    skin: Skin
    betas: np.ndarray  # (10,)
    pose: np.ndarray  # (16, 3) axis-angle from rest in the frame of its side; row 0 is 0
    wrist: np.ndarray  # (3,) the resting wrist in the model's frame
    bones: PosedBones
    facts: dict = field(default_factory=dict)
    R: np.ndarray = field(default_factory=lambda: np.eye(3))
    t: np.ndarray = field(default_factory=lambda: np.zeros(3))

    def move(self, R: np.ndarray, t: np.ndarray) -> None:
        """Apply x -> R x + t."""
        self.verts, self.keypoints = self.verts @ R.T + t, self.keypoints @ R.T + t
        self.R, self.t = R @ self.R, R @ self.t + t
        self.bones = self.bones.moved(R, t)

    def bent(self, angles: np.ndarray) -> Hand:
        """The hand with its joints bent by angles (16,), radians; `pose` stays as it is."""
        if not angles.any():
            return replace(self)  # not a bit otherwise
        verts, keypoints = self.bones.bent(self.verts, angles)
        return replace(self, verts=verts, keypoints=keypoints)

    def model_parameters(self, hands_mean: np.ndarray) -> dict[str, np.ndarray]:
        """pose (48,), shape (10,), trans (3,), scale () as the suite's hand models take them.

        They give the nearest hand inside the model's span, not this surface. `hands_mean` (45,)
        is the right hand's.
        """
        mean = hands_mean.reshape(15, 3) * _mirror_axes(self.side)
        relative = (self.pose[1:] - mean).ravel()
        turn = Rotation.from_matrix(self.R).as_rotvec()
        trans = self.t + self.R @ self.wrist - self.wrist
        pose = np.concatenate([turn, relative])
        return {"pose": pose, "shape": self.betas, "trans": trans, "scale": np.float64(1)}


def _mirror_axes(side: str) -> np.ndarray:
    """What mirroring x does to a right hand's rotation vectors."""
    return np.array([1.0, -1.0, -1.0]) if side == "left" else np.ones(3)


def capped(verts: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Close each open wrist with a fan about the mean of its rim: (V + 1, 3), (F + rim, 3)."""
    edges = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    codes, twins = edges @ [len(verts), 1], edges @ [1, len(verts)]
    rim = edges[~np.isin(codes, twins)]
    centre = verts[np.unique(rim)].mean(0)
    fan = np.column_stack([rim[:, ::-1], np.full(len(rim), len(verts))])
    return np.vstack([verts, centre]), np.vstack([faces, fan])


def make_hands(
    template: Template,
    sides: list[str],
    levels: int,
    rng: np.random.Generator,
    pose_seed: int | None = None,
) -> tuple[list[Hand], float]:
    """One person's open hands (left first), placed in the world, and the skin's melanin.

    `levels` of Loop subdivision. Two hands half face each other, some 10 mm apart. `pose_seed`
    gives the same hands another pose.
    """
    pose_rng = None if pose_seed is None else np.random.default_rng(pose_seed)
    betas = rng.normal(0, 0.8, 10).clip(-1.6, 1.6)
    melanin = rng.uniform(0.05, 0.45)
    hands = [
        build_hand(template, side, betas + rng.normal(0, 0.1, 10), melanin, levels, rng, pose_rng)
        for side in sides
    ]
    if len(hands) == 2:
        _bring_together(*hands, rng)
    tilt = rng.normal(0, 14 if len(hands) == 1 else 6, 3)
    turn = _turn(*tilt) @ _turn(0, 0, rng.uniform(-180, 180))
    place = rng.normal([0, 0, 1], 0.12)
    for hand in hands:
        hand.move(turn, place)
        hand.verts = hand.verts.astype(np.float32).astype(np.float64)  # exactly what is written
    return hands, melanin


def build_hand(
    template: Template,
    side: str,
    betas: np.ndarray,
    melanin: float,
    levels: int,
    rng: np.random.Generator,
    pose_rng: np.random.Generator | None = None,
    pose: np.ndarray | None = None,
) -> Hand:
    """A hand with its fingers up (+z) and its back to +y, off the span of the hand model.

    A left hand is built as a right one and mirrored. With `pose_rng` it is the hand that `rng`
    alone would give, in another pose, and with `pose` (16, 3), as `Hand.pose` is, in that one.
    """
    verts = template.verts + template.shapedirs @ betas
    wrist = (template.joint_regressor @ verts)[0]
    verts, joints, proportions = _own_proportions(template, verts, rng)
    bones = measure_bones(verts, joints, template.weights)
    drawn = _clear_pose(template, verts, joints, bones, rng)  # else `rng` would go on differently
    if pose is not None:
        pose = pose * _mirror_axes(side)  # as the right hand that is mirrored takes it
    elif pose_rng is not None:
        pose = _clear_pose(template, verts, joints, bones, pose_rng)
    else:
        pose = drawn
    posed, posed_joints = skin(verts, joints, template, pose)
    values = np.concatenate([verts, posed, template.weights], 1)
    dense, faces = loop_subdivided(values, template.faces, levels)
    rest, posed, weights = np.split(dense, [3, 6], 1)
    surface = Surface(rest, faces, weights, joints, bones, np.linalg.norm(pose, axis=1), rng)
    painted = paint_skin(surface, melanin)
    soft = SOFT_TISSUE * noise(rest, SOFT_WAVELENGTH, rng).clip(-SOFT_LIMIT, SOFT_LIMIT)
    posed = _displaced(posed, faces, painted.relief + soft)
    keypoints = np.vstack([posed_joints, posed[template.tips]])[list(KEYPOINT_ROWS)]
    facts = {
        **proportions,
        "edge_mm": surface.edge / MM,
        "finger_clearance_mm": finger_clearance(posed[: len(verts)], template.weights) / MM,
        "soft_tissue_rms_mm": soft.std() / MM,
        "relief_mm_p1_p99": np.percentile(painted.relief, (1, 99)) / MM,
        "crossing_faces": len(crossing_faces(posed, faces)),
    }
    posed_bones = PosedBones.of(template, bones, pose, posed_joints, weights)
    right = Hand("right", posed, faces, keypoints, painted, betas, pose, wrist, posed_bones, facts)
    return _upright(right if side == "right" else _mirrored(right))


def _mirrored(right: Hand) -> Hand:
    """The left hand that a right hand in the model's frame is the mirror image of."""
    flip = np.array([-1.0, 1, 1])
    return replace(
        right,
        side="left",
        verts=right.verts * flip,
        faces=right.faces[:, ::-1],
        keypoints=right.keypoints * flip,
        pose=right.pose * _mirror_axes("left"),
        wrist=right.wrist * flip,
        bones=right.bones.mirrored(),
    )


def _upright(hand: Hand) -> Hand:
    """Turn a hand from the model's frame so that its fingers point up."""
    outward = -1.0 if hand.side == "left" else 1.0
    hand.move(np.array([[0, 0, outward], DORSAL, [-outward, 0, 0]]), np.zeros(3))
    return hand


def _own_proportions(
    template: Template, verts: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, dict]:
    """Stretch and thicken single fingers: verts (V, 3), joints (16, 3) and what was drawn."""
    joints = template.joint_regressor @ verts
    direction = measure_bones(verts, joints, template.weights).direction
    length = rng.normal(0, LENGTH_SD, 5).clip(-LENGTH_LIMIT, LENGTH_LIMIT)
    girth = rng.normal(0, GIRTH_SD, 5).clip(-GIRTH_LIMIT, GIRTH_LIMIT)
    linear, moved = np.tile(np.eye(3), (16, 1, 1)), joints.copy()
    for finger, root in enumerate(FINGER_ROOTS):
        for joint in range(root, root + 3):
            along, across = 1 + length[finger], 1 + girth[finger] + rng.normal(0, 0.02)
            axis = np.outer(direction[joint], direction[joint])
            linear[joint] = across * np.eye(3) + (along - across) * axis
            if joint < root + 2:
                step = joints[joint + 1] - joints[joint]
                moved[joint + 1] = moved[joint] + linear[joint] @ step
    verts = move_by_bones(verts, joints, moved, template.weights, linear)
    return verts, moved, {"finger_length": length, "finger_girth": girth}


def _clear_pose(
    template: Template,
    verts: np.ndarray,
    joints: np.ndarray,
    bones: Bones,
    rng: np.random.Generator,
) -> np.ndarray:
    """A pose (16, 3) whose fingers stay apart and whose skin does not run through itself."""
    for _ in range(POSE_ATTEMPTS):
        pose = sample_open_pose(bones, rng)
        posed, _ = skin(verts, joints, template, pose)
        apart = finger_clearance(posed, template.weights) > MIN_CLEARANCE
        if apart and len(crossing_faces(posed, template.faces)) == 0:
            return pose
    raise UserError(
        f"no open pose without touching fingers in {POSE_ATTEMPTS} tries; choose another --seed"
    )


def _displaced(verts: np.ndarray, faces: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Move along the normals by offsets (N,), less where the surface would fold into itself."""
    normals = vertex_normals(verts, faces)
    for _ in range(UNFOLDING_STEPS):
        moved = verts + offsets[:, None] * normals
        folded = crossing_faces(moved, faces)
        if len(folded) == 0:
            break
        distance, _ = cKDTree(verts[np.unique(faces[folded])]).query(verts)
        offsets = offsets * (1 - 0.5 * bump(distance, FOLD_REACH))
    return moved


def _turn(*degrees: float) -> np.ndarray:
    return Rotation.from_rotvec(degrees, degrees=True).as_matrix()


def _bring_together(left: Hand, right: Hand, rng: np.random.Generator) -> None:
    """Turn the palms half towards each other and close in until the hands nearly touch."""
    for hand, sign in ((left, 1), (right, -1)):
        lean = rng.normal([0, -10 * sign, 0], [12, 6, 8])
        hand.move(_turn(*lean) @ _turn(0, 0, sign * rng.uniform(30, 60)), np.zeros(3))
    beside = left.verts.mean(0) - right.verts.mean(0) + rng.normal(0, [0, 0.015, 0.012])
    right.move(np.eye(3), beside + START_APART)
    gap = rng.uniform(*GAP_BETWEEN_HANDS)
    tree = cKDTree(left.verts)
    for stride in (16, 1):  # a move by the clearance can never collide; every 16th vertex is near
        step = np.inf
        while abs(step) > 0.5 * MM:
            step = tree.query(right.verts[::stride])[0].min() - gap
            right.move(np.eye(3), np.array([-step, 0, 0]))
    left.facts["distance_to_other_mm"] = (step + gap) / MM
    right.facts["distance_to_other_mm"] = (step + gap) / MM
