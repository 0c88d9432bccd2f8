"""Any mesh drawn into any camera: here the true hands, coloured by their normals, in a view
that no stage saw. Writes demo_out/examples/view.png."""

from pathlib import Path

import torch

from models.appearance.shading import Rendering
from utils.captures.evaluation_views import load_views
from utils.geometry.mesh import vertex_normals
from utils.io.images import save_image
from utils.io.meshes import load_mesh
from utils.render import Renderer

verts, faces = map(torch.from_numpy, load_mesh("demo_data/1/gt/mesh.ply"))
held = Path("demo_data/1/held")
views = load_views(held / "param.npz", held / "img", held / "mask")
camera, verts = views.cameras[0].to(dtype=torch.float32), verts.float()
renderer, colors = Renderer(faces), vertex_normals(verts, faces) / 2 + 0.5
fragments = renderer.rasterize(camera, verts)  # the covered pixels
view = Rendering.of(fragments, renderer.interpolate(fragments, colors), camera)

save_image("demo_out/examples/view.png", view.image)
mask = views.mask(0)
print(f"IoU with the photo's mask {(view.covered & mask).sum() / (view.covered | mask).sum():.3f}")
