"""A network that many captures have trained, from which a new capture's training starts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from models.neural.inputs import NetShape, checked_shape
from models.neural.known import KnownPixels
from models.neural.mesh import NeuralMesh
from models.neural.pixels import TrainingPixels
from models.neural.renderer import NET_TYPES, make_network
from models.neural.training import fresh, train
from utils.errors import UserError
from utils.io.checks import FileCheck
from utils.io.files import load_torch, save_torch
from utils.progress_bar import progress
from utils.stage.config import Config

FORMAT = 1


@dataclass(frozen=True)
class Example:
    """One capture to learn from: its mesh and its pixels."""

    mesh: NeuralMesh
    pixels: TrainingPixels


def pretrain(
    examples: list[Example],
    net_type: str,
    shape: NetShape,
    config: Config,
    rounds: int,
    steps: int,
) -> dict[str, Tensor]:
    """Weights from which every example is learned quickly (Reptile; Nichol et al. 2018).

    In each round every example trains the network for `steps` steps from where it is, and it goes
    a part of the way there, from all of it in the first round to none after the last. Features
    and exposures belong to the examples. `config` is the section neural_render.
    """
    seen = [KnownPixels.of(each.pixels, each.mesh, shape) for each in examples]
    device = str(examples[0].mesh.verts.device)
    shared = make_network(net_type, shape).to(device).state_dict()
    learners = [
        fresh(net_type, shape, len(each.mesh.verts), len(each.pixels.centers), device)
        for each in examples
    ]
    for number in progress(range(rounds), "rounds"):
        share = 1 - number / rounds
        for index, (known, learner) in enumerate(zip(seen, learners), 1):
            learner.model.network.load_state_dict(shared)
            title = f"scan {index} of {len(examples)}"
            train(learner, known, config, steps, title)
            learned = learner.model.network.state_dict()
            shared = {name: torch.lerp(shared[name], learned[name], share) for name in shared}
    return {name: value.detach().cpu() for name, value in shared.items()}


def save_pretrained(path: Path, net_type: str, shape: NetShape, weights: dict[str, Tensor]) -> None:
    """Write weights with the network that they are of."""
    shape_facts = {**asdict(shape), "inputs": list(shape.inputs)}
    data = {"format": FORMAT, "net_type": net_type, "shape": shape_facts, "weights": weights}
    save_torch(path, data)


def load_pretrained(name: str, net_type: str, shape: NetShape) -> dict[str, Tensor] | None:
    """The weights in the file `name`; None where it is "".

    Raises UserError where the file is missing, foreign or of another network.
    """
    if not name:
        return None
    path = Path(name)
    data = load_torch(path, "make it with train_renderer.py or set neural_render.pretrained to ''")
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise UserError(f"{path} is no file of train_renderer.py; make it again")
    check = FileCheck(path, "make it again with train_renderer.py")
    check.mapping(data, "the file", ("net_type", "shape", "weights"))
    kept_type = check.choice(data["net_type"], "net_type", NET_TYPES)
    kept_shape = checked_shape(check, data["shape"])
    if (kept_type, kept_shape) != (net_type, shape):
        raise UserError(
            f"{path} holds a {kept_type} network of {kept_shape}, the settings ask for "
            f"{net_type} of {shape}; make it again with these settings"
        )
    return check.tensors(data["weights"], "weights", make_network(net_type, shape).state_dict())
