"""The files of textures: written beside a reconstruction, and read again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from models.appearance.light import SHARPNESS
from models.ham.reconstruction import Reconstruction
from models.textures.bake import bake_albedo, fill
from models.textures.layout import AlbedoTexture, surface_texels, texture_layout
from models.textures.relief import normal_map, openness
from utils.errors import UserError
from utils.io.checks import FileCheck
from utils.io.files import load_json, save_json
from utils.io.images import image_size, load_image, save_image
from utils.photos.crops import ViewCrop

AGAIN = "run bake_textures.py on this scan again"
LARGEST_SIZE = 1 << 15  # rows
PARTS = ("albedo", "normal", "occlusion", "seen")


def texture_paths(folder: Path, scan_id: str) -> dict[str, Path]:
    """The files of a scan's textures by what they hold; facts: what they are of."""
    paths = {part: folder / f"{scan_id}_{part}.png" for part in PARTS}
    return {**paths, "facts": folder / f"{scan_id}_textures.json"}


def write_textures(
    folder: Path,
    scan_id: str,
    reconstruction: Reconstruction,
    crops: Sequence[ViewCrop],
    size: int,
) -> list[Path]:
    """Bake and write S_albedo, S_normal, S_occlusion, S_seen (.png) and S_textures.json.

    crops: the photos that the hands were fitted to, around them; size: rows of the textures. Raises
    UserError where no photo says anything of any texel, and where the hand model has no UVs.
    """
    layout = texture_layout(reconstruction.models(), reconstruction.subdivisions)
    texels = surface_texels(layout, size)
    baked = bake_albedo(reconstruction, layout, texels, crops)
    if not baked.seen.any():
        raise UserError(
            "textures: no photo shows any part of the hands well enough; none are written"
        )
    paths = texture_paths(folder, scan_id)
    save_image(paths["albedo"], baked.albedo)
    normals = normal_map(reconstruction, layout, texels)
    save_image(paths["normal"], fill(texels, (normals + 1) / 2))
    open_share = texels.at(openness(reconstruction)[:, None], reconstruction.faces)
    save_image(paths["occlusion"], fill(texels, open_share)[..., 0])
    save_image(paths["seen"], baked.seen)
    facts = {
        "size": size,
        "hands": reconstruction.sides,
        "roughness": round(roughness(), 3),
        "seen": round(float(baked.seen.sum() / baked.on_surface.sum()), 4),
        "misalignment_px": round(baked.misalignment, 2),
        "faces": len(reconstruction.faces),
    }
    save_json(paths["facts"], facts)
    print(
        f"textures of {size} rows: {100 * facts['seen']:.0f} % of the skin seen by photos, which "
        f"lay {baked.misalignment:.1f} px off (median) before they were laid over one another"
    )
    return list(paths.values())


def roughness() -> float:
    """glTF's roughness of the fitted highlights, whose sharpness is the model's constant.

    A spherical Gaussian of sharpness s in the direction of reflection is one of 4 s in the half
    vector's, which is GGX's of alpha^2 = 2 / (4 s) (Wang et al. 2009); roughness is alpha's root.
    """
    return float((2 / (4 * SHARPNESS)) ** 0.25)


def load_texture(folder: Path, scan_id: str, reconstruction: Reconstruction) -> AlbedoTexture:
    """The albedo texture of a reconstruction. Raises UserError where it is of another one."""
    paths = texture_paths(folder, scan_id)
    size, _ = checked_facts(paths["facts"], reconstruction)
    if image_size(paths["albedo"]) != (size, size * len(reconstruction.hands)):
        raise UserError(f"{paths['albedo']} is of another reconstruction; {AGAIN}")
    layout = texture_layout(reconstruction.models(), reconstruction.subdivisions)
    image = np.ascontiguousarray(load_image(paths["albedo"]))
    return AlbedoTexture(torch.from_numpy(image), layout)


def checked_facts(
    path: Path, reconstruction: Reconstruction, remedy: str = AGAIN
) -> tuple[int, float]:
    """Rows of a reconstruction's textures, and the skin's roughness, from S_textures.json.

    Raises UserError, which ends in `remedy`, where the file is damaged or of other hands.
    """
    check = FileCheck(path, remedy)
    facts = check.mapping(load_json(path, remedy), "it", ("size", "hands", "faces", "roughness"))
    size = check.whole(facts["size"], "size", 1, LARGEST_SIZE)
    (roughness,) = check.numbers([facts["roughness"]], "roughness", 1)
    if not 0 <= roughness <= 1:
        raise check.error(f"roughness is {roughness:.3g}, expected a number from 0 to 1")
    own = reconstruction.sides, len(reconstruction.faces)
    if (facts["hands"], facts["faces"]) != own:
        raise check.error("it is of another reconstruction")
    return size, roughness


def own_texture(folder: Path, scan_id: str, reconstruction: Reconstruction) -> AlbedoTexture | None:
    """The texture of this very reconstruction, None: there is none; one of another is left out,
    and that is said."""
    if not texture_paths(folder, scan_id)["facts"].is_file():
        return None
    try:
        return load_texture(folder, scan_id, reconstruction)
    except UserError as error:
        print(f"texture left out: {error}")
        return None
