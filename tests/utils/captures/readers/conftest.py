"""Fixtures of the readers' tests."""

import pytest

from utils.captures import load_capture


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """Indices of the files go into the test's folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def plain(capture_dir):
    """The tiny capture in the demo layout, in metres."""
    return load_capture(capture_dir, "1")
