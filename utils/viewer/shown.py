"""What a live view shows: surfaces, pictures, photos in their cameras, curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

MOST_POINTS = 400  # of a curve: twice as many are thinned out


@dataclass(frozen=True)
class Surface:
    """A mesh, verts (V, 3) and faces (F, 3), in several colourings (V, 3), sRGB in [0, 1], by name.

    Of arrays that nobody changes any more, in one frame with the cameras.
    """

    verts: np.ndarray
    faces: np.ndarray
    colors: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Shown:
    """What is new: a surface, a picture (H, W, 3) of sRGB in [0, 1], or both."""

    surface: Surface | None = None
    picture: np.ndarray | None = None


@dataclass(frozen=True)
class PhotoCameras:
    """B pictures (H, W, 3), sRGB in [0, 1], with the pinhole cameras K, R, t that took them."""

    images: Sequence[np.ndarray]
    K: np.ndarray  # (B, 3, 3)
    R: np.ndarray  # (B, 3, 3) cam_from_world
    t: np.ndarray  # (B, 3)

    def centers(self) -> np.ndarray:
        """The cameras' centres (B, 3)."""
        return -np.einsum("bji,bj->bi", self.R, self.t)

    def up(self) -> np.ndarray:
        """What is up (3,): the cameras' mean, the first one's where they cancel out."""
        mean = -self.R[:, 1].mean(0)
        length = np.linalg.norm(mean)
        return mean / length if length > 1e-3 else -self.R[0, 1]

    def corners(self, depth: float) -> np.ndarray:
        """The pictures' corners (B, 4, 3) as they lie at a depth: left top, right top, ..."""
        corners = []
        for image, K, R, t in zip(self.images, self.K, self.R, self.t):
            height, width = image.shape[:2]
            x, y = (-0.5, width - 0.5), (-0.5, height - 0.5)
            pixels = np.array([[x[0], y[0], 1], [x[1], y[0], 1], [x[1], y[1], 1], [x[0], y[1], 1]])
            corners.append((depth * np.linalg.solve(K, pixels.T).T - t) @ R)
        return np.array(corners)


@dataclass
class Curves:
    """The terms of every step of the latest optimisation, thinned where they grow many."""

    title: str = ""
    step: int = -1
    points: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    every: int = 1  # step of so many is kept

    def add(self, title: str, numbers: Mapping[str, float], step: int | None) -> None:
        """One step's numbers; another title begins anew."""
        if title != self.title:
            self.title, self.step, self.points, self.every = title, -1, [], 1
        self.step = self.step + 1 if step is None else step
        if self.step % self.every == 0:
            self.points.append((self.step, dict(numbers)))
        if len(self.points) >= 2 * MOST_POINTS:
            self.points, self.every = self.points[::2], 2 * self.every

    def copy(self) -> Curves:
        """The same, as it is now."""
        return replace(self, points=list(self.points))

    def table(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Steps (N,), and the terms (N,) by name that were above 0 at all."""
        steps = np.array([float(step) for step, _ in self.points])
        names = self.points[0][1] if self.points else ()
        terms = {n: np.array([x.get(n, np.nan) for _, x in self.points]) for n in names}
        return steps, {name: values for name, values in terms.items() if (values > 0).any()}
