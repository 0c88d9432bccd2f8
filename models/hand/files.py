"""Files of hand models: the shipped open hand and the official MANO pickles, read alike."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from utils.errors import UserError
from utils.io.decoding import decoding
from utils.io.safe_pickle import load_pickle
from utils.keypoints import SIDES
from utils.paths import ROOT

KINDS = ("auto", "open", "mano")
MODEL_DIR = ROOT / "mano"
# Where below the folder, and under which names, official files are looked for: as released, and as
# others unpack and convert them.
MANO_FOLDERS = ("", "models", "mano_v1_2/models")
MANO_NAMES = ("MANO_{SIDE}.pkl", "mano_{side}.pkl", "MANO_{SIDE}.npz", "mano_{side}.npz")
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
    path: Path
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


def mano_candidates(side: str, mano_dir: str | Path | None = None) -> list[Path]:
    """Where the official file of a side may be, in the order in which it is looked for."""
    folder = Path(mano_dir or MODEL_DIR)
    names = [name.format(side=side, SIDE=side.upper()) for name in MANO_NAMES]
    return [folder / below / name for below in MANO_FOLDERS for name in names]


def mano_path(side: str, mano_dir: str | Path | None = None) -> Path:
    """The official file of a side, or where it should be put where there is none."""
    candidates = mano_candidates(side, mano_dir)
    return next((path for path in candidates if path.is_file()), candidates[0])


def open_path(side: str) -> Path:
    """The shipped file of a side."""
    return MODEL_DIR / f"open_hand_{side}.npz"


def model_files(kind: str, mano_dir: str | Path | None = None) -> list[Path]:
    """All files that decide which model a stage uses, absent ones included, for its record."""
    official = [path for side in SIDES for path in mano_candidates(side, mano_dir)]
    shipped = [open_path(side) for side in SIDES]
    return {"open": shipped, "mano": official}.get(kind, official + shipped)


def check_one_kind(
    kind: str, sides: Iterable[str] = SIDES, mano_dir: str | Path | None = None
) -> None:
    """Raise UserError where `sides` would be hands of different models.

    With 'auto', the official file of one side may be there, and that of the other not.
    """
    paths = {side: mano_path(side, mano_dir) for side in sides}
    absent = [path for path in paths.values() if not path.is_file()]
    if kind == "auto" and 0 < len(absent) < len(paths):
        found = next(path for path in paths.values() if path.is_file())
        raise UserError(
            f"hand_model = auto: {found} is the official file of one side only; put {absent[0]} "
            "there, too, or --set hand_model=open"
        )


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
        return _read_mano(official, side, mano_dir)
    return _read_open(open_path(side), side)


def _read_open(path: Path, side: str) -> HandData:
    if not path.is_file():
        raise UserError(f"{path} is missing; restore it with: python -m mano.build_open_hand")
    return _checked(path, side, "open", _npz_arrays(path, "restore it from git"))


def _npz_arrays(path: Path, remedy: str) -> dict[str, np.ndarray]:
    with decoding(path, "no npz archive of a hand model", remedy), np.load(path) as file:
        return {name: file[name] for name in file.files}


def _read_mano(path: Path, side: str, mano_dir: str | Path | None) -> HandData:
    data = _mano_arrays(path, side)
    right = mano_path("right", mano_dir)
    if side == "left":
        other = _mano_arrays(right, "right").shapedirs if right.is_file() else None
        if left_shapedirs_wrong(data, other):
            data.shapedirs[:, 0] *= -1
            log.warning("%s: its shapedirs are the right hand's (a known error); mirrored", path)
    return data


def _mano_arrays(path: Path, side: str) -> HandData:
    """An official file's arrays, as they are."""
    if path.suffix == ".npz":
        arrays = _npz_arrays(path, "save its arrays as plain ones (J_regressor.toarray())")
    else:
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
    with decoding(path, "no MANO hand model", "download it again from its official source"):
        return _checked_arrays(path, side, kind, arrays)


def _checked_arrays(path: Path, side: str, kind: str, arrays: dict) -> HandData:
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
        small = sp.issparse(entry) and entry.shape == shape  # else it may be of any size
        value = entry.toarray() if small else np.asarray(entry)
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
    return HandData(kind=kind, side=side, path=path, **values)


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
