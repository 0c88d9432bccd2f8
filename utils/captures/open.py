"""Opens the capture that a job names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from utils.captures.capture import Capture
from utils.captures.readers.demo import load_capture


def load_corrected_capture(
    data_path: Path, out_path: Path, scan_id: str, config: Mapping[str, Any]
) -> Capture:
    """Open D/S as the config says, in O/cameras/param_S.npz where a stage corrected the cameras."""
    corrected = out_path / "cameras" / f"param_{scan_id}.npz"
    expected = (config[key] for key in ("num", "w", "h"))
    cameras = corrected if corrected.is_file() else None
    return load_capture(data_path, scan_id, *expected, cameras)
