"""Numba kernel for `models.hand.kinematics`: vertices of a posed hand and their Jacobian."""

from utils.compiled import FAST, U, njit

BONES, ANGLES, SHAPES = 16, 45, 10  # sizes of a hand model
ROTATION, POSE, SHAPE = 3, 6, 51  # columns of the Jacobian, as `kinematics.LAYOUT` has them


@njit(**FAST)
def skin_vertices(
    ids, weights, v_template, shapedirs, posedirs, moves, G, rest_joints, joints, twist, shape,
    correctives, d_correctives, d_joints, room, points, jacobian,
):  # fmt: skip
    """Write points (N, 3) and jacobian (N, 3, 62), zeros before, of vertices `ids` (N,).

    The hand model: weights (V, 16), v_template (V, 3), shapedirs (V, 3, 10), posedirs (V, 3, 135);
    moves (16, 16), 1 where the row's joint moves the column's bone. The pose: G (16, 3, 3) global
    rotations, rest_joints and joints (16, 3), twist (16, 3, 3) by each rotation parameter, shape
    (10,), correctives (135,) what posedirs are multiplied with, d_correctives (15, 3, 9) their
    derivatives by each joint's own angles, d_joints (16, 3, 10) joints by shape, less G times
    those at rest. room (20, 3) is to work in.
    """
    arms, turn, rest = room[:16], room[16:19], room[19]
    for n in range(U(ids.shape[0])):
        i = U(ids[n])
        w, to = weights[i], jacobian[n]
        for c in range(U(3)):
            total = v_template[i, c]
            for s in range(U(SHAPES)):
                total += shapedirs[i, c, s] * shape[s]
            for m in range(U(135)):
                total += posedirs[i, c, m] * correctives[m]
            rest[c] = total
        arms[:], turn[:] = 0.0, 0.0
        px = py = pz = 0.0
        for j in range(U(BONES)):
            share = w[j]
            if share == 0.0:
                continue
            g, at, home = G[j], joints[j], rest_joints[j]
            dx, dy, dz = rest[0] - home[0], rest[1] - home[1], rest[2] - home[2]
            bx = g[0, 0] * dx + g[0, 1] * dy + g[0, 2] * dz + at[0]
            by = g[1, 0] * dx + g[1, 1] * dy + g[1, 2] * dz + at[1]
            bz = g[2, 0] * dx + g[2, 1] * dy + g[2, 2] * dz + at[2]
            px, py, pz = px + share * bx, py + share * by, pz + share * bz
            for a in range(U(3)):
                for b in range(U(3)):
                    turn[a, b] += share * g[a, b]
                for s in range(U(SHAPES)):
                    to[a, U(SHAPE) + s] += share * d_joints[j, a, s]
            for k in range(U(BONES)):
                if moves[k, j] != 0.0:
                    arms[k, U(0)] += share * (bx - joints[k, 0])
                    arms[k, U(1)] += share * (by - joints[k, 1])
                    arms[k, U(2)] += share * (bz - joints[k, 2])
        points[n, U(0)], points[n, U(1)], points[n, U(2)] = px, py, pz
        for k in range(U(BONES)):
            ax, ay, az = arms[k, U(0)], arms[k, U(1)], arms[k, U(2)]
            if ax == 0.0 and ay == 0.0 and az == 0.0:
                continue
            for p in range(U(3)):
                tx, ty, tz = twist[k, 0, p], twist[k, 1, p], twist[k, 2, p]
                column = U(ROTATION) + U(3) * k + p
                to[U(0), column] = ty * az - tz * ay
                to[U(1), column] = tz * ax - tx * az
                to[U(2), column] = tx * ay - ty * ax
        for angle in range(U(ANGLES)):
            joint, p = angle // U(3), angle % U(3)
            mx = my = mz = 0.0
            for m in range(U(9)):
                by_angle, row = d_correctives[joint, p, m], U(9) * joint + m
                mx += posedirs[i, U(0), row] * by_angle
                my += posedirs[i, U(1), row] * by_angle
                mz += posedirs[i, U(2), row] * by_angle
            for a in range(U(3)):
                to[a, U(POSE) + angle] += turn[a, 0] * mx + turn[a, 1] * my + turn[a, 2] * mz
        for s in range(U(SHAPES)):
            sx, sy, sz = shapedirs[i, U(0), s], shapedirs[i, U(1), s], shapedirs[i, U(2), s]
            for a in range(U(3)):
                to[a, U(SHAPE) + s] += turn[a, 0] * sx + turn[a, 1] * sy + turn[a, 2] * sz
