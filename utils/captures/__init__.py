"""Readers of multi-view captures, one a data set."""

from utils.captures.demo import Capture, load_capture, load_corrected_capture

__all__ = ["Capture", "load_capture", "load_corrected_capture"]
