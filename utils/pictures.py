"""Pictures beside the results: useful, and never a reason to stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from utils.errors import UserError
from utils.io.images import save_image
from utils.parallel import mapped, threads_for


def save_picture(path: Path, draw: Callable[[], np.ndarray | None]) -> list[Path]:
    """Write what `draw` returns, or let it write the file itself where that is None.

    Returns the path, or nothing where drawing failed: that is said, an older picture of this name
    is removed, and the stage goes on. Raises UserError where the file cannot be written.
    """
    try:
        image = draw()
        if image is not None:
            save_image(path, image)
    except UserError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        print(f"picture {path} not drawn: {reason}")
        path.unlink(missing_ok=True)
        return []
    return [path]


def save_pictures(
    paths: Sequence[Path], draws: Sequence[Callable[[], np.ndarray | None]], pixels: float
) -> list[Path]:
    """The same for several, side by side unless they are of photos of too many pixels."""
    written = mapped(lambda job: save_picture(*job), zip(paths, draws), threads_for(pixels))
    return [path for one in written for path in one]
