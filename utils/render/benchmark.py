"""Compares the renderer with others: `python -m utils.render.benchmark [--device cuda]`.

Same hand, same 8 views, 7 channels: rasterize, interpolate and occlusion boundaries on all
channels, forward and backward, in milliseconds per view. deodr (requirements-benchmark.txt) draws
view by view with culled back faces and silhouette edges marked, its fast way; its time leaves out
projection, loss and copies of the image. Ours counts from world vertices to their gradient. On
CUDA the other is nvdiffrast with its own interpolation and antialiasing, of all views at once.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import trimesh

from utils.cameras import Cameras
from utils.cameras.pinhole import clip_from_world
from utils.paths import ROOT
from utils.render.renderer import Renderer

CHANNELS = 7
BOUNDARIES = ("edge_gradient", "coverage")
HAND = ROOT / "mano" / "open_hand_right.npz"
SIZES = [(334, 512), (1024, 1280)]
FILL = 0.8  # of the image's shorter side, the hand's diameter


@dataclass
class Case:
    """A mesh (V, 3), (F, 3) numpy, the cameras that see it and colours (V, CHANNELS)."""

    verts: np.ndarray
    faces: np.ndarray
    cameras: Cameras
    colours: np.ndarray


def load_hand(path: Path, vertices: int) -> tuple[np.ndarray, np.ndarray]:
    """The open hand, simplified to 778 vertices where possible, then Loop-subdivided.

    The mesh whose count lies nearest to `vertices` of those that this gives.
    """
    data = np.load(path, allow_pickle=False)
    verts, faces = data["v_template"].astype(np.float64), data["f"].astype(np.int64)
    if importlib.util.find_spec("fast_simplification"):
        import fast_simplification

        verts, faces = fast_simplification.simplify(
            verts.astype(np.float32), faces.astype(np.int32), target_count=1552
        )
    while len(verts) * 2 < vertices:
        verts, faces = trimesh.remesh.subdivide_loop(verts, faces, iterations=1)
    return np.asarray(verts, np.float64), np.asarray(faces, np.int64)


def surround(verts: np.ndarray, views: int, size: tuple[int, int]) -> Cameras:
    """Cameras all around the mesh, which fills the image to FILL."""
    height, width = size
    centre = (verts.max(0) + verts.min(0)) / 2
    radius = np.linalg.norm(verts - centre, axis=1).max()
    distance = 6 * radius
    R = []
    for i in range(views):
        angle, tilt = 2 * np.pi * i / views, 0.5 * np.sin(2.4 * i)
        forward = np.array(
            [np.cos(tilt) * np.cos(angle), np.sin(tilt), np.cos(tilt) * np.sin(angle)]
        )
        right = np.cross([0.0, 1.0, 0.0], forward)
        right /= np.linalg.norm(right)
        R.append(np.stack([right, np.cross(forward, right), forward]))
    R = torch.from_numpy(np.stack(R))
    t = torch.tensor([0, 0, distance]).double() - R @ torch.from_numpy(centre)
    focal = FILL * min(size) / 2 / radius * distance
    K = torch.tensor([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    K = K.double().expand(views, 3, 3).clone()
    return Cameras(K, R, t, torch.tensor([[height, width]] * views))


def leaves(case: Case, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Vertices and colours that want gradients."""
    arrays = (torch.from_numpy(array).float() for array in (case.verts, case.colours))
    return tuple(array.to(device).requires_grad_() for array in arrays)


def ours(case: Case, boundaries: str, device: str = "cpu") -> Callable[[], None]:
    """Forward and backward over all views; boundaries: 'edge_gradient' or 'coverage'."""
    verts, colours = leaves(case, device)
    renderer = Renderer(torch.from_numpy(case.faces))
    cameras = case.cameras.to(device, torch.float32)

    gradients: dict[torch.Size, torch.Tensor] = {}  # made once, as deodr's is

    def ones(like: torch.Tensor) -> torch.Tensor:
        if like.shape not in gradients:
            gradients[like.shape] = torch.ones_like(like)
        return gradients[like.shape]

    def step() -> None:
        fragments = renderer.rasterize(cameras, verts)
        edges = boundaries == "edge_gradient"
        values = renderer.interpolate(fragments, colours, background=0.0 if edges else None)
        if edges:
            image = renderer.edge_gradient(fragments, values).value
            torch.autograd.grad([image], [verts, colours], [ones(image)])
        else:
            rim = renderer.coverage(fragments).value
            torch.autograd.grad([values, rim], [verts, colours], [ones(values), ones(rim)])

    return step


def deodr(case: Case) -> Callable[[], None]:
    """deodr's C++ core on the same views, one after the other."""
    from deodr.differentiable_renderer import Scene2D, renderScene, renderSceneB
    from deodr.triangulated_mesh import TriMesh

    mesh = TriMesh(case.faces.astype(np.uint32), case.verts, clockwise=False)
    faces = case.faces.astype(np.uint32)
    pixels = case.cameras.px_from_world(torch.from_numpy(case.verts)).numpy()
    height, width = case.cameras.sizes[0].tolist()
    V, off = len(case.verts), np.zeros(len(faces), bool)
    image_b = np.ones((height, width, CHANNELS))

    def step() -> None:
        for px in pixels:
            ij = px[:, :2] / px[:, 2:]
            scene = Scene2D(
                faces, faces, ij, px[:, 2].copy(), off, np.zeros((V, 2)), np.zeros(V),
                case.colours, off, mesh.edge_on_silhouette(ij), height, width, CHANNELS,
                np.zeros((0, 0)), background_color=np.zeros(CHANNELS), clockwise=False,
                backface_culling=True,
            )  # fmt: skip
            image, z_buffer = np.empty((height, width, CHANNELS)), np.empty((height, width))
            renderScene(scene, 1.0, image, z_buffer, check_valid=False)
            renderSceneB(scene, 1.0, image, z_buffer, image_b, check_valid=False)

    return step


