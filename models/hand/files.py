"""Files of hand models: the shipped open hand and the official MANO pickles, read alike."""

import logging
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from utils.errors import UserError
from utils.io.safe_pickle import load_pickle
from utils.keypoints import SIDES
from utils.paths import ROOT

KINDS = ("auto", "open", "mano")
MODEL_DIR = ROOT / "mano"
# Fingertip vertices of MANO's 778-vertex mesh, thumb to little finger, as manopth and the
# InterHand2.6M code choose them (right and left meshes differ at the middle finger). smplx's own
# table (744, 320, 443, 554, 671) picks neighbours of these, some millimetres away.
MANO_TIPS = {"right": (745, 317, 444, 556, 673), "left": (745, 317, 445, 556, 673)}
MANO_VERTICES = 778
N_SHAPE = 10
# The sides' first shape components agree on x to less than this (sum of metres over vertices)
# only where the left file has the known error.
SAME_SHAPEDIRS = 1.0
LIMIT_QUANTILES = (0.001, 0.999)

log = logging.getLogger(__name__)


@dataclass
class HandData:
    """Arrays of one hand model, float64 and int64, MANO's names and shapes (V verts, F faces).

    hands_limits are the least and greatest axis-angle entries (2, 45), hands_std (45,) the spread
    along hands_components; uv (T, 2) and face_uv (F, 3) are None where the file has none.
    """

    kind: str
    side: str
    v_template: np.ndarray  # (V, 3) metres
    f: np.ndarray  # (F, 3)
    shapedirs: np.ndarray  # (V, 3, 10)
    posedirs: np.ndarray  # (V, 3, 135)
    J_regressor: np.ndarray  # (16, V)
    weights: np.ndarray  # (V, 16)
    kintree_table: np.ndarray  # (2, 16)
    hands_components: np.ndarray  # (45, 45)
    hands_mean: np.ndarray  # (45,)
    hands_std: np.ndarray  # (45,)
    hands_limits: np.ndarray  # (2, 45)
    tips: np.ndarray  # (5,) thumb to little finger
    uv: np.ndarray | None = None
    face_uv: np.ndarray | None = None


def mano_path(side: str, mano_dir: str | Path | None = None) -> Path:
    """Where the official file of a side is looked for."""
    return Path(mano_dir or MODEL_DIR) / f"MANO_{side.upper()}.pkl"


def load_hand_data(side: str, kind: str = "auto", mano_dir: str | Path | None = None) -> HandData:
    """Read one side's model. 'auto' takes the official file where it lies in `mano_dir`.

    Raises UserError for an unknown side or kind, a missing file, or one that is no hand model.
    """
    if side not in SIDES or kind not in KINDS:
        raise UserError(
            f"hand_model: no {kind!r} model of the {side!r} hand; "
            f"kinds are {', '.join(KINDS)}, sides {', '.join(SIDES)}"
        )
    official = mano_path(side, mano_dir)
    if kind == "mano" and not official.is_file():
        raise UserError(
            f"{official} is missing; get it from https://mano.is.tue.mpg.de (licence required) "
            "and put it there, or set hand_model = open"
        )
    if kind == "mano" or (kind == "auto" and official.is_file()):
        log.info("%s hand: %s", side, official)
        return _read_mano(official, side)
    log.info("%s hand: the open model", side)
    return _read_open(MODEL_DIR / f"open_hand_{side}.npz", side)


def _read_open(path: Path, side: str) -> HandData:
    if not path.is_file():
        raise UserError(f"{path} is missing; restore it with: python -m mano.build_open_hand")
    try:
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path}: is no npz archive ({error}); restore it from git") from error
    return _checked(path, side, "open", arrays)


def _read_mano(path: Path, side: str) -> HandData:
    data = _mano_arrays(path, side)
    right = path.with_name("MANO_RIGHT.pkl")
    if side == "left":
        other = _mano_arrays(right, "right").shapedirs if right.is_file() else None
        if left_shapedirs_wrong(data, other):
            data.shapedirs[:, 0] *= -1
            log.warning("%s: its shapedirs are the right hand's (a known error); mirrored", path)
    return data


