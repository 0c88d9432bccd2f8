"""Training of the graph network on endless samples; goes on where it was stopped."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from models.gcn.hierarchy import cached_hierarchy
from models.gcn.losses import GcnLoss
from models.gcn.metrics import UNSEEN, measure
from models.gcn.network import Canonical, HandGCN
from models.gcn.samples import Faults, HandSampler, Samples, in_frame
from models.hand import HandModel
from utils.errors import UserError
from utils.io.fingerprint import code_version
from utils.stage.progress import load_progress, save_progress

WARM_UP = 0.02  # of all steps, until the learning rate is full
LAST_LR = 0.001  # of the full learning rate, at the end of the cosine
WEIGHT_DECAY = 1e-4
MOST_GRADIENT = 1.0  # norm
FEW_BATCHES, MANY_BATCHES = 2, 16  # to judge by
STATEFUL = ("network", "average", "optimiser")  # what changes in a step


class Trainer:
    """The network, its average, and everything else that a step changes.

    `settings` is the config's section `gcn`; people (N, 45 + 10) are poses and shapes to train on
    besides those drawn (`models.gcn.annotations`).
    """

    def __init__(
        self,
        model: HandModel,
        settings: Mapping[str, Any],
        seed: int = 0,
        people: Tensor | None = None,
    ) -> None:
        if seed == UNSEEN:
            raise UserError(f"--seed {seed} is kept for the hands that training is judged by")
        self.model, self.settings, self.seed, self.steps_done = model, settings, seed, 0
        self._code = code_version()  # of what runs: files may be replaced while it does
        template, faces = model.v_template.cpu().numpy(), model.faces.cpu().numpy()
        levels = cached_hierarchy(template, faces, settings["levels"])
        torch.manual_seed(seed)
        device = model.v_template.device
        self.network = HandGCN(model, levels, settings).to(device)
        average = get_ema_multi_avg_fn(settings["ema"])
        self.average = AveragedModel(self.network, multi_avg_fn=average)
        self.loss = GcnLoss(model, levels, settings["weights"])
        faults = Faults.of(settings["faults"])
        self.sampler = HandSampler(
            model, settings["batch"], seed, settings["poses"], faults, people
        )
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), betas=(0.9, 0.99), weight_decay=WEIGHT_DECAY, fused=True
        )

    @property
    def finished(self) -> bool:
        """Whether all steps are done."""
        return self.steps_done >= self.settings["steps"]

    def step(self) -> dict[str, Tensor]:
        """One step on the next batch; returns each term of the loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings["lr"] * rate(self.steps_done, self.settings["steps"])
        samples = self._in_frame(self.sampler(self.steps_done))
        self.optimiser.zero_grad()
        loss, terms = self.loss(self._predict(samples), samples)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), MOST_GRADIENT)
        self.optimiser.step()
        self.average.update_parameters(self.network)
        self.steps_done += 1
        return {name: term.detach() for name, term in terms.items()}

    def _predict(self, samples: Samples) -> Canonical:
        return self.network.canonical(samples.points, samples.seen, self.settings["fine"])

    def _in_frame(self, samples: Samples) -> Samples:
        with torch.no_grad():
            return in_frame(samples, self.network.frame(samples.points, samples.seen))

    def judge(self, fast: bool = False) -> dict[str, dict[str, float]]:
        """Errors of the averaged network on unseen hands (`models.gcn.metrics`), mm."""
        batches = FEW_BATCHES if fast else MANY_BATCHES
        return measure(self.average.module, self.model, self.settings["poses"], batches)

    def save(self, path: Path) -> None:
        """Keep all that a later run needs to go on exactly here."""
        states = {name: getattr(self, name).state_dict() for name in STATEFUL}
        facts = {"made_with": self._made_with(), "steps_done": self.steps_done}
        save_progress(path, self._code, {**states, **facts})

    def resume(self, path: Path) -> bool:
        """Go on from what `save` kept; False where there is nothing, or nothing to go on from.

        That is said where the file is damaged or of another version of the code. Raises UserError
        where it was made with other settings.
        """
        kept = load_progress(path, self._code)
        if kept is None:
            return False
        if kept["made_with"] != self._made_with():
            raise UserError(
                f"{path} was made with other settings or another seed; "
                "--overwrite starts afresh, or give another --out_path"
            )
        for name in STATEFUL:
            getattr(self, name).load_state_dict(kept[name])
        self.steps_done = kept["steps_done"]
        return True

    def _made_with(self) -> dict[str, Any]:
        people = self.sampler.people
        count = 0 if people is None else len(people)
        settings, hand = _plain(self.settings), self.model.kind
        return {"settings": settings, "hand": hand, "seed": self.seed, "people": count}


def rate(step: int, steps: int) -> float:
    """The learning rate's factor: a short rise, then half a cosine down to LAST_LR."""
    fall = 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0)))
    return min((step + 1) / (WARM_UP * steps), 1.0) * (LAST_LR + (1 - LAST_LR) * fall)


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _plain(v) if isinstance(v, Mapping) else v for k, v in settings.items()}
