"""Whether a calibration can be trusted, by its own evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from utils.verdict import Limit, Verdict, assess

LIMITS = (
    Limit(
        "registered",
        0.9,
        0.3,
        "{value:.0%} of the photos have a camera; film more slowly, before something patterned",
        below=True,
    ),
    Limit(
        "pieces",
        1,
        None,
        "the photos fall into {value:.0f} pieces, of which one is kept; film the gap",
    ),
    Limit(
        "sigma_px",
        1.5,
        15.0,
        "cameras are known to {value:.1f} px at the hand; more photos, all about, would help",
    ),
    Limit(
        "worst_sigma_px",
        8.0,
        None,
        "one of the cameras is known to {value:.0f} px only; see report.json, and leave it out",
    ),
    Limit(
        "board_error",
        0.01,
        None,
        "the board gives the scale to {value:.1%} only; is it flat, sharp, and seen from near?",
    ),
)


def judge_calibration(report: Mapping[str, Any]) -> Verdict:
    """The verdict on what report.json says."""
    sigmas = np.array([s for s in report["sigma_px"].values() if s is not None], float)
    measures = {
        "registered": report["registered"] / max(report["photos"], 1),
        "pieces": 1 + len(report.get("pieces", ())),
        "sigma_px": float(np.nanmedian(sigmas)) if len(sigmas) else float("nan"),
        "worst_sigma_px": float(np.nanmax(sigmas)) if len(sigmas) else float("nan"),
    }
    if report["scale"]["by"] == "board":
        measures["board_error"] = report["scale"]["relative_error"]
    return assess(measures, LIMITS)
