"""What bake_textures.py wrote, cut into the hands' own tiles and encoded for files of meshes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from models.ham.reconstruction import Reconstruction
from models.textures.files import checked_facts, texture_paths
from utils.errors import UserError
from utils.io.files import existing_file
from utils.io.images import load_image, load_mask, to_bytes

KINDS = ("albedo", "normal", "occlusion")
AGAIN = "run bake_textures.py on this scan again, or export with --no_textures"
ROUGHNESS = 0.6  # of skin without textures
LARGEST_PNG = 2_000_000  # bytes of an image: larger ones are stored as JPEG
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95]
JPEG += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]


@dataclass(frozen=True)
class HandTextures:
    """Textures (n, n, 3) uint8 RGB of one hand: sRGB albedo, tangent-space normals, occlusion."""

    albedo: np.ndarray
    normal: np.ndarray
    occlusion: np.ndarray
    roughness: float

    def encoded(self, kind: str) -> tuple[bytes, str]:
        """One texture as a PNG, or as a JPEG where that would be large; and its ending."""
        image = np.ascontiguousarray(getattr(self, kind)[..., ::-1])
        png = cv2.imencode(".png", image)[1].tobytes()
        if len(png) <= LARGEST_PNG:
            return png, "png"
        return cv2.imencode(".jpg", image, JPEG)[1].tobytes(), "jpg"


def load_textures(
    folder: Path, scan_id: str, reconstruction: Reconstruction
) -> dict[str, HandTextures] | None:
    """Each hand's textures by side, or None where nobody baked any.

    Raises UserError where files are missing or are not of these hands, and where a hand's texture
    was seen in no photo.
    """
    paths = texture_paths(folder, scan_id)
    if not paths["facts"].is_file():
        return None
    size, roughness = checked_facts(paths["facts"], reconstruction, AGAIN)
    sheets = {kind: to_bytes(load_image(existing_file(paths[kind], AGAIN))) for kind in KINDS}
    sheets["seen"] = load_mask(existing_file(paths["seen"], AGAIN))
    wanted = (size, size * len(reconstruction.sides))
    for kind, sheet in sheets.items():
        if sheet.shape[:2] != wanted:
            raise UserError(
                f"{paths[kind]} is {sheet.shape[1]}x{sheet.shape[0]} pixels, expected "
                f"{wanted[1]}x{wanted[0]} ({paths['facts'].name}); {AGAIN}"
            )
    textures = {}
    for number, side in enumerate(reconstruction.sides):
        tile = {name: sheet[:, number * size :][:, :size] for name, sheet in sheets.items()}
        if not tile.pop("seen").any():
            raise UserError(
                f"{paths['seen']}: no photo shows the {side} hand, whose texture is made up; add "
                "photos of it, or export with --no_textures"
            )
        textures[side] = HandTextures(**tile, roughness=roughness)
    return textures
