"""Where random numbers start."""

from __future__ import annotations

import random

from utils.stage.process import without_garbage_collection


def seed_everything(seed: int, uses_torch: bool = True) -> None:
    """Seed Python and NumPy, and torch, if it is used."""
    import numpy as np

    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (libraries that still use the global state)
    if uses_torch:
        with without_garbage_collection():
            import torch  # here, for its import takes more than a second

        torch.manual_seed(seed)
