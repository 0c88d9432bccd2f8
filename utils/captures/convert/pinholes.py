"""What programs share that know pinhole cameras by focal lengths and principal point alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from utils.cameras import Cameras
from utils.errors import UserError

HALF_PIXEL = 0.5  # the centre of the top-left pixel where principal points count from the border
LARGEST_SKEW = 1e-3  # pixels that it may move an image's corner


def check_no_skew(cameras: Cameras, names: Sequence[str], form: str) -> None:
    """Raise UserError, naming camera and form, where a K has a skew that `form` cannot state."""
    shift = cameras.K[:, 0, 1].cpu() * cameras.sizes[:, 0] / cameras.K[:, 1, 1].cpu() / 2
    for name, pixels in zip(names, shift.tolist()):
        if abs(pixels) > LARGEST_SKEW:
            raise UserError(
                f"K of camera {name} has a skew of {pixels:.2g} pixels at the image's border, "
                f"which {form} cannot state; use --layout cameras_json"
            )


def digits(numbers: Iterable[float]) -> str:
    """Numbers apart by blanks, with all digits of float64."""
    return " ".join(f"{number:.17g}" for number in numbers)
