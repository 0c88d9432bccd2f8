"""Mitsuba 3 as the camera: the only module that imports it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from utils.errors import UserError
from utils.synthetic.hands import Hand, capped
from utils.synthetic.rig import AMBIENT, Light

OLDEST_LLVM = 16  # Mitsuba's kernels use opaque pointers; LLVM 15 still crashes on some of them
RAYS_PER_PASS = 2**23  # bounds the memory of the LLVM variant to some 3 GB
SAMPLE_STEP = 16  # passes take multiples of this
SCALAR, LLVM = "scalar_rgb", "llvm_ad_rgb"
LLVM_FOLDERS = ("lib/*-linux-gnu", "lib/llvm-*/lib", "lib64", "lib", "local/lib")  # under /usr
VARIANTS = ("auto", SCALAR, LLVM)
SKIN_SPECULAR, SKIN_FLATNESS = 0.35, 0.35  # flatness: a touch of light carried under the skin


def _llvm_libraries() -> Iterator[Path]:
    """LLVM libraries in the usual places that are new enough."""
    for folder in [f for pattern in LLVM_FOLDERS for f in sorted(Path("/usr").glob(pattern))]:
        for path in sorted(folder.glob("libLLVM*")):
            version = re.match(r"libLLVM(?:-|\.so\.)(\d+)", path.name)
            if version and int(version[1]) >= OLDEST_LLVM and ".so" in path.name:
                yield path


def set_variant(variant: str = "auto") -> Any:
    """Import Mitsuba and choose how it computes; returns the module.

    'auto': LLVM where DRJIT_LIBLLVM_PATH or a usual place holds one, else 'scalar_rgb', which
    needs nothing besides the wheel, uses all cores too and takes about twice the time.
    Raises UserError when Mitsuba is not installed or the variant cannot start.
    """
    try:
        import mitsuba
    except ImportError as error:
        raise UserError(
            "the path tracer mitsuba is not installed; run "
            "python -m pip install -r requirements-demo.txt"
        ) from error
    if variant == "auto" or (variant == LLVM and "DRJIT_LIBLLVM_PATH" not in os.environ):
        library = next(_llvm_libraries(), None)
        if library is not None:
            os.environ.setdefault("DRJIT_LIBLLVM_PATH", str(library))
    if variant == "auto":
        variant = LLVM if "DRJIT_LIBLLVM_PATH" in os.environ else SCALAR
    try:
        mitsuba.set_variant(variant)
    except ImportError as error:
        raise UserError(
            f"mitsuba cannot start its variant {variant}; use --variant {SCALAR}, or set "
            f"DRJIT_LIBLLVM_PATH to a libLLVM.so of version {OLDEST_LLVM} or newer"
        ) from error
    return mitsuba


class PathTracer:
    """A scene of hands and lights that pictures can be taken of.

    surroundings(mitsuba): what else stands there, for the dictionary of the scene.
    """

    def __init__(
        self,
        hands: list[Hand],
        lights: list[Light],
        max_bounces: int,
        variant: str,
        surroundings: Callable[[Any], dict[str, Any]] = lambda mitsuba: {},
    ):
        self._mi = set_variant(variant)
        self.variant: str = self._mi.variant()
        scene = {
            "type": "scene",
            "integrator": {"type": "path", "max_depth": max_bounces + 1, "hide_emitters": True},
            "ambient": {"type": "constant", "radiance": _rgb(AMBIENT)},
        }
        for rank, light in enumerate(lights):
            scene[f"light{rank}"] = self._area_light(light)
        for hand in hands:
            scene[hand.side] = self._skin_mesh(hand)
            scene[f"{hand.side}_cap"] = self._cap_mesh(hand)
        scene |= surroundings(self._mi)
        # what optimize merges comes back in another order from run to run, and with it the pictures
        self.scene = self._mi.load_dict(scene, optimize=False)

    def place(self, hands: list[Hand]) -> None:
        """Show these hands, which have moved, from now on."""
        parameters = self._mi.traverse(self.scene)
        for hand in hands:
            verts, faces = capped(hand.verts, hand.faces)
            cap = verts[np.unique(faces[len(hand.faces) :])]
            for name, points in ((hand.side, hand.verts), (f"{hand.side}_cap", cap)):
                parameters[f"{name}.vertex_positions"] = points.astype(np.float32).ravel()
        parameters.update()

    def render(
        self,
        K: np.ndarray,
        cam_from_world: tuple[np.ndarray, np.ndarray],
        size: tuple[int, int],
        samples: int,
        seed: int,
        on_pass: Callable[[], Any] = lambda: None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Linear radiance (H, W, 3), premultiplied, and coverage (H, W) in [0, 1].

        K (3, 3) with square pixels and integer pixel centres; cam_from_world is R, t. `on_pass` is
        called after each of the passes(samples, size). Box filter: a pixel is its own square.
        """
        R, t = cam_from_world
        sensor, total = self._sensor(K, R, t, size), 0.0
        for index, count in enumerate(passes(samples, size)):
            pass_seed = (seed * 1009 + index) % 2**32
            image = self._mi.render(self.scene, sensor=sensor, spp=count, seed=pass_seed)
            total = total + count * np.array(image)
            on_pass()
        rgba = total / sum(passes(samples, size))
        return rgba[..., :3], rgba[..., 3]

    def _sensor(self, K: np.ndarray, R: np.ndarray, t: np.ndarray, size: tuple[int, int]) -> Any:
        """Mitsuba counts pixel centres from 0.5 and looks along +z with x to the left, y up."""
        height, width = size
        world_from_cam = np.eye(4)
        world_from_cam[:3, :3], world_from_cam[:3, 3] = R.T, -R.T @ t
        film = {
            "type": "hdrfilm",
            "width": width,
            "height": height,
            "pixel_format": "rgba",
            "component_format": "float32",
            "rfilter": {"type": "box"},
        }
        sensor = {
            "type": "perspective",
            "fov_axis": "x",
            "fov": float(np.degrees(2 * np.arctan(width / 2 / K[0, 0]))),
            "principal_point_offset_x": float(0.5 - (K[0, 2] + 0.5) / width),
            "principal_point_offset_y": float(0.5 - (K[1, 2] + 0.5) / height),
            "near_clip": 0.02,
            "far_clip": 20.0,
            "to_world": self._mi.ScalarTransform4f(world_from_cam @ np.diag([-1.0, -1, 1, 1])),
            "sampler": {"type": "multijitter"},
            "film": film,
        }
        return self._mi.load_dict(sensor)

    def _area_light(self, light: Light) -> dict:
        transform = self._mi.ScalarTransform4f()
        look = transform.look_at(
            origin=light.position.tolist(), target=light.target.tolist(), up=[0.01, 0, 1]
        )
        return {
            "type": "rectangle",
            "to_world": look @ transform.scale(light.half_size),
            "emitter": {"type": "area", "radiance": _rgb(light.radiance)},
        }

    def _skin_mesh(self, hand: Hand) -> Any:
        bsdf = {
            "type": "principled",
            "base_color": {"type": "mesh_attribute", "name": "vertex_color"},
            "roughness": {"type": "mesh_attribute", "name": "vertex_rough"},
            "specular": SKIN_SPECULAR,
            "flatness": SKIN_FLATNESS,
        }
        attributes = {"color": hand.skin.albedo, "rough": hand.skin.roughness[:, None]}
        return self._mesh(hand.side, hand.verts, hand.faces, bsdf, attributes)

    def _cap_mesh(self, hand: Hand) -> Any:
        """The cut at the wrist, flat and matt."""
        verts, faces = capped(hand.verts, hand.faces)
        ids, fan = np.unique(faces[len(hand.faces) :], return_inverse=True)
        bsdf = {"type": "diffuse", "reflectance": _rgb(np.median(hand.skin.albedo, 0))}
        return self._mesh(f"{hand.side}_cap", verts[ids], fan.reshape(-1, 3), bsdf, {})

    def _mesh(
        self, name: str, verts: np.ndarray, faces: np.ndarray, bsdf: dict, attributes: dict
    ) -> Any:
        props = self._mi.Properties()
        props["mesh_bsdf"] = self._mi.load_dict(bsdf)
        smooth = bool(attributes)
        mesh = self._mi.Mesh(name, len(verts), len(faces), has_vertex_normals=smooth, props=props)
        for key, values in attributes.items():
            flat = values.astype(np.float32).ravel()
            mesh.add_attribute(f"vertex_{key}", values.shape[1], flat)
        parameters = self._mi.traverse(mesh)
        parameters["vertex_positions"] = verts.astype(np.float32).ravel()
        parameters["faces"] = faces.astype(np.uint32).ravel()
        parameters.update()
        return mesh


def passes(samples: int, size: tuple[int, int]) -> list[int]:
    """Samples a pixel of each pass over an image (H, W): `samples` up to the next SAMPLE_STEP."""
    steps = -(-samples // SAMPLE_STEP)
    in_one = max(1, RAYS_PER_PASS // (size[0] * size[1] * SAMPLE_STEP))
    full, rest = divmod(steps, in_one)
    return [in_one * SAMPLE_STEP] * full + [rest * SAMPLE_STEP] * (rest > 0)


def _rgb(values: Any) -> dict:
    return {"type": "rgb", "value": np.asarray(values, float).tolist()}
