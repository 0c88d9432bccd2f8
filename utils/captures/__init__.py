"""Readers of multi-view captures, one a data set."""

from utils.captures.capture import Capture
from utils.captures.open import load_corrected_capture
from utils.captures.readers.demo import load_capture

__all__ = ["Capture", "load_capture", "load_corrected_capture"]
