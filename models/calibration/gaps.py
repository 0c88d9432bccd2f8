"""Photos that have no camera: pieces that do not connect, and too few that do."""

from __future__ import annotations

from collections.abc import Sequence

from utils.calibration.photos import PhotoSet
from utils.calibration.structure import Structure

LEAST_SHARE = 0.6  # of the photos that must be registered for the background to be believed
LEAST_REGISTERED, SURELY_ENOUGH = 4, 20


def believable(structure: Structure, photos: PhotoSet) -> bool:
    """Whether enough photos were registered for the background to be what it seems."""
    count, total = len(structure.cameras), len(photos.names)
    if count < min(LEAST_REGISTERED, total):
        return False
    return count >= LEAST_SHARE * total or bool(structure.pieces) or count >= SURELY_ENOUGH


def what_failed(structure: Structure | None, photos: PhotoSet) -> str:
    """Why structure from motion tells no cameras, and what to do."""
    if structure is not None and structure.pieces:
        return (
            f"{_pieces(structure, photos)}, and the largest is smaller than the {LEAST_REGISTERED} "
            "photos that can be believed; film the way without a gap, before one backdrop"
        )
    count = 0 if structure is None else len(structure.cameras)
    return (
        f"structure from motion registered {count} of {len(photos.names)} photos: too little to "
        "see but the hand, or photos too far apart; film in front of something patterned, 8 "
        "degrees or less from photo to photo, and nothing else moving"
    )


def gap_warnings(structure: Structure, photos: PhotoSet) -> list[str]:
    """Which photos have no camera, and why: a line for pieces, one for those that fit nowhere."""
    lines = []
    if structure.pieces:
        lines.append(
            f"warning: {_pieces(structure, photos)}; the largest is kept. Take photos between "
            "them, or calibrate the others by themselves"
        )
    if structure.left_out:
        lines.append(f"warning: not registered: {in_runs(structure.left_out, photos.names)}")
    return lines


def in_runs(names: Sequence[str], order: Sequence[str]) -> str:
    """Names in words, those that follow one another in `order` as a run: '3.jpg to 9.jpg'."""
    places = sorted(order.index(name) for name in names)
    starts = [k for k, at in enumerate(places) if k == 0 or at != places[k - 1] + 1]
    runs = [places[a:b] for a, b in zip(starts, [*starts[1:], len(places)])]
    return ", ".join(
        f"{order[run[0]]} to {order[run[-1]]}" if len(run) > 2 else ", ".join(order[k] for k in run)
        for run in runs
    )


def _pieces(structure: Structure, photos: PhotoSet) -> str:
    """'the photos fall into 2 pieces that do not connect: 3 photos (...) and 3 (...)'."""
    pieces = [[camera.photo for camera in structure.cameras], *structure.pieces]
    words = [f"{len(piece)} photos ({in_runs(piece, photos.names)})" for piece in pieces]
    return (
        f"the photos fall into {len(pieces)} pieces that do not connect: "
        f"{', '.join(words[:-1])} and {words[-1]}"
    )
