"""Which scale of the photos a refinement works at: what its mesh can carry, and what memory holds.

The photos are shrunk by one factor, `photo_scale`, before everything else. Both limits leave small
captures alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from models.ham.state import subdivided_size
from models.hand.fitted import HandsMesh
from utils.cameras import Cameras
from utils.errors import UserError
from utils.geometry.mesh import edges_of
from utils.memory import free_memory, gigabytes
from utils.render import Renderer
from utils.stage.config import Config, load_config

if TYPE_CHECKING:
    from utils.captures import Capture

LONGEST_EDGE = 4.0  # pixels: a mesh with longer edges cannot carry all that its photos show
LARGEST_WHOLE = 5.5e6  # pixels: photos that are not larger are never shrunk for want of detail
SMALLEST_SHRUNK = 3e6  # pixels: those that are larger are not shrunk below that
FEWEST_PIXELS = 100.0  # side of the mean crop: where memory does not hold that, nothing is begun
DRAWN = 128  # pixels of the longer side at which covered pixels are counted


@dataclass(frozen=True)
class Cost:
    """Bytes at the peak of a refinement, beyond what Python and its libraries take, for each of
    what it works on at once.

    fixed: crops that are kept, kernels, small things; covered: a pixel that the hands cover, in any
    view; cropped: a pixel of the crops around them; view_vertex: a vertex, times the views; vertex:
    a vertex; photo: a pixel of one whole photo, while it is read, or drawn and compared.

    Where they come from. A covered pixel is a row of the photos (24 bytes) with its index (24), a
    fragment (33) and the mask's terms (20), then colours predicted, clipped and compared (5 x 12)
    and their gradients (3 x 12); a cropped one is a row of the photos' table and a place in the
    maps of faces and depths (24 + 8). Fitted to the peaks of `refine_mesh` over the memory at its
    start (six views of 0.16, 1.4, 5 and, shrunk, 24 MP; 13,000 to 830,000 vertices; 6 and 12
    views): a few percent above the large ones, since the allocator keeps pieces, and more above the
    small. Those of the neural renderer, likewise, are peaks of its stage 2, which besides holds the
    training pixels (72), two drawings of them and the features of the vertices. On CUDA nothing was
    measured: its maps of faces (16 bytes a pixel of the largest crop, in every view) take the place
    of the CPU's, so the same numbers serve.
    """

    fixed: float
    covered: float
    cropped: float
    view_vertex: float
    vertex: float
    photo: float


HAM = Cost(fixed=4e8, covered=240.0, cropped=45.0, view_vertex=250.0, vertex=2300.0, photo=80.0)
NEURAL = Cost(fixed=4e8, covered=470.0, cropped=60.0, view_vertex=250.0, vertex=3500.0, photo=80.0)


@dataclass(frozen=True)
class Pass:
    """One pass over the photos: their scale, and the vertices of a mesh of all hands."""

    image_scale: float
    verts: int


@dataclass(frozen=True)
class Workload:
    """What a refinement works on where the photos are not shrunk.

    views; photo: pixels of the largest photo; cropped and covered: pixels of all crops, and those
    of them that hands cover; edge: median length of the meshes' edges, in pixels of that pass where
    they are shortest.
    """

    views: int
    photo: float
    cropped: float
    covered: float
    passes: Sequence[Pass]
    edge: float

    def memory(self, cost: Cost, photo_scale: float) -> float:
        """Bytes at the peak.

        max over passes p of (a covered + b cropped) (photo_scale image_scale_p)^2 +
        (c views + d) verts_p + f, and at least e photo: the greatest pass, or a photo as it is
        read.
        """
        area = cost.covered * self.covered + cost.cropped * self.cropped
        of_vertex = cost.view_vertex * self.views + cost.vertex
        peaks = [
            area * (photo_scale * p.image_scale) ** 2 + of_vertex * p.verts for p in self.passes
        ]
        return max([*peaks, cost.photo * self.photo]) + cost.fixed

    def largest_scale(self, cost: Cost, free: float) -> float:
        """The photo_scale, at most 1, at which `free` bytes do; 0 where none does."""
        low, high = 0.0, 1.0
        if self.memory(cost, high) <= free:
            return high
        if self.memory(cost, low) > free:
            return low
        for _ in range(20):
            middle = (low + high) / 2
            low, high = (middle, high) if self.memory(cost, middle) <= free else (low, middle)
        return low

    def useful_scale(self) -> float:
        """The photo_scale, at most 1, beyond which the mesh cannot carry more detail."""
        if self.photo <= LARGEST_WHOLE or self.edge <= LONGEST_EDGE:
            return 1.0
        return max(LONGEST_EDGE / self.edge, math.sqrt(SMALLEST_SHRUNK / self.photo))


def workload(
    cameras: Cameras,
    boxes: np.ndarray,
    verts: np.ndarray,
    faces: np.ndarray,
    levels: Sequence[tuple[float, int]],
) -> Workload:
    """What refining verts (V, 3), faces (F, 3) in the crops `boxes` (views, 4) will work on.

    cameras are the full photos'; levels are the passes, each its image_scale and the least number
    of vertices of its mesh, to which this one is subdivided.
    """
    points, coarse = torch.from_numpy(verts).to(cameras.K), edges_of(faces)
    px = cameras.project_visible(points).numpy()
    lengths = np.linalg.norm(px[:, coarse[:, 0]] - px[:, coarse[:, 1]], axis=2)
    edge = float(np.median(lengths[np.isfinite(lengths)])) if np.isfinite(lengths).any() else 0.0
    passes, edges = [], []
    for image_scale, least in levels:
        halvings, count = subdivided_size(len(verts), faces, least)
        passes.append(Pass(image_scale, count))
        edges.append(image_scale * edge / 2**halvings)
    return Workload(
        views=len(cameras),
        photo=float(cameras.sizes.prod(1).max()),
        cropped=float(_areas(boxes).sum()),
        covered=_covered(cameras, boxes, points, faces),
        passes=passes,
        edge=min(edges, default=0.0),
    )


def _areas(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _covered(cameras: Cameras, boxes: np.ndarray, points: torch.Tensor, faces: np.ndarray) -> float:
    """Pixels of the crops that the mesh covers, all views together: counted in small drawings."""
    crops = cameras.crop(torch.from_numpy(boxes))
    factor = (DRAWN / crops.sizes.amax(1, keepdim=True)).clamp(max=1)
    small = crops.resize((crops.sizes * factor).round().long().clamp(min=1))
    fragments = Renderer(torch.from_numpy(faces), backend="cpu").rasterize(small, points.float())
    larger = crops.sizes.prod(1) / small.sizes.prod(1)
    return float((fragments.offsets.diff() * larger).sum())


def choose_scale(
    load: Workload,
    cost: Cost,
    asked: float | None,
    firm: bool = False,
    free: int | None = None,
) -> float:
    """The photo_scale to work at; one that the photos are shrunk by is said in a line.

    asked: the user's, taken as it is; None: the largest that is useful and that `free` bytes
    (None: not known) hold. firm: other settings are the user's own, so that only what is useless
    may be left out. Raises UserError where memory does not hold what was asked for, or anything.
    """
    wanted = asked if asked is not None else math.ceil(100 * load.useful_scale()) / 100
    need = load.memory(cost, wanted)
    if free is None or need <= free:
        if asked is None and wanted < 1:
            print(
                f"{_photos(load)} show more than the mesh can carry (edges of "
                f"{load.edge:.0f} px): working at photo_scale {wanted:g}; "
                "`--set photo_scale=1` takes them whole"
            )
        return wanted
    fits = math.floor(100 * load.largest_scale(cost, free)) / 100
    said = (
        f"{_photos(load)}: photo_scale {wanted:g} would need about {gigabytes(need)}, "
        f"{gigabytes(free)} are free"
    )
    side = fits * math.sqrt(load.cropped / load.views)
    if side < FEWEST_PIXELS:
        raise UserError(f"{said}; {_remedy(load, cost, free)}")
    if asked is not None or firm:
        raise UserError(f"{said}; `--set photo_scale={fits:g}` would do")
    print(f"{said}: working at photo_scale {fits:g}; `--set photo_scale=...` to choose")
    return fits


def _photos(load: Workload) -> str:
    return f"photos of {load.photo / 1e6:.1f} MP in {load.views} views"


def _remedy(load: Workload, cost: Cost, free: int) -> str:
    """What would do where no scale of the photos does."""
    if cost.photo * load.photo > free:
        return "one photo alone is too large: shrink the photos and their K, or free memory"
    verts = max(each.verts for each in load.passes)
    most = 0.5 * free / (cost.view_vertex * load.views + cost.vertex)
    return (
        f"a mesh of {verts:,} vertices in {load.views} views is too much, about {most:,.0f} would "
        "do: lower verts in ham_levels, use fewer views, or free memory"
    )


def refinement_scale(
    capture: Capture, boxes: np.ndarray, hands: HandsMesh, config: Config, device: str
) -> float:
    """The photo_scale for HAM's levels in the crops `boxes`; see `workload` and `choose_scale`."""
    levels = [(level.image_scale, level.verts * len(hands)) for level in config.ham_levels]
    load = workload(capture.cameras, boxes, hands.verts, hands.faces, levels)
    shipped = load_config().ham_levels
    sizes = [(level.image_scale, level.verts) for level in shipped]
    firm = any((level.image_scale, level.verts) not in sizes for level in config.ham_levels)
    return choose_scale(load, HAM, config.photo_scale, firm, free_memory(device))
