"""A coloured mesh as binary glTF 2.0 without lights: browsers take it as it is."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

FLOAT, UNSIGNED_INT = 5126, 5125  # glTF's componentType
LINES, TRIANGLES = 1, 4  # glTF's mode
UNLIT = "KHR_materials_unlit"


def glb_bytes(verts: np.ndarray, colors: np.ndarray, cells: np.ndarray) -> bytes:
    """A GLB file of verts (V, 3), colors (V, 3), linear RGB from 0 up, and cells: faces (F, 3) or
    edges (E, 2).
    """
    blobs = [
        np.ascontiguousarray(verts, "<f4"),
        np.ascontiguousarray(colors, "<f4"),
        np.ascontiguousarray(cells, "<u4"),
    ]
    text = json.dumps(_header(*blobs)).encode()
    text += b" " * (-len(text) % 4)
    body = b"".join(map(bytes, blobs))
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(body), b"BIN\0") + body
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def _header(verts: np.ndarray, colors: np.ndarray, cells: np.ndarray) -> dict[str, Any]:
    """The description of a body of these arrays, one after another."""
    sizes = [array.nbytes for array in (verts, colors, cells)]  # multiples of 4, as glTF wants them
    starts = np.cumsum([0, *sizes]).tolist()
    bounds = {"min": verts.min(0).tolist(), "max": verts.max(0).tolist()}
    accessors = [
        {"componentType": FLOAT, "type": "VEC3", "count": len(verts), **bounds},
        {"componentType": FLOAT, "type": "VEC3", "count": len(verts)},
        {"componentType": UNSIGNED_INT, "type": "SCALAR", "count": cells.size},
    ]
    primitive = {
        "attributes": {"POSITION": 0, "COLOR_0": 1},
        "indices": 2,
        "mode": LINES if cells.shape[1] == 2 else TRIANGLES,
        "material": 0,
    }
    return {
        "asset": {"version": "2.0"},
        "extensionsUsed": [UNLIT],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [primitive]}],
        "materials": [{"doubleSided": True, "extensions": {UNLIT: {}}}],
        "buffers": [{"byteLength": starts[-1]}],
        "bufferViews": [
            {"buffer": 0, "byteOffset": start, "byteLength": size}
            for start, size in zip(starts, sizes)
        ],
        "accessors": [{"bufferView": k, **accessor} for k, accessor in enumerate(accessors)],
    }
