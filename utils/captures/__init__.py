"""Captures: opened by a reader of their layout, checked, drawn, held out."""

from utils.captures.capture import Capture, View
from utils.captures.open import list_scans, load_capture, open_capture

__all__ = ["Capture", "View", "list_scans", "load_capture", "open_capture"]
