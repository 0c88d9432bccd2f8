"""Hands in the captured pose as files without a skeleton: .obj with a material, and .ply."""

from __future__ import annotations

import numpy as np

from models.export.skinned import SkinnedHand
from models.export.textures import HandTextures
from utils.io.images import to_bytes


def obj_texts(hand: SkinnedHand, stem: str, textures: HandTextures | None) -> dict[str, bytes]:
    """Files of one hand by name: stem.obj and, with textures, its material and their images.

    Metres, y up; texture coordinates and normals included. Without textures, vertices have their
    albedo (sRGB).
    """
    rows = hand.captured if textures else np.concatenate([hand.captured, hand.colors], 1)
    normals = hand.captured_normals
    lines = [f"mtllib {stem}.mtl", f"usemtl {hand.side}_skin"] if textures else []
    lines += _lines("v", rows) + _lines("vt", hand.uv) + _lines("vn", normals)
    lines += ["f " + " ".join(f"{k}/{k}/{k}" for k in face) for face in (hand.faces + 1).tolist()]
    files = {f"{stem}.obj": ("\n".join(lines) + "\n").encode()}
    if textures:
        names = {}
        for kind in ("albedo",) if hand.fine else ("albedo", "normal"):
            data, ending = textures.encoded(kind)
            names[kind] = f"{stem}_{kind}.{ending}"
            files[names[kind]] = data
        material = [
            f"newmtl {hand.side}_skin",
            "Kd 1 1 1",
            "Ks 0 0 0",
            f"Pr {textures.roughness:g}",
            f"map_Kd {names['albedo']}",
        ]
        if "normal" in names:
            material.append(f"norm {names['normal']}")
        files[f"{stem}.mtl"] = ("\n".join(material) + "\n").encode()
    return files


def _lines(word: str, rows: np.ndarray) -> list[str]:
    return [f"{word} " + " ".join(f"{value:.7g}" for value in row) for row in rows.tolist()]


def ply_bytes(hand: SkinnedHand) -> bytes:
    """A binary .ply of one hand: positions, normals and albedo of the unsplit mesh's vertices."""
    import trimesh

    _, first = np.unique(hand.vertex, return_index=True)
    mesh = trimesh.Trimesh(
        hand.captured[first],
        hand.vertex[hand.faces],
        vertex_normals=hand.captured_normals[first],
        vertex_colors=to_bytes(hand.colors[first]),
        process=False,
    )
    return mesh.export(file_type="ply", vertex_normal=True)
