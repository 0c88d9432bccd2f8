"""One renderer for all stages: cameras + mesh + vertex attributes -> values on covered pixels."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from utils.cameras import Cameras
from utils.errors import UserError
from utils.render.backend import RenderBackend
from utils.render.fragments import Fragments, Pairs, PixelValues
from utils.render.samples import Samples
from utils.render.silhouette import BoundaryGradient

BACKENDS = ("auto", "cpu", "nvdiffrast", "pytorch3d")


def backend_named(name: str) -> RenderBackend:
    """The backend 'cpu', 'nvdiffrast' or 'pytorch3d'; its module is imported only when used."""
    if name == "cpu":
        from utils.render.cpu.backend import CpuBackend

        return CpuBackend()
    if name == "nvdiffrast":
        from utils.render.backend_nvdiffrast import NvdiffrastBackend

        return NvdiffrastBackend()
    from utils.render.backend_pytorch3d import Pytorch3dBackend

    return Pytorch3dBackend()


class Renderer:
    """Draws the faces (F, 3) of a mesh from several cameras at once, with gradients.

    Pixel rule: a pixel is covered if its centre is; the centre of the top-left pixel is (0, 0).
    Faces are seen from both sides; those that touch or cross the plane of depth `near` (world
    units) are clipped there on the CPU. Faces without area in the image are skipped.

        renderer = Renderer(faces)
        fragments = renderer.rasterize(cameras, verts)
        colours = renderer.interpolate(fragments, albedo)          # (N, 3) on covered pixels
        rim = renderer.coverage(fragments)                         # 1 on covered, 0 beside them
        loss = (rim.value - masks[rim.view, rim.y, rim.x]).square().sum()
    """

    def __init__(self, faces: Tensor, backend: str = "auto", near: float = 1e-6) -> None:
        if backend not in BACKENDS:
            raise UserError(f"backend = {backend!r}: expected one of {', '.join(BACKENDS)}")
        self.faces = torch.as_tensor(faces).detach().to(torch.int32).contiguous()
        if self.faces.ndim != 2 or self.faces.shape[1] != 3:
            raise ValueError(f"faces: expected (F, 3), found {tuple(self.faces.shape)}")
        self.backend = backend
        self.near = near
        self._last_vertex = int(self.faces.max()) if len(self.faces) else -1

    def rasterize(self, cameras: Cameras, verts: Tensor) -> Fragments:
        """The covered pixels of every camera's image.

        verts (V, 3) or (B, V, 3) world units. Barycentrics and depths carry gradients to verts and
        to the cameras' K, R and t.
        """
        cameras = cameras.to(verts.device, verts.dtype)
        K = cameras.K.detach()
        focal = (K[:, 0, 0] * K[:, 1, 1] - K[:, 0, 1] * K[:, 1, 0]).abs().sqrt()
        verts_px = self._backend(verts.device).px_from_world(cameras, verts)
        return self.rasterize_px(verts_px, cameras.sizes, focal)

    def rasterize_px(self, verts_px: Tensor, sizes: Tensor, focal: Tensor) -> Fragments:
        """The same from homogeneous pixels verts_px (B, V, 3) = (x z, y z, z).

        sizes (B, 2) height, width; focal (B,) pixels tells how deep a pixel's width is, which
        decides where a step in depth is an occlusion.
        """
        if verts_px.ndim != 3 or len(verts_px) != len(sizes):
            raise ValueError(f"verts_px {tuple(verts_px.shape)} for {len(sizes)} image sizes")
        if self._last_vertex >= verts_px.shape[1]:
            raise ValueError(f"faces name vertex {self._last_vertex} of {verts_px.shape[1]}")
        backend = self._backend(verts_px.device)
        faces = self.faces = self.faces.to(verts_px.device)
        pixel_width = 1 / focal.detach().to(verts_px.device, torch.float32)
        return backend.rasterize(
            verts_px.float(), faces, sizes.cpu().long(), pixel_width, self.near
        )

    def interpolate(
        self, fragments: Fragments, attributes: Tensor, background: float | None = None
    ) -> Tensor:
        """Vertex attributes (V, C) or (B, V, C) at the fragments: (N, C) float32.

        With a background, R rows of that number follow for the rim pixels: what `edge_gradient`
        takes without a copy. Perspective-correct; gradients flow to attributes, vertices and
        cameras. One call with all channels side by side is faster than several.
        """
        V, B = fragments.verts_px.shape[1], len(fragments.sizes)
        if attributes.shape[:-1] not in ((V,), (B, V)):
            raise ValueError(
                f"attributes: expected ({V}, C) or ({B}, {V}, C), found {tuple(attributes.shape)}"
            )
        return self._backend(fragments.verts_px.device).interpolate(
            fragments, attributes, background
        )

    def coverage(self, fragments: Fragments) -> PixelValues:
        """value 1 on covered pixels and 0 on the uncovered pixels beside them.

        Backward sends a loss on these values to the vertices (`silhouette`). All other pixels of
        the image are uncovered and stay so under small motions.

        Use a loss whose derivative is linear in the value, such as a squared one or the sums of an
        IoU: the estimator takes it at 0 and 1, where that of |value - mask| vanishes on pixels that
        agree, which halves the gradient.
        """
        value = torch.zeros(len(fragments.pixel_x), device=fragments.verts_px.device)
        value[: len(fragments)] = 1
        pixels = self._boundary_values(fragments, value[:, None], surface=False)
        return replace(pixels, value=pixels.value[:, 0])

    def edge_gradient(
        self, fragments: Fragments, values: Tensor, background: Tensor | float = 0.0
    ) -> PixelValues:
        """An image of C channels whose loss also moves occlusion boundaries.

        values (N, C) on the fragments; background: a number, (C,), or (R, C) on the R rim pixels
        (`fragments.pixel_view[N:]` and so on). Or values (N + R, C), which hold the background.
        Returns values and background with the gradient of boundaries added: against the background
        and between parts of the surface.
        """
        N, R = len(fragments), len(fragments.pixel_x) - len(fragments)
        if len(values) not in (N, N + R):
            raise ValueError(f"values: expected {N} or {N + R} rows, found {len(values)}")
        if len(values) == N:
            background = torch.as_tensor(background, dtype=values.dtype, device=values.device)
            values = torch.cat([values, background.expand(R, values.shape[1])])
        return self._boundary_values(fragments, values)

    def occlusion_gradient(self, fragments: Fragments, values: Tensor) -> Tensor:
        """The same for values (N, C) on the fragments alone: boundaries between parts of the
        surface move, those against the background do not. Returns (N, C).
        """
        image = values.new_zeros(len(fragments.pixel_x), values.shape[1])
        image[: len(fragments)] = values
        return self._boundary_values(fragments, image, rim=False).value[: len(fragments)]

    @torch.no_grad()
    def occlusions(self, fragments: Fragments) -> Tensor:
        """The fragments (E,) int64, in order, beside which one part of the surface hides another.

        Both pixels of such a pair are among them.
        """
        pairs = self._surface_pairs(fragments)
        beside = torch.zeros(len(fragments), dtype=torch.bool, device=fragments.face.device)
        for slots in (pairs.p, pairs.q):
            beside[slots.long()] = True
        return beside.nonzero()[:, 0]

    @torch.no_grad()
    def samples(self, fragments: Fragments, chosen: Tensor, side: int) -> Samples:
        """What is seen at side x side points, evenly spread, of chosen (E,) int64 fragments."""
        backend = self._backend(fragments.verts_px.device)
        return backend.samples(fragments, chosen, side, self.near)

    def _surface_pairs(self, fragments: Fragments) -> Pairs:
        if fragments.surface_pairs is None:
            fragments.surface_pairs = self._backend(fragments.verts_px.device).surface_pairs(
                fragments
            )
        return fragments.surface_pairs

    def _boundary_values(
        self, fragments: Fragments, image: Tensor, surface: bool = True, rim: bool = True
    ) -> PixelValues:
        backend = self._backend(fragments.verts_px.device)
        pairs = [fragments.rim_pairs] if rim else []
        if surface:
            pairs.append(self._surface_pairs(fragments))
        value = BoundaryGradient.apply(
            fragments.verts_px, image.float(), fragments, pairs, backend.boundary_gradient
        )
        return PixelValues(
            fragments.pixel_view, fragments.pixel_y, fragments.pixel_x, value, len(fragments)
        )

    def _backend(self, device: torch.device) -> RenderBackend:
        """What draws vertices on `device`; raises UserError where it cannot."""
        name = self.backend
        if name == "auto":
            name = "nvdiffrast" if device.type == "cuda" else "cpu"
        backend = backend_named(name)
        backend.check_available(device)
        return backend
