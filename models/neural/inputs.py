"""What the neural renderer is told about a pixel of the hand, and the networks' shapes.

All directions are in the world's axes, in which lamps stand still; positions are those of the
mesh that was trained on and stay with their vertices, so that they name spots of the skin.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from models.appearance.light import Highlights, mirrored_at
from models.appearance.visibility import NUMBERS, visible_along
from utils.errors import UserError
from utils.io.checks import FileCheck
from utils.io.described import described

BANDS = {"normal": 2, "albedo": 2, "position": 5, "ray": 1, "reflection": 1}  # of the encoding
ON_VERTICES = ("normal", "albedo", "position")  # known before a camera is
INPUTS = (*ON_VERTICES, "ray", "reflection", "shading", "visibility", "features")
PLAIN = {"reflection": 1, "shading": 6, "visibility": 5}  # numbers beside the encoded ones
COLOR = 3  # the first features are a colour that is added as it is
FEATURES = 20  # numbers a vertex where the network sees them (paper section 3.3)
HIGHLIGHT_SCALE = 5.0  # highlights are small: this brings them to the size of the other inputs
SMALL_INPUTS = ("reflection", "visibility")
WIDEST, DEEPEST = 4096, 64  # networks in files: what is beyond is damaged
PAPER_INPUTS = ("normal", "albedo", "position", "ray", "features")


@dataclass(frozen=True)
class NetShape:
    """What a network is given, and its size. `width` of a U-Net is that of its finest level."""

    inputs: tuple[str, ...]
    width: int
    depth: int

    @property
    def features(self) -> int:
        """Trained numbers a vertex."""
        return FEATURES if "features" in self.inputs else COLOR

    @property
    def on_vertices(self) -> tuple[str, ...]:
        """The inputs that hang on vertices."""
        return tuple(name for name in ON_VERTICES if name in self.inputs)

    @property
    def size(self) -> int:
        """Numbers a pixel."""
        encoded = sum(encoded_size(BANDS[name]) for name in self.inputs if name in BANDS)
        plain = sum(PLAIN.get(name, 0) for name in self.inputs)
        return encoded + plain + (self.features if "features" in self.inputs else 0)


PRESETS = {
    ("mlp", "small"): NetShape(SMALL_INPUTS, 32, 3),
    ("mlp", "paper"): NetShape(PAPER_INPUTS, 256, 8),
    ("unet", "small"): NetShape(SMALL_INPUTS, 12, 3),
    ("unet", "paper"): NetShape(PAPER_INPUTS, 32, 3),
}


def net_shape(net_type: str, preset: str, inputs: Sequence[str] = ()) -> NetShape:
    """The shape of a preset ('small' or 'paper'), with other `inputs` where given.

    Raises UserError on unknown names.
    """
    if (net_type, preset) not in PRESETS:
        raise UserError(f"neural_render.preset = {preset}: expected small or paper")
    unknown = [name for name in inputs if name not in INPUTS]
    if unknown:
        raise UserError(
            f"neural_render.inputs: unknown {', '.join(map(str, unknown))}; "
            f"expected some of {', '.join(INPUTS)}"
        )
    shape = PRESETS[net_type, preset]
    return NetShape(tuple(inputs), shape.width, shape.depth) if inputs else shape


def checked_shape(check: FileCheck, kept: Any) -> NetShape:
    """The shape that a file of a network holds; raises UserError where it is none."""
    check.mapping(kept, "shape", ("inputs", "width", "depth"))
    names = kept["inputs"]
    if not isinstance(names, list | tuple) or not all(name in INPUTS for name in names):
        raise check.error(f"shape, inputs is {described(names)}, expected {', '.join(INPUTS)}")
    return NetShape(
        inputs=tuple(names),
        width=check.whole(kept["width"], "shape, width", 1, WIDEST),
        depth=check.whole(kept["depth"], "shape, depth", 1, DEEPEST),
    )


@dataclass(frozen=True)
class SurfaceTable:
    """What is known at vertices before training.

    columns (V, KNOWN + E): position (hand units), unit normal, colour of the mesh's diffuse
    shading, 1 on the skin and 0 on the caps of open wrists, the encoded inputs, and, where it is
    one of these, the harmonics of visibility.
    """

    columns: Tensor
    KNOWN: ClassVar[int] = 10

    @staticmethod
    def of(
        verts: Tensor,
        normals: Tensor,
        shading: Tensor,
        is_skin: Tensor,
        visibility: Tensor | None,
        albedo: Tensor,
        spots: Tensor,
        shape: NetShape,
    ) -> SurfaceTable:
        """From (V, n) each; `spots` (V, 3) name the spots of the skin: verts, unless reposed."""
        values = {"normal": normals, "albedo": 2 * albedo - 1, "position": spots}
        encoded = [encode(values[name], BANDS[name]) for name in shape.on_vertices]
        harmonics = [] if visibility is None else [visibility]
        return SurfaceTable(torch.cat([verts, normals, shading, is_skin, *encoded, *harmonics], -1))


@dataclass(frozen=True)
class PixelInputs:
    """N pixels as a network sees them, but for trained features: inputs (N, size less these).

    base (N, 3) is the mesh's own shading; is_skin (N, 1) is 0 on the caps of open wrists, which
    are matt and where nothing is added.
    """

    inputs: Tensor
    base: Tensor
    is_skin: Tensor

    def part(self, chosen: Tensor) -> PixelInputs:
        """The pixels chosen (n,) by number or mask."""
        return PixelInputs(self.inputs[chosen], self.base[chosen], self.is_skin[chosen])

    @staticmethod
    def joined(pieces: Sequence[PixelInputs]) -> PixelInputs:
        """Pieces one after another."""
        return PixelInputs(
            torch.cat([piece.inputs for piece in pieces]),
            torch.cat([piece.base for piece in pieces]),
            torch.cat([piece.is_skin for piece in pieces]),
        )


def pixel_inputs(
    shape: NetShape, surface: Tensor, center: Tensor, highlights: Highlights | None
) -> PixelInputs:
    """Inputs of N pixels.

    surface (N, KNOWN + E) is interpolated `SurfaceTable.columns`; center (N or 1, 3) the camera's
    centre, hand units; highlights are those of the mesh's shading, if any, which the base holds
    too.
    """
    known, encoded = surface.tensor_split([SurfaceTable.KNOWN], 1)
    position, normal, diffuse, is_skin = known.split([3, 3, 3, 1], 1)
    toward, normal = normalize(center - position, dim=1), normalize(normal, dim=1)
    cosine, mirrored = mirrored_at(normal, toward)
    shine = torch.zeros_like(diffuse)
    if highlights is not None:
        shine = highlights(normal, toward[None])[0]
    if "visibility" in shape.inputs:
        encoded, harmonics = encoded.tensor_split([-NUMBERS], 1)
    columns = [encoded]
    if "ray" in shape.inputs:
        columns.append(encode(toward, BANDS["ray"]))
    if "reflection" in shape.inputs:
        columns += [cosine, encode(mirrored, BANDS["reflection"])]
    if "shading" in shape.inputs:
        columns += [2 * diffuse - 1, HIGHLIGHT_SCALE * shine]
    if "visibility" in shape.inputs:
        open_sky = visible_along(harmonics, mirrored)
        columns += [open_sky, harmonics[:, :1], HIGHLIGHT_SCALE * open_sky * shine]
    return PixelInputs(torch.cat(columns, 1), torch.addcmul(diffuse, is_skin, shine), is_skin)


def icosahedral_directions() -> Tensor:
    """The six axes (6, 3) of a regular icosahedron through opposite corners, unit vectors."""
    golden = (1 + math.sqrt(5)) / 2
    corners = [(0, 1, golden), (0, 1, -golden)]
    corners = [corner[k:] + corner[:k] for corner in corners for k in range(3)]
    return torch.nn.functional.normalize(torch.tensor(corners, dtype=torch.float32), dim=1)


def encoded_size(bands: int) -> int:
    """Numbers that `encode` makes of three."""
    return 3 + 12 * bands


def encode(points: Tensor, bands: int) -> Tensor:
    """Points (..., 3) and the sines and cosines of their six icosahedral coordinates.

    Band b has frequency pi 2^(b-1): points within [-1, 1] meet no wave twice in the first band.
    Returns (..., 3 + 12 bands); 0 bands leaves the points alone.
    """
    along = points @ icosahedral_directions().to(points).T * (math.pi / 2)
    waves = [along * 2**band for band in range(bands)]
    return torch.cat([points, *map(torch.sin, waves), *map(torch.cos, waves)], -1)
