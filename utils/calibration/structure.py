"""Structure from motion by COLMAP: cameras and points from photos alone."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from utils.calibration.photos import PhotoSet
from utils.cameras.calibrated import CalibratedCamera
from utils.cameras.lens import Lens
from utils.errors import UserError
from utils.parallel import cores
from utils.progress_bar import ProgressBar

FEATURES = 4000  # a photo
LARGEST_SIDE = 1600  # pixels that features are looked for in
ENLARGED_UP_TO = 900  # pixels of the longer side: larger photos have enough detail as they are
PAIRS_AT_A_TIME = 60
PHOTOS_AT_A_TIME = 4  # a core
FOCAL_GUESS = 0.8  # of the longer side, where EXIF states none: phones have 0.7 to 0.8
ALL_PAIRS_UP_TO = 40  # photos; of more, each is matched with its neighbours and every few others
NEIGHBOURS, EVERY = 10, 5
LEAST_PIECE = 3  # photos that make a model
LEAST_FOR_CENTRE = 12  # photos from which the principal point is estimated, too
HALF_PIXEL = 0.5  # COLMAP's pixel centres
SHARED_MODEL, OWN_MODEL = "RADIAL", "SIMPLE_RADIAL"


@dataclass(frozen=True)
class Structure:
    """Cameras of the photos that were registered, in an arbitrary frame and unit.

    cameras: names are those of the photos' files without endings; points (N, 3); observation m
    shows point_of[m] in camera view_of[m] at xy[m] (M, 2), pixels as stored; pieces: names of
    photos of other models that do not connect with this one, LEAST_PIECE or more each; left_out:
    names of all others.
    """

    cameras: list[CalibratedCamera]
    points: np.ndarray
    view_of: np.ndarray
    point_of: np.ndarray
    xy: np.ndarray
    pieces: list[list[str]]
    left_out: list[str]

    def residuals(self) -> np.ndarray:
        """Distances (M,) of the observations from where their points project, pixels."""
        miss = np.empty(len(self.xy))
        for view, camera in enumerate(self.cameras):
            rows = self.view_of == view
            miss[rows] = np.linalg.norm(
                camera.project(self.points[self.point_of[rows]]) - self.xy[rows], axis=1
            )
        return miss


def pycolmap_module() -> Any:
    """The module pycolmap, quiet. Raises UserError where it is not installed."""
    try:
        import pycolmap
    except ImportError as error:
        raise UserError(
            "structure from motion needs pycolmap: pip install -r requirements-calibrate.txt (or "
            "calibrate by the hands alone: --way hands)"
        ) from error
    pycolmap.logging.minloglevel = 3
    return pycolmap


def find_structure(photos: PhotoSet, work: Path, shared: bool, seed: int = 0) -> Structure | None:
    """Cameras of as many photos as connect; None where fewer than LEAST_PIECE do.

    work: a folder for COLMAP's files, in which a run that was stopped goes on; shared: one camera
    took all photos. Raises UserError where pycolmap is missing.
    """
    colmap = pycolmap_module()
    colmap.set_random_seed(seed)
    folder = work / _mark(photos, shared)
    for old in work.glob("colmap_*"):
        if old != folder:
            shutil.rmtree(old)
    folder.mkdir(parents=True, exist_ok=True)
    database = folder / "database.db"
    _clear_unreadable(colmap, database)
    _extract(colmap, photos, database, shared)
    _match(colmap, photos, database, seed)
    models = _map(colmap, photos, database, folder, shared, seed)
    if not models:
        return None
    return _structure(photos, models)


def _mark(photos: PhotoSet, shared: bool) -> str:
    """A folder name that changes with the photos and with what is asked of them."""
    facts = [str(shared), str(photos.focal)]
    facts += [f"{name} {photos.path(k).stat().st_size}" for k, name in enumerate(photos.names)]
    return "colmap_" + hashlib.blake2b("\n".join(facts).encode(), digest_size=4).hexdigest()


def _clear_unreadable(colmap: Any, database: Path) -> None:
    """Remove what a run left that was stopped in the middle of writing (by a full disk, say)."""
    try:
        colmap.Database.open(database).close()
    except RuntimeError:
        for path in database.parent.glob(f"{database.name}*"):
            path.unlink()


def _extract(colmap: Any, photos: PhotoSet, database: Path, shared: bool) -> None:
    """Find features in parts, so that it can be seen how far it is; photos with some are skipped.

    Nobody else may look into the database meanwhile to tell how far it is: pycolmap brings an
    SQLite of its own, and two of them in one process undo each other's locks
    (sqlite.org/howtocorrupt.html, 2.2.1), by which COLMAP fails or crashes.
    """
    options = colmap.FeatureExtractionOptions()
    options.use_gpu, options.max_image_size = False, LARGEST_SIDE
    options.sift.max_num_features = FEATURES
    options.sift.first_octave = -1 if max(photos.sizes[0]) <= ENLARGED_UP_TO else 0
    reader = colmap.ImageReaderOptions()
    reader.camera_model = SHARED_MODEL if shared else OWN_MODEL
    reader.default_focal_length_factor = FOCAL_GUESS
    if shared:
        height, width = photos.sizes[0]
        focal = photos.focal or FOCAL_GUESS * max(height, width)
        reader.camera_params = f"{focal},{width / 2},{height / 2},0,0"
    part = PHOTOS_AT_A_TIME * cores()
    with ProgressBar(len(photos.names), "features", "photo") as bar:
        for first in range(0, len(photos.names), part):
            names = photos.names[first : first + part]
            if shared:
                reader.existing_camera_id = _camera_so_far(colmap, database)
            colmap.extract_features(
                database,
                photos.folder,
                image_names=names,
                camera_mode=colmap.CameraMode.SINGLE if shared else colmap.CameraMode.PER_IMAGE,
                reader_options=reader,
                extraction_options=options,
                device=colmap.Device.cpu,
            )
            bar.advance(len(names))


def _camera_so_far(colmap: Any, database: Path) -> int:
    """COLMAP's number of the camera that took the photos in a database; -1 where it has none."""
    opened = colmap.Database.open(database)
    try:
        return min((camera.camera_id for camera in opened.read_all_cameras()), default=-1)
    finally:
        opened.close()


