"""The page itself, which viser serves to browsers of this machine."""

from __future__ import annotations

import threading
from typing import Any

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from utils.geometry.mesh import edges_of
from utils.io.images import to_bytes
from utils.synthetic.fields import linear_from_srgb
from utils.viewer.address import HOST
from utils.viewer.glb import glb_bytes
from utils.viewer.shown import Curves, PhotoCameras, Surface
from utils.viewer.tone import before_tone_mapping

FIRST = ("shaded", "albedo", "normals")  # colourings that the list always has
FREE = "anywhere"
DEPTH = 0.3  # where photos lie: of the way from the nearest camera to the hands
THUMBNAIL = 320  # pixels: a photo's longer side
PICTURE = 480  # pixels: the width of what stands beside the scene
PER, LEAST = 1000, 1e-6  # curves are of thousandths, since labels have three digits
NEAR = 3.0  # hand units: how far from the hands a browser starts
LINE = (70, 90, 120)  # RGB of the cameras' lines
STROKES = ("#111", "#c33", "#36c", "#393", "#c80", "#83b", "#09a", "#a63", "#777", "#d5a")


class Page:
    """A page at http://127.0.0.1:port, whose port must be free."""

    def __init__(self, port: int) -> None:
        import rich
        import viser

        rich.get_console().quiet = True  # by which viser says when it starts and ends
        self._server = viser.ViserServer(HOST, port, label="live view", verbose=False)
        self.port = self._server.get_port()
        self._lock = threading.RLock()  # the reader's choices come in threads of viser's
        self._surface: Surface | None = None
        self._photos: PhotoCameras | None = None
        self._nodes: list[Any] = []  # of the photos
        self._plot, self._plotted, self._picture = None, (), None
        self._set_up()

    def _set_up(self) -> None:
        scene, gui = self._server.scene, self._server.gui
        gui.configure_theme(show_share_button=False, show_logo=False, control_width="large")
        scene.configure_environment_map(None)
        self._status = gui.add_markdown("")
        self._coloring = gui.add_dropdown("Surface", FIRST)
        self._wires = gui.add_checkbox("Wireframe", False)
        self._photos_on = gui.add_checkbox("Photos", True)
        self._place = gui.add_dropdown("Look from", (FREE,))
        self._coloring.on_update(lambda _: self._draw_surface())
        self._wires.on_update(lambda _: self._draw_surface())
        self._photos_on.on_update(lambda _: self._draw_photos_or_not())
        self._place.on_update(self._look)

    @property
    def is_open(self) -> bool:
        """Whether a browser shows the page."""
        return bool(self._server.get_clients())

    @property
    def view(self) -> int:
        """The number of the camera that the reader looks from, the first one's by default."""
        return 0 if self._place.value == FREE else int(self._place.value)

    def show_status(self, text: str) -> None:
        """Say where the run is, in Markdown."""
        self._status.content = text

    def show_surface(self, surface: Surface) -> None:
        """Draw a mesh instead of the one before."""
        with self._lock:
            self._surface = surface
        self._draw_surface()

    def _draw_surface(self) -> None:
        with self._lock:
            surface = self._surface
            if surface is None:
                return
            colors = surface.colors.get(self._coloring.value)
            if colors is None:
                colors = next(iter(surface.colors.values()))
            cells = edges_of(surface.faces) if self._wires.value else surface.faces
            sent = before_tone_mapping(linear_from_srgb(np.clip(colors, 0, 1)))
            data = glb_bytes(surface.verts, sent, cells)
            self._server.scene.add_glb("/surface", data, cast_shadow=False)

    def show_photos(self, photos: PhotoCameras) -> None:
        """Draw cameras with their photos, at a browser's start seen from before the first one."""
        with self._lock:
            first = self._photos is None
            self._photos = photos
            self._draw_photos(photos)
        self._place.options = (FREE, *map(str, range(len(photos.images))))
        if first:
            self._server.scene.set_up_direction(photos.up())
            center, camera = photos.centers()[0], self._server.initial_camera
            camera.position = NEAR * center / max(np.linalg.norm(center), 1e-6)
            camera.look_at, camera.up = np.zeros(3), photos.up()

    def _draw_photos(self, photos: PhotoCameras) -> None:
        for node in self._nodes:
            node.remove()
        centers, scene, visible = photos.centers(), self._server.scene, self._photos_on.value
        depth = DEPTH * float(np.linalg.norm(centers, axis=1).min())
        corners = photos.corners(depth)  # (B, 4, 3)
        rays = np.stack([np.broadcast_to(centers[:, None], corners.shape), corners], 2)
        frames = np.stack([corners, np.roll(corners, -1, 1)], 2)
        lines = np.concatenate([rays, frames], 1).reshape(-1, 2, 3)
        self._nodes = [
            scene.add_line_segments(
                "/cameras", lines, LINE, thickness=1.5, thickness_units="screen", visible=visible
            )
        ]
        for k, image in enumerate(photos.images):
            width, height = (np.linalg.norm(corners[k, j] - corners[k, 0]) for j in (1, 3))
            x, y, z, w = Rotation.from_matrix(photos.R[k].T).as_quat()
            self._nodes.append(
                scene.add_image(
                    f"/photos/{k}",
                    thumbnail(image),
                    width,
                    height,
                    format="jpeg",
                    wxyz=(w, x, y, z),
                    position=corners[k].mean(0),
                    cast_shadow=False,
                    receive_shadow=False,
                    visible=visible,
                )
            )

    def _draw_photos_or_not(self) -> None:
        with self._lock:
            for node in self._nodes:
                node.visible = self._photos_on.value

    def _look(self, event: Any) -> None:
        """Put the reader where a camera stood; its photo's middle in the middle."""
        photos, place = self._photos, self._place.value
        if event.client is None or photos is None or place == FREE:
            return
        view, camera = int(place), event.client.camera
        center, corners = photos.centers()[view], photos.corners(1.0)[view]
        middle = corners.mean(0) - center
        tops = (corners[:2].mean(0) - center, corners[2:].mean(0) - center)
        cosine = tops[0] @ tops[1] / np.linalg.norm(tops[0]) / np.linalg.norm(tops[1])
        with event.client.atomic():
            camera.up_direction = -photos.R[view, 1]
            camera.position = center
            camera.look_at = center + middle * np.linalg.norm(center) / np.linalg.norm(middle)
            camera.fov = float(np.arccos(np.clip(cosine, -1, 1)))

    def show_picture(self, picture: np.ndarray) -> None:
        """Show a picture (H, W, 3), sRGB in [0, 1], beside the scene."""
        image = to_bytes(resized(picture, PICTURE / picture.shape[1]))
        if self._picture is None:
            self._picture = self._server.gui.add_image(
                image, label="Prediction and photo", format="jpeg"
            )
        else:
            self._picture.image = image

    def show_curves(self, curves: Curves) -> None:
        """Draw the terms over the steps, on a logarithmic scale."""
        from viser import uplot

        steps, terms = curves.table()
        if not terms:
            return
        data = (steps, *(PER * np.maximum(values, LEAST) for values in terms.values()))
        plotted = (curves.title, *terms)
        if plotted == self._plotted:
            self._plot.data = data
            return
        if self._plot is not None:
            self._plot.remove()
        series = [uplot.Series(label="step")]
        for k, name in enumerate(terms):
            series.append(uplot.Series(label=name, stroke=STROKES[k % len(STROKES)], width=1.5))
        scales = {"x": uplot.Scale(time=False), "y": uplot.Scale(distr=3)}
        self._plot = self._server.gui.add_uplot(
            data,
            tuple(series),
            title=f"{curves.title} (thousandths)",
            scales=scales,
            aspect=1.3,
            padding=(14, 12, 0, 0),
        )
        self._plotted = plotted

    def close(self) -> None:
        """Browsers find nothing here any more."""
        self._server.stop()


def thumbnail(image: np.ndarray) -> np.ndarray:
    """RGB bytes (h, w, 3) of a picture (H, W, 3) in [0, 1], none of whose sides is long."""
    return to_bytes(resized(image, min(THUMBNAIL / max(image.shape[:2]), 1)))


def resized(image: np.ndarray, scale: float) -> np.ndarray:
    """An image (H, W, 3) of `scale` times its sides, which are 1 pixel at least."""
    size = [max(round(scale * side), 1) for side in image.shape[1::-1]]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
