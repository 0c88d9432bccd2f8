"""The command line's options of the live view."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from utils.viewer.address import DEFAULT_PORT, LAST_PORT, check_viewer

if TYPE_CHECKING:
    from utils.viewer.live import LiveView


def add_viewer_options(parser: argparse.ArgumentParser) -> None:
    """The options --viewer and --viewer-stay."""
    parser.add_argument(
        "--viewer",
        nargs="?",
        type=_port,
        const=DEFAULT_PORT,
        metavar="PORT",
        help="show the run in a browser of this machine while it goes on: mesh, cameras with their "
        f"photos, losses, at http://127.0.0.1:PORT ({DEFAULT_PORT} where no PORT is given); needs "
        "requirements-viewer.txt. The page goes when the run ends",
    )
    parser.add_argument(
        "--viewer-stay",
        action="store_true",
        help="--viewer whose page stays after the run until Ctrl-C",
    )


@contextmanager
def viewer_of(args: argparse.Namespace) -> Iterator[LiveView | None]:
    """In the block, the live view that the options ask for; None: none.

    Raises UserError where the package for it is missing or the port is in use.
    """
    port = args.viewer
    if port is None and args.viewer_stay:
        port = DEFAULT_PORT
    if port is None:
        yield None
        return
    check_viewer(port)
    from utils.viewer.live import live_view

    with live_view(port) as view:
        yield view


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text[:40]} is no port (1 to {LAST_PORT})")
    return int(text)