def _match(colmap: Any, photos: PhotoSet, database: Path, seed: int) -> None:
    """Match in parts, so that it can be seen how far it is; pairs that were matched are skipped."""
    matching = colmap.FeatureMatchingOptions()
    matching.use_gpu = False
    geometry = colmap.TwoViewGeometryOptions()
    geometry.ransac.random_seed = seed
    pairing = colmap.ImportedPairingOptions()
    pairing.match_list_path = database.with_name("pairs.txt")
    pairs = _pairs(len(photos.names))
    with ProgressBar(len(pairs), "matching", "pair") as bar:
        for first in range(0, len(pairs), PAIRS_AT_A_TIME):
            part = pairs[first : first + PAIRS_AT_A_TIME]
            lines = [f"{photos.names[a]} {photos.names[b]}\n" for a, b in part]
            pairing.match_list_path.write_text("".join(lines))
            colmap.match_image_pairs(
                database,
                matching_options=matching,
                pairing_options=pairing,
                verification_options=geometry,
                device=colmap.Device.cpu,
            )
            bar.advance(len(part))


def _pairs(count: int) -> list[tuple[int, int]]:
    """Pairs of photos to match: all, or neighbours in time and every EVERY-th with another."""
    pairs = [(a, b) for a in range(count) for b in range(a + 1, count)]
    if count <= ALL_PAIRS_UP_TO:
        return pairs
    return [(a, b) for a, b in pairs if b - a <= NEIGHBOURS or (a % EVERY == 0 == b % EVERY)]