def nvdiffrast(case: Case) -> Callable[[], None]:
    """nvdiffrast alone, on CUDA, all views at once; its antialiasing moves the boundaries."""
    import nvdiffrast.torch as dr

    verts, colours = leaves(case, "cuda")
    faces = torch.from_numpy(case.faces).int().cuda()
    cameras = case.cameras.to("cuda", torch.float32)
    size = tuple(case.cameras.sizes[0].tolist())
    context = dr.RasterizeCudaContext(device="cuda")
    ones = torch.ones(len(cameras), *size, CHANNELS, device="cuda")

    def step() -> None:
        clip = clip_from_world(cameras, verts, size)
        raster, _ = dr.rasterize(context, clip, faces, size, grad_db=False)
        values, _ = dr.interpolate(colours[None], raster, faces)
        image = dr.antialias(values, raster, clip, faces)
        torch.autograd.grad([image], [verts, colours], [ones])

    return step


def median_time(step: Callable[[], None], repeats: int) -> float:
    """Median milliseconds of a call."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return float(np.median(times)) * 1e3


def enlarge(cameras: Cameras, size: tuple[int, int]) -> Cameras:
    """The same views in the middle of larger images of `size`: the same pixels are covered."""
    small = cameras.sizes
    corner = -(torch.tensor(size) - small).div(2, rounding_mode="floor").flip(1)  # x0, y0
    return cameras.crop(torch.cat([corner, corner + torch.tensor(size).flip(0)], 1))


def compare_frames(path: Path, vertices: list[int], views: int, repeats: int, device: str) -> None:
    """Print what the smaller image's hand costs in the larger image, where nothing else is."""
    small, large = SIZES
    print(f"\nms per view     vertices   the same hand in {small[0]}x{small[1]} and in "
          f"{large[0]}x{large[1]}, ratio")  # fmt: skip
    for count in vertices:
        verts, faces = load_hand(path, count)
        colours = np.random.default_rng(0).random((len(verts), CHANNELS))
        cameras = surround(verts, views, small)
        for boundaries in BOUNDARIES:
            steps = [
                ours(Case(verts, faces, placed, colours), boundaries, device)
                for placed in (cameras, enlarge(cameras, large))
            ]
            for step in steps:
                step()
            rounds = [[median_time(step, 1) / views for step in steps] for _ in range(repeats)]
            before, after = np.median(rounds, axis=0)
            ratio = np.median([r[1] / r[0] for r in rounds])
            row = f"{len(verts):24d}   {boundaries:14s}{before:9.2f} {after:10.2f}   {ratio:.2f}x"
            print(row, flush=True)


def compare(path: Path, vertices: list[int], views: int, repeats: int, device: str) -> None:
    """Print a table: milliseconds per view and how many times another takes as long."""
    other, name = (nvdiffrast, "nvdiffrast") if device == "cuda" else (deodr, "deodr")
    has_other = importlib.util.find_spec(name) is not None
    print(f"ms per view     vertices   image      edge_gradient   coverage {name:>10s}   ratios")
    for count in vertices:
        verts, faces = load_hand(path, count)
        colours = np.random.default_rng(0).random((len(verts), CHANNELS))
        for size in SIZES:
            case = Case(verts, faces, surround(verts, views, size), colours)
            steps = [ours(case, boundaries, device) for boundaries in BOUNDARIES]
            steps += [other(case)] if has_other else []
            for step in steps:
                step()
            # Rounds over all candidates, so that a busy machine slows all of them alike.
            rounds = [[median_time(step, 1) / views for step in steps] for _ in range(repeats)]
            medians = np.median(rounds, axis=0)
            row = f"{len(verts):24d}   {size[0]}x{size[1]:<6d}"
            row += f"{medians[0]:13.2f} {medians[1]:10.2f}"
            if has_other:
                ratios = np.median([[r[2] / r[0], r[2] / r[1]] for r in rounds], axis=0)
                row += f" {medians[2]:10.2f}   {ratios[0]:.1f}x {ratios[1]:.1f}x"
            print(row, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hand", type=Path, default=HAND, help="open_hand_*.npz to draw")
    parser.add_argument("--vertices", type=int, nargs="+", default=[49000, 778])
    parser.add_argument("--views", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, help="of ours; deodr has one")
    args = parser.parse_args()
    if "OMP_WAIT_POLICY" not in os.environ:
        # As in the stages (`utils.stage.run_stage`). Torch, which read it, was imported on
        # the way here, hence the second start.
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.execv(sys.executable, [sys.executable, "-m", "utils.render.benchmark", *sys.argv[1:]])
    if args.threads:
        torch.set_num_threads(args.threads)
    compare(args.hand, args.vertices, args.views, args.repeats, args.device)
    compare_frames(args.hand, args.vertices, args.views, args.repeats, args.device)


if __name__ == "__main__":
    main()
