"""Files that are read back whole or not at all: a digest stands before what they hold."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

from utils.errors import UserError
from utils.io.decoding import decoding
from utils.io.files import atomic_path


def save_sealed(path: Path, data: Any) -> None:
    """Write tensors and plain values behind a line with the BLAKE2b digest of their bytes."""
    import torch

    buffer = io.BytesIO()
    torch.save(data, buffer)
    payload = buffer.getbuffer()
    with atomic_path(path) as beside, open(beside, "wb") as file:
        file.write(_digest(payload) + b"\n")
        file.write(payload)


def load_sealed(path: Path) -> Any:
    """What `save_sealed` wrote, onto the CPU. Raises UserError where a byte of it has changed."""
    import torch

    with decoding(path, "not readable"):
        digest, _, payload = path.read_bytes().partition(b"\n")
    if digest != _digest(payload):
        raise UserError(f"{path} is damaged; run the stage that makes it again")
    return torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)


def _digest(payload: bytes | memoryview) -> bytes:
    return hashlib.blake2b(payload, digest_size=16).hexdigest().encode()
