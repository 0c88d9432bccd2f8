"""Tangents of a textured mesh by MikkTSpace's rule, on which normal maps are baked and drawn."""

from __future__ import annotations

import numpy as np

LEAST = 1e-12  # lengths and areas below which a direction is not defined


def vertex_tangents(
    verts: np.ndarray, faces: np.ndarray, normals: np.ndarray, uv: np.ndarray, face_uv: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Unit tangents (T, 3) and handedness (T,), +1 or -1, of the corners in the texture.

    verts (V, 3), any unit; faces (F, 3); unit normals (V, 3); uv (T, 2), v up; face_uv (F, 3).
    A tangent points to where u grows, and its bitangent, handedness * cross(normal, tangent), to
    where v does. As in MikkTSpace (Mikkelsen 2008, section 3; glTF 2.0 asks for it): the faces'
    gradients of u, projected onto the plane of the vertex normal and made unit, are averaged by the
    angles that the faces have there. Only faces that share a corner in the texture and its
    orientation are averaged; a corner without any that is not degenerate gets some perpendicular
    of its normal.
    """
    gradient, orientation = _u_gradients(verts, faces, uv, face_uv)
    corner = face_uv.ravel()
    normal = normals[faces].reshape(-1, 3)  # (3 F, 3)
    direction = _projected(np.repeat(gradient, 3, axis=0), normal)
    weight = _corner_angles(verts, faces, normals).ravel()
    sign = np.repeat(orientation, 3)
    handedness = np.where(np.bincount(corner, weight * sign, len(uv)) < 0, -1.0, 1.0)
    weight = weight * (sign == handedness[corner])
    summed = np.stack(
        [np.bincount(corner, weight * values, len(uv)) for values in direction.T], axis=1
    )
    normal_at = np.tile([0.0, 0.0, 1.0], (len(uv), 1))
    normal_at[corner] = normal
    undefined = np.linalg.norm(summed, axis=1) < LEAST
    summed[undefined] = _some_perpendicular(normal_at[undefined])
    return _projected(summed, normal_at), handedness


def _u_gradients(
    verts: np.ndarray, faces: np.ndarray, uv: np.ndarray, face_uv: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Directions (F, 3) in which u grows on each face, and the sign (F,) of its area in the
    texture, 0 where it has none."""
    a, b, c = (verts[faces[:, k]] for k in range(3))
    (au, av), (bu, bv), (cu, cv) = (uv[face_uv[:, k]].T for k in range(3))
    area = (bu - au) * (cv - av) - (bv - av) * (cu - au)
    orientation = np.where(np.abs(area) > LEAST, np.sign(area), 0.0)
    along = (cv - av)[:, None] * (b - a) - (bv - av)[:, None] * (c - a)
    return along * orientation[:, None], orientation


def _corner_angles(verts: np.ndarray, faces: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Angles (F, 3), radians, of the faces' corners, seen along the vertex normals."""
    angles = np.empty(faces.shape)
    for k in range(3):
        at, normal = verts[faces[:, k]], normals[faces[:, k]]
        before = _projected(verts[faces[:, k - 1]] - at, normal)
        after = _projected(verts[faces[:, k - 2]] - at, normal)
        angles[:, k] = np.arccos((before * after).sum(1).clip(-1, 1))
    return angles


def _projected(vectors: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Unit vectors (N, 3) in the planes of unit normals (N, 3); 0 where there is no direction."""
    flat = vectors - (vectors * normals).sum(1, keepdims=True) * normals
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.divide(flat, length, out=np.zeros_like(flat), where=length > 0)


def _some_perpendicular(normals: np.ndarray) -> np.ndarray:
    axis = np.eye(3)[np.abs(normals).argmin(1)]
    return np.cross(normals, axis)
