"""Distances from samples of one surface to another, and which of them count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from utils.metrics.surface import Nearest

PERCENTILES = (50, 90, 95, 99)


@dataclass(frozen=True)
class OneWay:
    """Samples (N,) of one surface against the other: mm and degrees, and which are left out.

    Points of a cloud have no normals, and so no angle.
    """

    distance: np.ndarray
    angle: np.ndarray | None
    left_out: np.ndarray

    @staticmethod
    def of(
        nearest: Nearest, normals: np.ndarray | None, mm_per_unit: float, holes: bool = False
    ) -> OneWay:
        """From the nearest points to samples with unit normals (N, 3), if they have any.

        holes: samples are left out where the nearest point looks the other way, too.
        """
        if normals is None:
            return OneWay(mm_per_unit * nearest.distance, None, nearest.on_border)
        cosine = np.clip((nearest.normal * normals).sum(1), -1, 1)
        left_out = nearest.on_border | (cosine < 0) if holes else nearest.on_border
        return OneWay(mm_per_unit * nearest.distance, np.degrees(np.arccos(cosine)), left_out)

    def part(self, chosen: np.ndarray) -> OneWay:
        """The samples chosen (N,) bool."""
        angle = None if self.angle is None else self.angle[chosen]
        return OneWay(self.distance[chosen], angle, self.left_out[chosen])

    def within(self, threshold: float) -> float:
        """The share of samples that are not left out within `threshold` mm."""
        return float((self.distance[~self.left_out] <= threshold).mean())

    def scores(self) -> dict[str, float]:
        """Distance (mean, RMS, percentiles, maximum), normal angle, and what was left out."""
        kept = self.part(~self.left_out)
        quantiles = np.percentile(kept.distance, PERCENTILES)
        angles = {}
        if kept.angle is not None:
            angles["normal_deg"] = float(kept.angle.mean())
            angles["normal_median_deg"] = float(np.median(kept.angle))
        return {
            "mean_mm": float(kept.distance.mean()),
            "rms_mm": float(np.sqrt(np.square(kept.distance).mean())),
            **{f"p{q}_mm": float(x) for q, x in zip(PERCENTILES, quantiles)},
            "max_mm": float(kept.distance.max()),
            **angles,
            "left_out": float(self.left_out.mean()),
            "mean_all_mm": float(self.distance.mean()),
        }
