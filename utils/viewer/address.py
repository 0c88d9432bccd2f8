"""Where the page of a live view is, and whether it can be there."""

from __future__ import annotations

import importlib.util
import socket

from utils.errors import UserError

HOST = "127.0.0.1"  # what a capture shows is nobody else's business
DEFAULT_PORT, LAST_PORT = 8080, 65535


def check_viewer(port: int) -> None:
    """Raise UserError where there can be no page at this port."""
    if importlib.util.find_spec("viser") is None:
        raise UserError(
            "--viewer: the package viser is not installed; "
            "python -m pip install -r requirements-viewer.txt"
        )
    other = port + 1 if port < LAST_PORT else DEFAULT_PORT
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UserError(
                f"--viewer {port}: {HOST}:{port} cannot be used ({error.strerror}); "
                f"another live view may have it: name another port, such as --viewer {other}"
            ) from error
