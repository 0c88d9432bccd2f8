"""Ports of this machine that tests may serve at."""

from __future__ import annotations

import socket


def free_port() -> int:
    """A port that nobody listens to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