def _mano_arrays(path: Path, side: str) -> HandData:
    """An official file's arrays, as they are."""
    arrays = load_pickle(path)
    if not isinstance(arrays, dict):
        raise UserError(f"{path}: holds a {type(arrays).__name__}, expected a MANO dictionary")
    shape = np.shape(arrays.get("v_template"))
    if shape and shape[0] != MANO_VERTICES:
        raise UserError(f"{path}: has {shape[0]} vertices, expected MANO's {MANO_VERTICES}")
    return _checked(path, side, "mano", {**arrays, "tips": MANO_TIPS[side]})


def left_shapedirs_wrong(left: HandData, right_shapedirs: np.ndarray | None) -> bool:
    """Whether the left file's shapedirs lack the mirror x -> -x (smplx issue 48).

    With the right file at hand, its x entries tell. Without it, the first component does: it is
    the hand's size, so it must grow the hand along x as it does along z; where it hardly
    changes z, the file is taken for the released one, which has the error.
    """
    if right_shapedirs is not None:
        return bool(np.abs(left.shapedirs[:, 0] - right_shapedirs[:, 0]).sum() < SAME_SHAPEDIRS)
    offsets = left.v_template - left.v_template.mean(0)
    growth = (offsets * left.shapedirs[:, :, 0]).sum(0) / (offsets**2).sum(0)
    return bool(growth[0] * growth[2] <= 0.1 * growth[0] ** 2)


def _checked(path: Path, side: str, kind: str, arrays: dict) -> HandData:
    """Turn a file's arrays into HandData; UserError names what is missing or misshapen."""
    verts = np.shape(arrays.get("v_template"))
    if len(verts) != 2 or np.shape(arrays.get("f"))[1:] != (3,):
        raise UserError(f"{path}: is no MANO hand model: v_template or f is missing")
    shapes = {
        "v_template": (verts[0], 3),
        "f": (len(arrays["f"]), 3),
        "shapedirs": (verts[0], 3, N_SHAPE),
        "posedirs": (verts[0], 3, 135),
        "J_regressor": (16, verts[0]),
        "weights": (verts[0], 16),
        "kintree_table": (2, 16),
        "hands_components": (45, 45),
        "hands_mean": (45,),
        "tips": (5,),
    }
    values = {}
    for name, shape in shapes.items():
        entry = arrays.get(name)
        value = entry.toarray() if sp.issparse(entry) else np.asarray(entry)
        if value.shape != shape or value.dtype.kind not in "fiu":
            held = f"{value.shape} of {value.dtype}" if name in arrays else "nothing"
            raise UserError(f"{path}: {name} is {held}, expected numbers of shape {shape}")
        if not np.isfinite(value).all():
            raise UserError(f"{path}: {name} holds numbers that are not finite")
        values[name] = value.astype(np.float64 if value.dtype.kind == "f" else np.int64)
        if name in ("f", "tips") and not (value.min() >= 0 and value.max() < verts[0]):
            raise UserError(f"{path}: {name} names a vertex that is not among its {verts[0]}")
    values["hands_std"], values["hands_limits"] = _pose_statistics(arrays, values)
    for name in ("uv", "face_uv"):
        if name in arrays:
            dtype = np.float64 if name == "uv" else np.int64
            values[name] = np.asarray(arrays[name], dtype)
    return HandData(kind=kind, side=side, **values)


def _pose_statistics(arrays: dict, values: dict) -> tuple[np.ndarray, np.ndarray]:
    """hands_std and hands_limits: as stored, or from the poses that official files list.

    An official file's hands_coeffs (N, 45) are its training poses along the components. A file
    with neither gets a spread of 1 radian and no limits below pi.
    """
    if "hands_std" in arrays and "hands_limits" in arrays:
        return np.asarray(arrays["hands_std"], float), np.asarray(arrays["hands_limits"], float)
    coefficients = np.asarray(arrays.get("hands_coeffs", ()), float)
    if coefficients.ndim == 2 and coefficients.shape[1] == 45:
        poses = values["hands_mean"] + coefficients @ values["hands_components"]
        return coefficients.std(0), np.quantile(poses, LIMIT_QUANTILES, axis=0)
    return np.ones(45), np.array([[-np.pi], [np.pi]]) * np.ones(45)
