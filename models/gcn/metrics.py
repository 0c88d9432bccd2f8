"""How good the graph network is on hands it has not seen, in millimetres of a natural hand."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from models.gcn.batch_poser import BatchPoser, place_like
from models.gcn.network import HandGCN
from models.gcn.samples import Faults, HandSampler, Samples
from models.hand import HandModel

UNSEEN = 7_777_777  # seed of the hands to judge by; training refuses it
MM = 1000.0
BATCH = 64  # hands at once
CONDITIONS = {
    "clean": Faults(),
    "noise_3mm": Faults(noise=3.0, same_noise=True),
    "missing": Faults(missing=0.3),
    "faulty": Faults(noise=3.0, same_noise=True, gross=0.05, missing=0.15),
}


def measure(
    network: HandGCN, model: HandModel, poses: Mapping[str, float], batches: int
) -> dict[str, dict[str, float]]:
    """Errors of BATCH * `batches` unseen hands in each of CONDITIONS; `poses`: as HandSampler's."""
    poser = BatchPoser(model).to(model.v_template)
    by_condition = {}
    for name, faults in CONDITIONS.items():
        sampler = HandSampler(model, BATCH, UNSEEN, poses, faults)
        with torch.no_grad():
            each = [errors(network, poser, sampler(number)) for number in range(batches)]
        by_condition[name] = {key: sum(e[key] for e in each) / batches for key in each[0]}
    return by_condition


def errors(network: HandGCN, poser: BatchPoser, true: Samples) -> dict[str, float]:
    """Means over hands, mm, at the true size; nothing is aligned afterwards.

    verts: the mesh' vertices; keypoints and posed: the keypoints and vertices of the parameters;
    consistency: the parameters' vertices against the mesh'. Root and scale are those of the given
    keypoints: exact where these are, and part of the error where they are not.
    """
    canonical, frame = network(true.points, true.seen)
    mesh = canonical.verts
    posed, keypoints = poser(canonical.pose, canonical.shape)
    posed, keypoints = place_like(posed, keypoints, mesh)
    mesh, posed, keypoints = (frame.to_world(x) for x in (mesh, posed, keypoints))
    return {
        "verts": _apart(mesh, true.verts),
        "keypoints": _apart(keypoints, true.keypoints),
        "posed": _apart(posed, true.verts),
        "consistency": _apart(posed, mesh),
    }


def _apart(a: Tensor, b: Tensor) -> float:
    return MM * float((a - b).norm(dim=2).mean())
