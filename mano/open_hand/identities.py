"""The shape space: hands of many bodies in one pose -> mean, 10 components, joint regressor."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from mano.open_hand.anatomy import (
    CUBES,
    align_palm,
    finger_joints,
    joint_rule,
    rotation_between,
    wrist_frame,
)
from mano.open_hand.makehuman import MakeHuman, Phenotype
from utils.keypoints.order import JOINT_PARENTS, N_JOINTS

N_COMPONENTS = 10
# Wrist to middle fingertip, metres: mean, standard deviation, least and greatest over adults.
HAND_LENGTH = (0.183, 0.012)
HAND_LENGTH_RANGE = (0.150, 0.216)
# Hand targets of MakeHuman and the standard deviation of their value, with the mean of the first.
LOCAL_TARGETS = {
    ("hands/r-hand-scale-decr", "hands/r-hand-scale-incr"): 0.15,
    ("hands/r-hand-fingers-length-decr", "hands/r-hand-fingers-length-incr"): 0.3,
    ("hands/r-hand-fingers-diameter-decr", "hands/r-hand-fingers-diameter-incr"): 0.35,
    ("hands/r-hand-fingers-distance-decr", "hands/r-hand-fingers-distance-incr"): 0.3,
    ("hands/measure-wrist-circ-decr", "hands/measure-wrist-circ-incr"): 0.35,
}
CHILD_FRACTION = 0.1
REGRESSOR_CANDIDATES = 70  # nearest vertices that may carry a joint
REGRESSOR_REACH = 0.03  # metres: how far the parent's vertices may help


@dataclass
class Proportions:
    """Relative changes MakeHuman lacks: it scales all fingers together, people differ in each."""

    finger_length: np.ndarray  # (5,)
    finger_girth: np.ndarray  # (5,)
    palm_length: float
    palm_width: float


class HandSampler:
    """Hands of sampled bodies in the wrist frame. verts (V, 3), joints (16, 3), ends (5, 3)."""

    def __init__(self, body: MakeHuman, ids: np.ndarray) -> None:
        cubes = [body.cube_vertices(name) for name in CUBES]
        self._ends = np.cumsum([len(ids), *map(len, cubes)])
        body.restrict(np.concatenate([ids, *cubes]))
        self._body, self._rule = body, joint_rule()
        _, self._reference = self._split(Phenotype())

    def _split(self, phenotype: Phenotype) -> tuple[np.ndarray, np.ndarray]:
        verts, *cubes = np.split(self._body.body(phenotype), self._ends[:-1])
        return verts, np.stack([cube.mean(0) for cube in cubes])

    def hand(self, phenotype: Phenotype) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The phenotype's hand in MakeHuman's rest pose, its palm along the average palm."""
        verts, cubes = self._split(phenotype)
        rotation = wrist_frame(self._reference) @ align_palm(cubes, self._reference)
        points = self._rule @ cubes
        verts, points = (verts - points[0]) @ rotation.T, (points - points[0]) @ rotation.T
        return verts, points[:N_JOINTS], points[N_JOINTS:]


def sample_phenotype(rng: np.random.Generator) -> tuple[Phenotype, Proportions]:
    """One random body, mostly adult, and its per-finger proportions."""
    child = rng.random() < CHILD_FRACTION
    age = rng.uniform(0.5, 0.62) if child else rng.uniform(0.62, 1.0)
    muscle, weight, height, proportions = rng.normal(0.5, 0.17, 4).clip(0, 1)
    local = {k: float(np.clip(rng.normal(0, sd), -1, 1)) for k, sd in LOCAL_TARGETS.items()}
    local[next(iter(local))] -= 0.12  # MakeHuman's average hand is large for its body
    phenotype = Phenotype(
        gender=rng.random(),
        age=age,
        muscle=muscle,
        weight=weight,
        height=height,
        proportions=proportions,
        race=tuple(rng.dirichlet([1, 1, 1])),
        local=local,
    )
    own = Proportions(
        finger_length=rng.normal(0, 0.045, 5).clip(-0.1, 0.1),
        finger_girth=rng.normal(0, 0.03, 5),
        palm_length=rng.normal(0, 0.03),
        palm_width=rng.normal(0, 0.035),
    )
    return phenotype, own


