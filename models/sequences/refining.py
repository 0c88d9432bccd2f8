"""Detail of a whole sequence: skin and light from a few frames, then frame after frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.ham.reconstruction import load_reconstruction
from models.ham.results import HamResult, save_results
from models.ham.state import check_hands, subdivided_size
from models.ham.verdict import judge_refinement
from models.hand.fitted import FittedHand, HandsMesh, hand_slices, load_hands
from models.sequences.opened import OpenedFrame, OpenedSequence
from models.sequences.resting import RestingMesh
from models.sequences.shared import choose_key_frames
from models.sequences.skin import RefinedFrame, SharedSkin, shared_skin
from models.sequences.tracking import Offsets, Tracker
from utils.captures import Capture
from utils.io.files import load_json
from utils.keypoints import KEYPOINTS, SIDES
from utils.memory import release_memory
from utils.stage.config import Config
from utils.stage.frame_store import FrameStore
from utils.stage.sequence import attempt

STAGE = "mesh_sfs_optim"
Refine = Callable[[Capture, HandsMesh, Config, str], HamResult]  # from scratch


class SequenceRefiner:
    """Refines the frames of an opened sequence; what is done is kept in `store`.

    refine: how a frame is refined from scratch (`mesh_sfs_optim.refine_mesh`).
    """

    def __init__(
        self,
        opened: OpenedSequence,
        config: Config,
        device: str,
        store: FrameStore,
        refine: Refine,
    ) -> None:
        self.opened, self.config, self.device = opened, config, device
        self.store, self.refine = store, refine
        self.folder = config.input_mesh_dire
        self.failed: list[str] = list(opened.failed)
        self._meshes: dict[str, RestingMesh] = {}

    def hands(self, frame: OpenedFrame) -> HandsMesh:
        """The fitted hands of a frame."""
        return load_hands(frame.job.out_path / self.folder, frame.name)

    def mesh(self, hand: FittedHand) -> RestingMesh:
        """The fine mesh of a side, made once."""
        if hand.side not in self._meshes:
            faces, least = hand.model.faces.cpu().numpy(), self.config.ham_levels[-1].verts
            levels, _ = subdivided_size(len(hand.model.v_template), faces, least)
            self._meshes[hand.side] = RestingMesh(hand.model, levels)
        return self._meshes[hand.side]

    def run(self) -> dict[str, dict[str, Any] | None]:
        """Refine and write all frames; what is to be said of each by name, None: it failed."""
        skin = SharedSkin(**self.store.part("shared", lambda: self._shared().as_dict()))
        self._make_meshes(skin)
        tracker = Tracker(self._meshes, skin, self.config, self.device)
        written: dict[str, dict[str, Any] | None] = dict.fromkeys(self.opened.failed)
        before: Offsets | str = {}  # of the frame before, or the folder that holds it
        for number, frame in enumerate(self.opened.frames, 1):
            title = f"frame {frame.name} ({number} of {len(self.opened.frames)})"
            found: Offsets = {}

            def make(frame=frame, title=title, before=before, found=found) -> dict[str, Any]:
                start = before if isinstance(before, dict) else self._kept_offsets(before)
                facts, offsets = self._one_frame(tracker, frame, start, title)
                found.update(offsets)
                return facts

            def kept(frame=frame, make=make) -> dict[str, Any]:
                return self.store.part(frame.name, make)

            written[frame.name] = attempt(frame.job, STAGE, kept)
            if written[frame.name] is not None:
                before = found or frame.name
        return written

    def _one_frame(
        self, tracker: Tracker, frame: OpenedFrame, before: Mapping[str, torch.Tensor], title: str
    ) -> tuple[dict[str, Any], Offsets]:
        hands, config = self.hands(frame), self.config
        tracked = tracker.track(frame.capture, hands, frame.views, before, title)
        result, folder = tracked.result, self.result_folder(frame.name)
        faces = len(result.state.faces)
        judge_refinement(result.reports, faces).enforce(frame.job.force)
        release_memory()
        outputs = save_results(
            folder, frame.name, hands, result, config, tracked.rests, curve=False
        )
        fitted = load_json(folder / "metrics.json")["fitted_views"]
        verdict = judge_refinement(result.reports, faces, fitted["psnr"])
        report = result.reports[0]
        print(f"{title}: {report.summary()}", flush=True)
        facts = {
            "outputs": [str(path) for path in outputs],
            "verdict": verdict.as_dict(),
            **fitted,
        }
        return facts, tracked.offsets

    def result_folder(self, name: str) -> Path:
        """Where a frame's files go."""
        return self.opened.frames[0].job.out_path / self.config.out_mesh_dire / name

    def _kept_offsets(self, name: str) -> Offsets:
        """The offsets of a frame that an earlier run wrote."""
        reconstruction = load_reconstruction(self.result_folder(name), name)
        hands = [FittedHand.of_dict(hand) for hand in reconstruction.hands]
        verts = torch.from_numpy(reconstruction.verts)
        return {
            hand.side: self.mesh(hand).offsets(hand, verts[part])
            for hand, part in zip(hands, hand_slices(len(verts), len(hands)))
        }

    def _make_meshes(self, skin: SharedSkin) -> None:
        for frame in self.opened.frames:
            if set(self._meshes) == set(skin.albedo):
                return
            for hand in self.hands(frame).parameters:
                if hand["type"] not in self._meshes:
                    self.mesh(FittedHand.of_dict(hand))

    def _shared(self) -> SharedSkin:
        """Albedo, light and mean detail, from a few frames that are refined from scratch."""
        frames = self.opened.frames
        points = np.stack([_keypoints(self.hands(frame)) for frame in frames])
        chosen = choose_key_frames(points, self.config.sequence.key_frames)
        names = ", ".join(frames[k].name for k in chosen)
        print(f"light, skin and mean detail are solved on frames {names}", flush=True)
        refined, announced = [], False
        for k in chosen:
            frame, hands = frames[k], self.hands(frames[k])
            if not announced:
                check_hands(hands)
                announced = True
            print(f"frame {frame.name}, from scratch")
            result = attempt(
                frame.job,
                STAGE,
                lambda f=frame, h=hands: self.refine(f.capture, h, self.config, self.device),
            )
            if result is not None:
                fitted = [FittedHand.of_dict(hand) for hand in hands.parameters]
                for hand in fitted:
                    self.mesh(hand)
                refined.append(RefinedFrame(fitted, result, frame.views))
        return shared_skin(refined, self._meshes, len(self.opened.rig.names))


def _keypoints(hands: HandsMesh) -> np.ndarray:
    """Keypoints (2, 21, 3) of fitted hands; nan for one that is not there."""
    points = np.full((2, KEYPOINTS, 3), np.nan)
    for hand in hands.parameters:
        points[SIDES.index(hand["type"])] = FittedHand.of_dict(hand).keypoints().numpy()
    return points
