"""Files of every kind, damaged in many ways: a UserError or a valid value, nothing else."""

import copy
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from models.gcn.hierarchy import build_hierarchy
from models.gcn.network import HandGCN
from models.gcn.weights import load_network, save_network
from models.ham.reconstruction import load_reconstruction
from models.hand.files import load_hand_data
from models.hand.fitted import load_hands
from models.neural.checkpoint import (
    TrainedHands,
    checkpoint_path,
    load_checkpoint,
    save_checkpoint,
)
from models.neural.inputs import NetShape
from models.neural.pretraining import load_pretrained, save_pretrained
from models.neural.renderer import make_network
from models.neural.training import fresh
from tests.scenes.captures import two_hands
from tests.scenes.neural import neural_scene
from tests.scenes.official_mano import made_up_model, write_official
from tests.scenes.small_hands import SETTINGS, small_hand
from utils.errors import UserError
from utils.io.files import load_json, save_json
from utils.io.meshes import save_mesh
from utils.io.scans import load_scan
from utils.keypoints.order import load_keypoints, save_keypoints
from utils.motion.load import load_motion

WAYS = 40  # of each kind of damage
SHAPE = NetShape(("reflection", "visibility"), 8, 2)
Reader = Callable[[], object]
TORCH_FILES = ("hands", "reconstruction", "poses", "checkpoint", "pretrained", "network")


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, tuple[Path, Reader]]:
    """A good file of every kind, and what reads it."""
    folder = tmp_path_factory.mktemp("files")
    scene = neural_scene(views=3, pixels=24)
    scene.write(folder / "data", folder / "out")
    fitted, results = folder / "out" / "mano_out", folder / "out" / "demo_sfs" / "1"
    reconstruction = load_reconstruction(results, "1")
    checkpoint = checkpoint_path(results, "mlp", "1")
    trained = fresh("mlp", SHAPE, len(scene.start.verts), 3, "cpu")
    save_checkpoint(checkpoint, TrainedHands(trained, scene.mesh), reconstruction, {})
    pretrained = folder / "pretrained.pth"
    save_pretrained(pretrained, "mlp", SHAPE, make_network("mlp", SHAPE).state_dict())
    model, network = small_hand(), folder / "gcn.pt"
    levels = build_hierarchy(
        model.v_template.numpy().astype(float), model.faces.numpy(), SETTINGS["levels"]
    )
    save_network(network, HandGCN(model, levels, SETTINGS), model)
    points, facts = folder / "keypoints.xyz", folder / "facts.json"
    save_keypoints(points, np.array(two_hands(np.random.default_rng(0))))
    save_json(facts, {"a": [1.5, None, "text"], "b": {"c": True}})
    write_official(folder / "MANO_RIGHT.pkl", made_up_model())
    ply = results / "true.ply"
    save_mesh(ply, reconstruction.verts, reconstruction.faces)
    return {
        "hands": (fitted / "1.pt", lambda: load_hands(fitted, "1")),
        "hands' mesh": (fitted / "1.obj", lambda: load_hands(fitted, "1")),
        "reconstruction": (results / "1.pt", lambda: load_reconstruction(results, "1")),
        "poses": (fitted / "1.pt", lambda: load_motion(fitted / "1.pt")),
        "checkpoint": (checkpoint, lambda: load_checkpoint(checkpoint, "mlp", reconstruction)),
        "pretrained": (pretrained, lambda: load_pretrained(str(pretrained), "mlp", SHAPE)),
        "network": (network, lambda: load_network(model, network)),
        "keypoints": (points, lambda: load_keypoints(points)),
        "json": (facts, lambda: load_json(facts)),
        "hand model": (folder / "MANO_RIGHT.pkl", lambda: load_hand_data("right", "mano", folder)),
        "true mesh": (ply, lambda: load_scan(ply)),
    }


def damaged_bytes(good: bytes, rng: np.random.Generator) -> bytes:
    """Cut, flipped, emptied, repeated or with garbage in between."""
    data, at = np.frombuffer(good, np.uint8).copy(), int(rng.integers(len(good)))
    way = rng.integers(6)
    if way == 0:
        return good[:at]
    if way == 1:
        for place in rng.integers(0, len(data), 1 + len(data) // 2000):
            data[place] ^= rng.integers(1, 256, dtype=np.uint8)
    elif way == 2:
        data[at : at + int(rng.integers(1, 400))] = 0
    elif way == 3:
        return good[:at] + rng.bytes(50) + good[at:]
    elif way == 4:
        return good[:at] + good[at + int(rng.integers(1, 200)) :]
    else:
        head = rng.integers(0, min(200, len(data)), 3)  # where the headers are
        data[head] = rng.integers(0, 256, 3, dtype=np.uint8)
    return data.tobytes()


def places(value: object, path: tuple = ()) -> list[tuple]:
    """Paths to everything in dicts and lists."""
    inside = value.items() if isinstance(value, dict) else ()
    inside = enumerate(value) if isinstance(value, list | tuple) else inside
    return [path] + [each for key, part in inside for each in places(part, (*path, key))]


def with_other(value: object, path: tuple, change: Callable[[object], object]) -> object:
    """A copy in which the value at `path` is changed."""
    if not path:
        return change(value)
    parts = dict(value) if isinstance(value, dict) else list(value)
    parts[path[0]] = with_other(parts[path[0]], path[1:], change)
    return parts


def other_value(value: object, rng: np.random.Generator) -> object:
    """Something else than what a file should hold."""
    others: list[object] = [None, "text", -1, 10**400, float("nan"), [], {}, [1, [2]], True]
    if isinstance(value, torch.Tensor):
        real = value.float()
        others += [
            value.tolist(), real.to_sparse(), value.flatten()[:-1], value[..., None, None],
            torch.full_like(real, torch.nan), torch.full_like(real, torch.inf), real * 1e30,
            real - 1e9, torch.zeros_like(value), real.to(torch.complex64), value.bool(),
            value.long() + 10**6, value.flatten()[:0], value.to("meta"),
            torch.quantize_per_tensor(real, 0.1, 0, torch.qint8),
            torch.nested.nested_tensor([real]),
            real.expand(1000, *real.shape), torch.zeros(()).expand(1 << 40),
        ]  # fmt: skip
    return others[rng.integers(len(others))]


def read(path: Path, reader: Reader, content: bytes) -> None:
    """Read a damaged file; the good one comes back afterwards."""
    good = path.read_bytes()
    try:
        path.write_bytes(content)
        reader()
    except UserError as error:
        assert len(str(error)) < 1500 and path.parent.name in str(error)
    finally:
        path.write_bytes(good)


@pytest.mark.parametrize(
    "kind", [*TORCH_FILES, "hands' mesh", "keypoints", "json", "hand model", "true mesh"]
)
def test_damaged_bytes(files, kind):
    path, reader = files[kind]
    reader()  # the good one
    rng = np.random.default_rng(0)
    for _ in range(WAYS):
        read(path, reader, damaged_bytes(path.read_bytes(), rng))


@pytest.mark.filterwarnings("ignore")  # of torch: what is quantised or nested is on its way out
@pytest.mark.parametrize("kind", TORCH_FILES)
def test_damaged_values(files, kind):
    path, reader = files[kind]
    rng = np.random.default_rng(1)
    good = torch.load(path, weights_only=True)
    known = places(good)
    for _ in range(2 * WAYS):
        place = known[rng.integers(len(known))]
        content = io.BytesIO()
        changed = with_other(copy.deepcopy(good), place, lambda value: other_value(value, rng))
        torch.save(changed, content)
        read(path, reader, content.getvalue())
