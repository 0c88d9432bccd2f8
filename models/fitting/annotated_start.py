"""Where the refinement of a data set's scan starts: its own MANO parameters, or a fit of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from models.fitting.fit import Fit, judge_hands
from models.fitting.observations import Observations
from models.hand import HandModel, load_hand_models
from models.hand.files import mano_path
from models.hand.fitted import FittedHand
from utils.captures import Capture
from utils.captures.annotation import HandParameters
from utils.errors import UserError
from utils.keypoints import SIDES
from utils.keypoints.views import hands_in

ADVICE = "--set mano_start=keypoints fits the hand model to the joints instead"


def chosen_start(capture: Capture, config: Mapping[str, Any]) -> str:
    """annotation, keypoints or gcn: the config's `mano_start`, with what auto stands for.

    Raises UserError where the annotation is asked for and is not to be had.
    """
    if config["input_mesh_dire"] == "gcn_out":
        return "gcn"
    asked = config["mano_start"]
    if asked not in ("auto", "annotation"):
        return asked
    lack = lack_of_annotation(capture, config)
    if lack is None:
        return "annotation"
    if asked == "annotation":
        raise UserError(f"mano_start = annotation: {lack}; {ADVICE}")
    print(f"note: the start is fitted to keypoints, for {lack}")
    return "keypoints"


def lack_of_annotation(capture: Capture, config: Mapping[str, Any]) -> str | None:
    """What keeps a capture's annotated MANO parameters from being the start; None: nothing."""
    annotation = capture.annotation
    if annotation is None or not annotation.hands:
        return f"{capture.name} has no MANO parameters"
    seen = [side for side in hands_in(annotation.keypoints) if side not in annotation.hands]
    if seen:
        return f"{capture.name}: the MANO parameters of the {seen[0]} hand are null"
    missing = [path for path in map(mano_path, annotation.hands) if not path.is_file()]
    if config["hand_model"] == "open":
        return "MANO parameters need MANO, and hand_model = open"
    if missing:
        return f"MANO parameters need MANO, and {missing[0]} is missing (mano/README.md)"
    return None


def annotated_fit(capture: Capture, options: Mapping[str, Any]) -> Fit:
    """The annotated hands as a fit of ours: judged, with masks judged and made, nothing moved.

    options: the config's section `mano_optim`. The capture must have MANO parameters.
    """
    hands = capture.annotation.hands
    sides = [side for side in SIDES if side in hands]
    models = load_hand_models(sides, "mano", torch.float64)
    fitted = [annotated_hand(models[side], hands[side]) for side in sides]
    points = np.full_like(capture.annotation.keypoints, np.nan)
    annotated = hands_in(capture.annotation.keypoints)
    for hand in fitted:
        row, known = SIDES.index(hand.side), hand.side in annotated
        points[row] = capture.annotation.keypoints[row] if known else hand.keypoints().numpy()
    xy = capture.cameras.project(torch.from_numpy(points.reshape(-1, 3))).numpy()
    xy = xy.reshape(len(capture), *points.shape[:2], 2)
    observations = Observations(
        points=points,
        cameras=capture.cameras,
        xy=xy,
        confidence=np.isfinite(xy).all(-1).astype(float),
        masks=[capture.mask(view) for view in range(len(capture))],
        photo=capture.image,
    )
    return judge_hands(fitted, observations, options)


def annotated_hand(model: HandModel, hand: HandParameters) -> FittedHand:
    """A data set's hand, in whose world the model's metres are units."""
    pose, shape, trans = (
        torch.from_numpy(np.array(values, float))[None]
        for values in (hand.pose, hand.shape, hand.trans)
    )
    return FittedHand(model, pose, shape, trans, torch.ones(1, dtype=torch.float64))
