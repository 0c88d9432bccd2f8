"""Charts as plain SVG: they need no script and scale to any screen."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

WIDTH, HEIGHT = 900, 260
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 34  # margins
COLOURS = ("#2f81c7", "#d9822b", "#3a9d6e", "#b14f8c", "#7a6fd0", "#8a8f98", "#c0504d", "#4aa3a3")
SIDE_COLOURS = {"left": "#d9822b", "right": "#2f81c7"}
MOST_POINTS = 300  # of a curve


def residual_chart(residuals: np.ndarray, inliers: np.ndarray, labels: Sequence[str]) -> str:
    """Every keypoint's residual by view, logarithmic: left | right; hollow ones are outliers.

    residuals (views, 2, joints) pixels, nan where not seen; inliers the same, bool.
    """
    seen = residuals[np.isfinite(residuals)]
    if seen.size == 0:
        return ""
    low, high = max(float(seen.min()), 0.1), max(float(seen.max()), 1.0)
    axis = _LogAxis(low, high)
    step = (WIDTH - LEFT - RIGHT) / len(residuals)
    marks = axis.lines("px")
    for view, label in enumerate(labels):
        middle = LEFT + step * (view + 0.5)
        marks.append(_text(middle, HEIGHT - 12, label, "middle"))
        for hand, (side, colour) in enumerate(SIDE_COLOURS.items()):
            x = middle + (hand - 0.5) * min(step * 0.4, 26)
            marks += _strip(x, residuals[view, hand], inliers[view, hand], axis, colour, side)
    return _svg(marks, "residual of every keypoint by view")


def _strip(
    x: float, values: np.ndarray, inliers: np.ndarray, axis: _LogAxis, colour: str, side: str
) -> list[str]:
    """One hand's residuals in a view, above one another, and their median."""
    own = np.isfinite(values)
    dots = []
    for value, inlier in zip(values[own], inliers[own]):
        style = (
            f'fill="{colour}" fill-opacity=".55"' if inlier else f'fill="none" stroke="{colour}"'
        )
        dots.append(f'<circle cx="{x:.1f}" cy="{axis.y(value):.1f}" r="3" {style}/>')
    if own.any():
        y = axis.y(float(np.median(values[own])))
        title = f"<title>{side}: median {np.median(values[own]):.1f} px</title>"
        dots.append(
            f'<line x1="{x - 9:.1f}" x2="{x + 9:.1f}" y1="{y:.1f}" y2="{y:.1f}" '
            f'stroke="{colour}" stroke-width="3">{title}</line>'
        )
    return dots


def curve_chart(curves: dict[str, Sequence[float]], title: str) -> str:
    """Curves over their steps, logarithmic, each with its name; values below 1e-8 are cut."""
    arrays = {name: np.asarray(values, float) for name, values in curves.items()}
    arrays = {name: values for name, values in arrays.items() if (values > 1e-8).sum() > 1}
    if not arrays:
        return ""
    seen = np.concatenate([values[values > 1e-8] for values in arrays.values()])
    axis, marks = _LogAxis(float(seen.min()), float(seen.max())), []
    marks += axis.lines("")
    steps = max(map(len, arrays.values()))
    for number, (name, values) in enumerate(arrays.items()):
        chosen = np.unique(np.linspace(0, len(values) - 1, MOST_POINTS).astype(int))
        x = LEFT + (WIDTH - LEFT - RIGHT) * chosen / max(steps - 1, 1)
        points = " ".join(f"{a:.1f},{axis.y(max(values[k], 1e-8)):.1f}" for a, k in zip(x, chosen))
        colour = COLOURS[number % len(COLOURS)]
        marks.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        marks.append(_text(LEFT + 8 + 105 * number, HEIGHT - 2, name, "start", colour))
    marks.append(_text(WIDTH - RIGHT, HEIGHT - 18, f"{steps} steps", "end"))
    return _svg(marks, title)


class _LogAxis:
    """The vertical axis, logarithmic."""

    def __init__(self, low: float, high: float):
        self.low, self.high = np.log10(low), np.log10(max(high, low * 1.5))

    def y(self, value: float) -> float:
        """Where a value stands; those outside stand at the edge."""
        share = (np.log10(max(value, 1e-12)) - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - float(np.clip(share, 0, 1)) * (HEIGHT - TOP - BOTTOM)

    def lines(self, unit: str) -> list[str]:
        """Lines across at powers of ten, and between where there are few, with their values."""
        powers = np.arange(np.floor(self.low), np.ceil(self.high) + 1)
        factors = (1, 2, 5) if self.high - self.low < 2.5 else (1,)
        values = [f * 10.0**p for p in powers for f in factors]
        marks = []
        for value in values:
            if self.low <= np.log10(value) <= self.high:
                y = self.y(value)
                line = f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"'
                marks.append(f'{line} class="grid"/>')
                marks.append(_text(LEFT - 6, y + 4, f"{value:g} {unit}".strip(), "end"))
        return marks


def _text(x: float, y: float, text: str, anchor: str, colour: str = "") -> str:
    fill = f' style="fill:{colour}"' if colour else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{fill}>{escape(text)}</text>'


def _svg(marks: Sequence[str], title: str) -> str:
    head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
    return head + "".join(marks) + "</svg>"