def straighten(
    hand: tuple[np.ndarray, np.ndarray, np.ndarray],
    weights: np.ndarray,
    directions: np.ndarray,
    own: Proportions,
) -> tuple[np.ndarray, np.ndarray]:
    """Bring a hand into the template's pose and give it its own proportions.

    Each bone turns to `directions` (16, 3) and is stretched along and across itself; vertices
    follow by blended affine maps. Returns verts (V, 3) and joints (16, 3).
    """
    verts, joints, ends = hand
    maps = np.tile(np.eye(3), (N_JOINTS, 1, 1))
    maps[0] = np.diag([1 + own.palm_length, 1 + 0.5 * own.palm_width, 1 + own.palm_width])
    placed = joints @ maps[0].T
    for finger in range(5):
        chain = np.vstack([joints[finger_joints(finger)], ends[finger]])
        girth = (1 + own.finger_girth[finger]) * (1 + 0.5 * own.palm_width)
        for k, joint in enumerate(finger_joints(finger)):
            along = directions[joint]
            stretch = 1 + own.finger_length[finger] - girth
            turn = rotation_between(chain[k + 1] - chain[k], along)
            maps[joint] = (np.eye(3) * girth + stretch * np.outer(along, along)) @ turn
            if k < 2:
                placed[joint + 1] = placed[joint] + maps[joint] @ (chain[k + 1] - chain[k])
    offsets = placed - np.einsum("jab,jb->ja", maps, joints)
    blended = np.einsum("vj,jab->vab", weights, maps)
    return np.einsum("vab,vb->va", blended, verts) + weights @ offsets, placed


def sample_hands(
    sampler: HandSampler, count: int, weights: np.ndarray, directions: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """verts (N, V, 3) and joints (N, 16, 3) of `count` random hands of human size, metres."""
    rng = np.random.default_rng(seed)
    verts, joints = [], []
    for _ in range(count):
        phenotype, own = sample_phenotype(rng)
        v, j = straighten(sampler.hand(phenotype), weights, directions, own)
        length = np.linalg.norm(v - j[0], axis=1).max()
        scale = np.clip(rng.normal(*HAND_LENGTH), *HAND_LENGTH_RANGE) / length
        verts.append(v * scale)
        joints.append(j * scale)
    return np.stack(verts), np.stack(joints)


def shape_space(verts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (V, 3) and shapedirs (V, 3, 10), each component times its standard deviation.

    Signs: a positive coefficient enlarges the hand.
    """
    mean = verts.mean(0)
    centred = (verts - mean).reshape(len(verts), -1)
    # The few largest components through the small Gram matrix, far cheaper than an SVD.
    _, vectors = np.linalg.eigh(centred @ centred.T)
    components = vectors[:, : -N_COMPONENTS - 1 : -1].T @ centred / np.sqrt(len(verts))
    components *= np.where(components @ mean.ravel() < 0, -1, 1)[:, None]
    return mean, np.moveaxis(components.reshape(N_COMPONENTS, -1, 3), 0, 2)


def joint_regressor(verts: np.ndarray, joints: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(16, V) sparse convex rows with regressor @ verts ~ joints over all N hands.

    Non-negative least squares over the nearest vertices of the joint's own and its parent's skin.
    """
    mean, centre = verts.mean(0), joints.mean(0)
    regressor = np.zeros((N_JOINTS, verts.shape[1]))
    for joint in range(N_JOINTS):
        distance = np.linalg.norm(mean - centre[joint], axis=1)
        near = weights[:, joint] > 0.05
        if joint:
            near |= (weights[:, JOINT_PARENTS[joint]] > 0.05) & (distance < REGRESSOR_REACH)
        chosen = np.flatnonzero(near)
        chosen = chosen[np.argsort(distance[chosen])[:REGRESSOR_CANDIDATES]]
        offsets = (verts[:, chosen] - joints[:, joint, None]).transpose(0, 2, 1)
        offsets = offsets.reshape(-1, len(chosen)) * 1e3  # millimetres
        sum_row = np.full((1, len(chosen)), 100 * np.sqrt(len(verts)))
        target = np.append(np.zeros(len(offsets)), sum_row[0, 0])
        row = nnls(np.vstack([offsets, sum_row]), target)[0]
        regressor[joint, chosen] = row / row.sum()
    return regressor