def _map(
    colmap: Any, photos: PhotoSet, database: Path, folder: Path, shared: bool, seed: int
) -> list[Any]:
    """COLMAP's models, the largest first, each adjusted once more with its principal point."""
    options = colmap.IncrementalPipelineOptions()
    options.min_model_size, options.random_seed = LEAST_PIECE, seed
    options.extract_colors = False
    # Places that have nothing in common look alike in some details (letters, a pattern that
    # repeats); by pairs of photos alone these would join them.
    options.structure_less_registration_fallback = False
    options.mapper.random_seed = options.triangulation.random_seed = seed
    with ProgressBar(len(photos.names), "structure from motion", "photo") as bar:
        models = colmap.incremental_mapping(
            database,
            photos.folder,
            folder / "models",
            options=options,
            initial_image_pair_callback=lambda *_: bar.advance(2),
            next_image_callback=lambda *_: bar.advance(),
        )
    found = sorted(models.values(), key=lambda model: -model.num_reg_images())
    for model in found:
        enough = model.num_reg_images() >= LEAST_FOR_CENTRE
        adjust = colmap.BundleAdjustmentOptions()
        adjust.refine_principal_point = shared and enough
        adjust.print_summary = False
        _adjust(colmap, model, adjust)
    return found


def _adjust(colmap: Any, model: Any, options: Any) -> None:
    """Bundle adjustment of the whole model, in place; pycolmap's own function logs."""
    config = colmap.BundleAdjustmentConfig()
    for image in model.reg_image_ids():
        config.add_image(image)
    config.fix_gauge(colmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    colmap.create_default_bundle_adjuster(options, config, model).solve()


def _structure(photos: PhotoSet, models: list[Any]) -> Structure:
    model = models[0]
    order = {name: k for k, name in enumerate(photos.names)}
    images = sorted(
        (image for image in model.images.values() if image.has_pose), key=lambda i: order[i.name]
    )
    cameras = [_camera(model, image, photos.sizes[order[image.name]]) for image in images]
    ids = sorted(model.points3D)
    row = {point: k for k, point in enumerate(ids)}
    view_of, point_of, xy = [], [], []
    for view, image in enumerate(images):
        for point in image.points2D:
            if point.has_point3D():
                view_of.append(view)
                point_of.append(row[point.point3D_id])
                xy.append(point.xy)
    names = [{i.name for i in each.images.values() if i.has_pose} for each in models]
    pieces, left_out = apart(names, photos.names)
    return Structure(
        cameras,
        np.array([model.points3D[k].xyz for k in ids]).reshape(-1, 3),
        np.array(view_of, int),
        np.array(point_of, int),
        np.array(xy, float).reshape(-1, 2) - HALF_PIXEL,
        pieces,
        left_out,
    )


def apart(
    models: Sequence[Collection[str]], order: Sequence[str]
) -> tuple[list[list[str]], list[str]]:
    """Photos that the first of `models` (names of each, the largest first) does without.

    Returns pieces of LEAST_PIECE photos or more, each photo in one, and what is left. COLMAP lets
    models share photos; those that they share with a larger one count as that one's.
    """
    free, pieces = set(order) - set(models[0]), []
    for names in models[1:]:
        own = free & set(names)
        if len(own) >= LEAST_PIECE:
            pieces.append(sorted(own, key=order.index))
            free -= own
    return pieces, sorted(free, key=order.index)


def _camera(model: Any, image: Any, size: tuple[int, int]) -> CalibratedCamera:
    camera = model.cameras[image.camera_id]
    focal, cx, cy, *radial = camera.params
    K = np.array([[focal, 0, cx - HALF_PIXEL], [0, focal, cy - HALF_PIXEL], [0, 0, 1.0]])
    pose = image.cam_from_world().matrix()
    k1, k2 = [*radial, 0.0][:2]
    lens = Lens.brown([k1, k2, 0, 0])
    stem = Path(image.name).stem
    return CalibratedCamera(stem, K, pose[:, :3].copy(), pose[:, 3].copy(), size, lens, image.name)
