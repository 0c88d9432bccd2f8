"""Values of files in words, for messages."""

from __future__ import annotations

import sys
from typing import Any

SHOWN = 60  # characters of a value that messages show


def described(value: Any) -> str:
    """A value in a few words for a message, whatever it is and however large."""
    torch = sys.modules.get("torch")  # there is no tensor where nobody imported it
    if torch is not None and isinstance(value, torch.Tensor):
        if value.is_nested:
            return "a tensor of tensors"
        words = [str(value.dtype).removeprefix("torch.")]
        words += ["sparse"] * (value.layout != torch.strided)
        return f"{' '.join(words)} of shape ({', '.join(map(str, value.shape))})"
    if isinstance(value, str | int | float | bool) or value is None:
        text = repr(value)
        return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
    if isinstance(value, list | tuple | dict):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}"
