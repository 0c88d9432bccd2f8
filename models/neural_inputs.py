"""What the neural renderer is told about a pixel of the hand, and the networks' shapes.

All directions are in the world's axes, in which lamps stand still; positions are those of the
mesh that was trained on and stay with their vertices, so that they name spots of the skin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from models.encoding import encode, encoded_size
from models.specular import lobe_responses
from utils.errors import UserError

BANDS = {"normal": 2, "albedo": 2, "position": 5, "ray": 1, "reflection": 1}  # of the encoding
ON_VERTICES = ("normal", "albedo", "position")  # known before a camera is
INPUTS = (*ON_VERTICES, "ray", "reflection", "features")
COLOR = 3  # the first features are a colour that is added as it is
FEATURES = 20  # numbers a vertex where the network sees them (paper section 3.3)


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
        facing = 2 if "reflection" in self.inputs else 1
        return encoded + facing + (self.features if "features" in self.inputs else 0)


PAPER_INPUTS = ("normal", "albedo", "position", "ray", "features")
PRESETS = {
    ("mlp", "small"): NetShape(("reflection",), 32, 3),
    ("mlp", "paper"): NetShape(PAPER_INPUTS, 256, 8),
    ("unet", "small"): NetShape(("reflection",), 12, 3),
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


@dataclass(frozen=True)
class SurfaceTable:
    """What is known at vertices before training: position, normal, shading and encodings.

    columns (V, 12 + E): position (hand units), unit normal, colours of the mesh's diffuse shading
    under the light of unseen views, of its outer and its inner side, and the encoded inputs.
    """

    columns: Tensor

    @staticmethod
    def of(
        verts: Tensor,
        normals: Tensor,
        albedo: Tensor,
        outer: Tensor,
        inner: Tensor,
        shape: NetShape,
        skin: Tensor | None = None,
    ) -> SurfaceTable:
        """From (V, 3) each; `skin` (V, 3) names spots of the skin: verts, unless reposed."""
        values = {"normal": normals, "albedo": 2 * albedo - 1}
        values["position"] = verts if skin is None else skin
        encoded = [encode(values[name], BANDS[name]) for name in shape.on_vertices]
        return SurfaceTable(torch.cat([verts, normals, outer, inner, *encoded], 1))


@dataclass(frozen=True)
class PixelInputs:
    """N pixels as a network sees them: inputs (N, size), and base (N, 3), what it adds to."""

    inputs: Tensor
    base: Tensor


def pixel_inputs(
    shape: NetShape,
    surface: Tensor,
    features: Tensor,
    center: Tensor,
    front: Tensor,
    lobes: Tensor | None,
) -> PixelInputs:
    """Inputs of N pixels.

    surface (N, 12 + E) and features (N, C) are interpolated `SurfaceTable.columns` and features;
    center (N or 1, 3) the camera's centre, hand units; front (N,) bool, whether the skin's outer
    side is seen: the inner one (through the open wrist) is shaded with the normal turned. lobes
    are the highlights' amounts (`models.specular`), which the base holds too, or None.
    """
    side = torch.where(front, 1.0, -1.0)[:, None]
    toward = normalize(center - surface[:, :3], dim=1)
    normal = normalize(surface[:, 3:6], dim=1) * side
    base = torch.where(front[:, None], surface[:, 6:9], surface[:, 9:12])
    parts = [surface[:, 12:], side]
    if lobes is not None:
        base = base + lobe_responses(normal, toward) @ lobes
    if "ray" in shape.inputs:
        parts.append(encode(toward, BANDS["ray"]))
    if "reflection" in shape.inputs:
        cosine = (normal * toward).sum(1, keepdim=True)
        parts += [cosine, encode(2 * cosine * normal - toward, BANDS["reflection"])]
    if "features" in shape.inputs:
        parts.append(features)
    return PixelInputs(torch.cat(parts, 1), base)
