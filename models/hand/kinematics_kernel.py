"""Numba kernel for `models.hand.kinematics`: vertices of a posed hand and their Jacobian.

The hand model: weights (V, 16), v_template (V, 3), shapedirs (V, 3, 10), posedirs (V, 3, 135);
moves (16, 16), 1 where the row's joint moves the column's bone. The pose: G (16, 3, 3) global
rotations, rest_joints and joints (16, 3), twist (16, 3, 3) by each rotation parameter, shape (10,),
correctives (135,), what posedirs are multiplied with, d_correctives (15, 3, 9), their derivatives
by each joint's own angles, d_joints (16, 3, 10), joints by shape, less G times those at rest. Of
one vertex i: rest (3,) where it is before bones turn it, turn (3, 3) its bones' mean rotation,
arms (16, 3) from each joint to it, as far as that joint moves it, and `to` (3, 62), its Jacobian.
"""

from utils.compiled import FAST, SMALL, U, njit

BONES, ANGLES, SHAPES = 16, 45, 10  # sizes of a hand model
ENTRIES = 9  # of a bone's rotation, which correctives depend on
ROTATION, POSE, SHAPE = 3, 6, 51  # columns of the Jacobian, as `kinematics.LAYOUT` has them


@njit(**SMALL)
def place_at_rest(i, v_template, shapedirs, posedirs, shape, correctives, rest):
    """Write rest: the template, the hand's own shape, and the pose's correctives."""
    for c in range(U(3)):
        total = v_template[i, c]
        for s in range(U(SHAPES)):
            total += shapedirs[i, c, s] * shape[s]
        for m in range(U(correctives.shape[0])):
            total += posedirs[i, c, m] * correctives[m]
        rest[c] = total


@njit(**SMALL)
def blend_bones(w, moves, G, rest_joints, joints, d_joints, rest, point, turn, arms, to):
    """Add to point (3,), turn, arms and `to`, all zeros, what each bone does by its share w."""
    for j in range(U(BONES)):
        share = w[j]
        if share == 0.0:
            continue
        for a in range(U(3)):
            moved = joints[j, a]
            for b in range(U(3)):
                moved += G[j, a, b] * (rest[b] - rest_joints[j, b])
                turn[a, b] += share * G[j, a, b]
            point[a] += share * moved
            for k in range(U(BONES)):
                arms[k, a] += share * moves[k, j] * (moved - joints[k, a])
            for s in range(U(SHAPES)):
                to[a, U(SHAPE) + s] += share * d_joints[j, a, s]


@njit(**SMALL)
def turn_about_joints(arms, twist, to):
    """Write the columns of rotations to `to`: twist x arm."""
    for k in range(U(BONES)):
        x, y, z = arms[k, U(0)], arms[k, U(1)], arms[k, U(2)]
        for p in range(U(3)):
            tx, ty, tz = twist[k, U(0), p], twist[k, U(1), p], twist[k, U(2), p]
            column = U(ROTATION) + U(3) * k + p
            to[U(0), column] = ty * z - tz * y
            to[U(1), column] = tz * x - tx * z
            to[U(2), column] = tx * y - ty * x


@njit(**SMALL)
def add_turned(turn, x, y, z, column, to):
    """Add turn (x, y, z) to a column of `to`."""
    for a in range(U(3)):
        to[a, column] += turn[a, U(0)] * x + turn[a, U(1)] * y + turn[a, U(2)] * z


@njit(**SMALL)
def add_motion_at_rest(i, shapedirs, posedirs, d_correctives, turn, to):
    """Add to `to` how rest moves by angles, through the correctives, and by shape."""
    for angle in range(U(ANGLES)):
        joint, p = angle // U(3), angle % U(3)
        x = y = z = 0.0
        for m in range(U(ENTRIES)):
            by_angle, row = d_correctives[joint, p, m], U(ENTRIES) * joint + m
            x += posedirs[i, U(0), row] * by_angle
            y += posedirs[i, U(1), row] * by_angle
            z += posedirs[i, U(2), row] * by_angle
        add_turned(turn, x, y, z, U(POSE) + angle, to)
    for s in range(U(SHAPES)):
        x, y, z = shapedirs[i, U(0), s], shapedirs[i, U(1), s], shapedirs[i, U(2), s]
        add_turned(turn, x, y, z, U(SHAPE) + s, to)


@njit(**FAST)
def skin_vertices(
    ids, weights, v_template, shapedirs, posedirs, moves, G, rest_joints, joints, twist, shape,
    correctives, d_correctives, d_joints, room, points, jacobian,
):  # fmt: skip
    """Write points (N, 3) and jacobian (N, 3, 62) of vertices `ids` (N,); room (20, 3)."""
    points[:], jacobian[:] = 0.0, 0.0
    arms, turn, rest = room[:16], room[16:19], room[19]
    for n in range(U(ids.shape[0])):
        i, to = U(ids[n]), jacobian[n]
        arms[:], turn[:] = 0.0, 0.0
        place_at_rest(i, v_template, shapedirs, posedirs, shape, correctives, rest)
        blend_bones(
            weights[i], moves, G, rest_joints, joints, d_joints, rest, points[n], turn, arms, to
        )
        turn_about_joints(arms, twist, to)
        add_motion_at_rest(i, shapedirs, posedirs, d_correctives, turn, to)
