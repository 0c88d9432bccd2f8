"""What each view shows: photo, keypoints, masks, start, refined hands, neural rendering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from models.appearance.shading import Rendering, capped
from models.fitting.pictures import GIVEN, UNUSED, USED
from models.report.encoding import Picture, shrunk
from models.report.gather import ScanFacts
from models.report.shapes import START, HandShapes
from utils import draw
from utils.cameras import Cameras
from utils.errors import UserError
from utils.geometry.mesh import vertex_normals
from utils.io.images import load_mask, stored_pixels, to_bytes
from utils.parallel import mapped
from utils.photos.crops import crop_boxes
from utils.render import Renderer

LAYERS = {  # in the order in which they come about
    "photo": "photo",
    "keypoints": "keypoints",
    "masks": "masks",
    "start": "start",
    "mesh": "HAM",
    "nr": "neural",
}
MOST_VIEWS = 24  # that are shown as pictures
LONGEST = 800  # pixels of a picture's longer side
DIMMED = 0.3  # of the photo behind a rendering
MARGIN = 0.12  # around the hands, of their size; without a mesh, twice as much
CLAY = (0.82, 0.78, 0.74)  # the colour of a hand without albedo
WORKERS = 4  # threads that decode


@dataclass(frozen=True)
class ViewBox:
    """The part of a view that is shown: x0, y0, x1, y1 in pixels of a photo of `size`."""

    box: tuple[int, int, int, int]
    size: tuple[int, int]

    def cut(self, image: np.ndarray) -> np.ndarray:
        """This part of a picture of the whole view, whatever the picture's scale."""
        height, width = image.shape[:2]
        x0, x1 = (round(x * width / self.size[1]) for x in self.box[::2])
        y0, y1 = (round(y * height / self.size[0]) for y in self.box[1::2])
        return shrunk(image[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)], LONGEST)

    @property
    def shown_size(self) -> tuple[int, int]:
        """(height, width) of the picture."""
        x0, y0, x1, y1 = self.box
        factor = min(LONGEST / max(x1 - x0, y1 - y0), 1)
        return max(round((y1 - y0) * factor), 1), max(round((x1 - x0) * factor), 1)


def chosen_views(count: int) -> list[int]:
    """The views that are shown: all, or MOST_VIEWS evenly among them."""
    if count <= MOST_VIEWS:
        return list(range(count))
    return np.linspace(0, count - 1, MOST_VIEWS).round().astype(int).tolist()


def view_pictures(
    facts: ScanFacts, shapes: HandShapes | None, points: np.ndarray | None, views: Sequence[int]
) -> list[Picture]:
    """All layers of the views as pictures named VIEW-LAYER, each cut to the hands.

    points (N, 3), world units, are keypoints to cut to where there is no mesh.
    """
    boxes = _boxes(facts, shapes, points)
    if boxes is None:
        return []
    starts = {} if shapes is None else _starts(shapes, views, boxes)
    layers = mapped(
        lambda view: _layers(facts, view, boxes[view], starts.get(view)), views, WORKERS
    )
    return [
        Picture(f"{view}-{name}", pixels)
        for view, own in zip(views, layers)
        for name, pixels in own.items()
    ]


def _boxes(
    facts: ScanFacts, shapes: HandShapes | None, points: np.ndarray | None
) -> list[ViewBox] | None:
    cameras = facts.capture.cameras if facts.capture is not None else None
    margin = 2 * MARGIN
    if shapes is not None:
        cameras, points, margin = shapes.cameras or cameras, shapes.verts[::10], MARGIN
    if cameras is None:
        return None
    sizes = cameras.sizes.numpy()
    boxes = np.concatenate([np.zeros_like(sizes), sizes[:, ::-1]], 1)
    if points is not None and np.isfinite(points).all(1).any():
        seen = torch.from_numpy(points[np.isfinite(points).all(1)])
        boxes = crop_boxes(cameras.project_visible(seen).numpy(), sizes, margin)
    return [ViewBox(tuple(b), tuple(s)) for b, s in zip(boxes.tolist(), sizes.tolist())]


def _starts(
    shapes: HandShapes, views: Sequence[int], boxes: Sequence[ViewBox]
) -> dict[int, Rendering]:
    """The fitted hands as clay under a light at the camera, at the pictures' size."""
    if START not in shapes.stages or shapes.cameras is None:
        return {}
    frame = shapes.view_from_world
    cameras = shapes.cameras[list(views)].normalised(frame.inverse())
    cameras = cameras.crop(torch.tensor([boxes[view].box for view in views]))
    cameras = cameras.resize(torch.tensor([boxes[view].shown_size for view in views]))
    coarse, faces = shapes.coarser(START)  # the hand model has no detail that this would lose
    verts = frame.apply(torch.from_numpy(coarse)).float()
    drawn = draw_clay(verts, torch.from_numpy(faces), cameras.to(dtype=torch.float32))
    return dict(zip(views, drawn))


