"""A capture written in another layout: photos undistorted, with masks, keypoints and cameras."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from utils.captures.camera_files import save_cameras
from utils.captures.capture import Capture, View
from utils.captures.convert import PHOTOS, cameras_json, colmap, nerfstudio
from utils.captures.pose_files import save_pose
from utils.errors import UserError
from utils.io.files import link_or_copy
from utils.io.images import save_image
from utils.progress_bar import progress

CAMERA_WRITERS: dict[str, Callable[..., list[Path]]] = {
    "colmap": colmap.write,
    "nerfstudio": nerfstudio.write,
    "cameras_json": cameras_json.write,
}
LAYOUTS = ("demo", *CAMERA_WRITERS)


def convert_capture(
    capture: Capture, destination: Path, layout: str, overwrite: bool = False
) -> list[Path]:
    """Write the capture into the folder `destination`/S in a layout of LAYOUTS; returns the files.

    Photos are links to the capture's own where their files hold the photo as it is used, PNGs
    otherwise; `mask/` and `pose/` are beside them, cameras come last. Raises UserError where the
    folder holds something already (overwrite: not then), and where the layout cannot state a
    camera.
    """
    folder = destination / capture.scan_id
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise UserError(f"{folder} is not empty; choose another folder, or --overwrite")
    stems = _stems(capture, layout)
    photos = "img" if layout == "demo" else PHOTOS
    written, names = [], []
    for stem, view in zip(progress(stems, "converting", "view"), capture.views):
        photo = write_photo(view, folder / photos, stem)
        written += [photo, *write_findings(view, folder, stem)]
        names.append(photo.name)
    if layout == "demo":
        cameras_path = folder / "camera" / "param.npz"
        save_cameras(cameras_path, capture.cameras, capture.world_from_norm)
        return [*written, cameras_path]
    write_cameras = CAMERA_WRITERS[layout]
    return written + write_cameras(folder, capture.cameras, stems, names, capture.unit)


def _stems(capture: Capture, layout: str) -> Sequence[str]:
    """What the files of each view are called, without their endings."""
    if layout == "demo":
        return [f"{view:02d}" for view in range(len(capture))]
    return capture.names


def write_photo(view: View, folder: Path, stem: str) -> Path:
    """The photo as it is used, in `folder`: a link, or a PNG where the file differs from it."""
    if view.is_plain:
        path = folder / f"{stem}{view.image_path.suffix.lower()}"
        path.unlink(missing_ok=True)
        link_or_copy(view.image_path, path)
        return path
    save_image(folder / f"{stem}.png", view.image())
    return folder / f"{stem}.png"


def write_findings(view: View, folder: Path, stem: str) -> list[Path]:
    """Mask and keypoints of the photo as it is used, where there are any, in mask/ and pose/."""
    written = []
    mask = view.mask()
    if mask is not None:
        written.append(folder / "mask" / f"{stem}.png")
        save_image(written[-1], mask)
    if view.pose_path.is_file():
        written.append(folder / "pose" / f"{stem}.json")
        xy, confidence = view.keypoints()
        save_pose(written[-1], xy, confidence, view.size)
    return written
