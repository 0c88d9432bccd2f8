"""What a refinement says of itself: sound meshes, and photos that it explains."""

from __future__ import annotations

from collections.abc import Sequence

from models.ham.state import LevelReport
from utils.verdict import Limit, Verdict, assess

# Measured: no bad face left and 35 dB on made-up captures, none and 24 dB in a real room; 0.14 % of
# the faces with mirrored photos.
LIMITS = (
    Limit(
        "bad_faces_share",
        doubtful=0.0005,
        failed=0.02,
        says="{value:.2%} of the faces cross others or have turned over; look at overlay/ and at "
        "the stages before",
    ),
    Limit(
        "psnr",
        doubtful=20.0,
        failed=None,
        says="the fitted photos are explained to {value:.1f} dB only (good captures: 24 and more); "
        "look at overlay/",
        below=True,
    ),
)


def judge_refinement(
    reports: Sequence[LevelReport], faces: int, psnr: float | None = None
) -> Verdict:
    """The verdict on the levels' reports, a mesh of so many faces, and the fitted views' PSNR (dB).

    psnr None: it is not known yet, or there was nothing to compare.
    """
    left = reports[-1].soundness.left if reports else 0
    measures = {"bad_faces_share": left / max(faces, 1)}
    return assess(measures if psnr is None else {**measures, "psnr": psnr}, LIMITS)