def draw_clay(verts: torch.Tensor, faces: torch.Tensor, cameras: Cameras) -> list[Rendering]:
    """A mesh of verts (V, 3) float32 and faces (F, 3) in every camera, lit from the camera."""
    verts, faces, _ = capped(verts, faces, None)
    renderer, normals = Renderer(faces, backend="cpu"), vertex_normals(verts, faces)
    pictures = []
    for view in range(len(cameras)):
        camera = cameras[view]
        rays = torch.nn.functional.normalize(camera.centers() - verts, dim=1)
        light = 0.3 + 0.7 * (normals * rays).sum(1, keepdim=True).clamp(0, 1)
        fragments = renderer.rasterize(camera, verts)
        colors = renderer.interpolate(fragments, light * torch.tensor(CLAY))
        pictures.append(Rendering.of(fragments, colors, camera))
    return pictures


def _layers(
    facts: ScanFacts, view: int, box: ViewBox, start: Rendering | None
) -> dict[str, np.ndarray]:
    """A view's pictures (H, W, 3) uint8 by layer, those that there are."""
    layers, photo = {}, _photo(facts, view, box)
    if photo is not None:
        layers["photo"] = photo
    overlay = facts.out_path / "keypoints3d" / f"overlay_{facts.scan_id}" / f"{view:02d}.png"
    if (image := _picture(overlay)) is not None:
        layers["keypoints"] = box.cut(image)
    if photo is not None and facts.masks and facts.capture is not None:
        layers["masks"] = _masks(facts, view, box, photo)
    if start is not None:
        layers["start"] = _before(photo, to_bytes(start.image), start.covered)
    for name in ("mesh", "nr"):
        image = _picture(facts.folder / "rerender" / f"{name}_{view:02d}.png")
        if image is not None:
            image = box.cut(image)
            layers[name] = _before(photo, image, _not_black(image))
    return {name: layers[name] for name in LAYERS if name in layers}


def _photo(facts: ScanFacts, view: int, box: ViewBox) -> np.ndarray | None:
    if facts.capture is None:
        return None
    try:
        return to_bytes(box.cut(facts.capture.image(view)))
    except UserError as error:
        facts.problems.append(str(error))
        return None


def _picture(path: Path) -> np.ndarray | None:
    """A picture that a stage wrote, (H, W, 3) uint8; None where it is missing or broken."""
    try:
        return _pixels(path) if path.is_file() else None
    except UserError:
        return None


def _pixels(path: Path) -> np.ndarray:
    """RGB (H, W, 3) uint8, without a detour over floats."""
    return stored_pixels(path, cv2.IMREAD_COLOR)[..., ::-1]


def _before(photo: np.ndarray | None, image: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """A rendering before the dimmed photo, at the photo's size."""
    if photo is None:
        return image
    height, width = photo.shape[:2]
    if image.shape[:2] != (height, width):
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        covered = cv2.resize(covered.astype(np.uint8), (width, height)) > 0
    dimmed = cv2.transform(photo, np.full((1, 3), DIMMED / 3, np.float32))
    return np.where(covered[..., None], image, dimmed[..., None])


def _not_black(image: np.ndarray) -> np.ndarray:
    """Where an RGB picture (H, W, 3) uint8 shows something, bool."""
    red, green, blue = np.moveaxis(image, -1, 0)
    return (red | green | blue) > 0


def _masks(facts: ScanFacts, view: int, box: ViewBox, photo: np.ndarray) -> np.ndarray:
    """The photo with the given mask's outline amber and the one used green.

    Pixels where the mask is not compared with the hands are dark.
    """
    scan, name = facts.scan_id, f"{view:02d}.png"
    verdict = next((v for v in facts.masks if v.get("view") == view), {})
    trusted = _mask(facts.fit_folder / f"trust_{scan}" / name, box)
    made = _mask(facts.fit_folder / f"mask_{scan}" / name, box)
    given = _given(facts, view, box)
    image = photo
    if trusted is not None and trusted.shape == photo.shape[:2]:
        image = np.where(trusted[..., None], photo, (UNUSED * photo).astype(np.uint8))
    used = made if verdict.get("made") else given if verdict.get("usable") else None
    for mask, color in ((given, GIVEN), (used, USED)):
        if mask is not None and mask.shape == photo.shape[:2]:
            image = draw.mask_outline(image, mask, color, 2)
    return image


def _mask(path: Path, box: ViewBox) -> np.ndarray | None:
    try:
        return _cut_mask(load_mask(path), box) if path.is_file() else None
    except UserError:
        return None


def _given(facts: ScanFacts, view: int, box: ViewBox) -> np.ndarray | None:
    assert facts.capture is not None
    try:
        mask = facts.capture.mask(view)
    except UserError as error:
        facts.problems.append(str(error))
        return None
    return None if mask is None else _cut_mask(mask, box)


def _cut_mask(mask: np.ndarray, box: ViewBox) -> np.ndarray:
    return box.cut(mask.astype(np.uint8) * 255) > 127
