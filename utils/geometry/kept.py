"""What depends on a mesh's faces alone, found once: frames of a movement have the same faces."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

KEPT = 6  # results of each function: the levels of one hand and of two
Function = TypeVar("Function", bound=Callable)


def kept_by_faces(function: Function) -> Function:
    """A function of faces (F, 3), array or tensor, and numbers, that keeps its last results.

    They are shared: who gets one must not change it.
    """
    kept: OrderedDict[Hashable, Any] = OrderedDict()
    lock = threading.Lock()

    @wraps(function)
    def found(faces: np.ndarray | Tensor, *others: Hashable) -> Any:
        key = _name(faces), others
        with lock:
            if key in kept:
                kept.move_to_end(key)
                return kept[key]
        result = function(faces, *others)
        with lock:
            kept[key] = result
            if len(kept) > KEPT:
                kept.popitem(last=False)
        return result

    return found


def _name(faces: np.ndarray | Tensor) -> Hashable:
    device = getattr(faces, "device", None)
    if hasattr(faces, "cpu"):  # a tensor, without importing torch to know one
        faces = faces.cpu().numpy()
    content = np.ascontiguousarray(faces)
    return device, content.dtype.str, content.shape, hashlib.sha256(content).digest()
