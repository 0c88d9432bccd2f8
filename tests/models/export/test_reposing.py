"""Poses of other programs' files on refined hands: angles, palms, wrists, and films of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from models.export.frames import FrameFolder, film, motion_digest
from models.export.reposing import Reposer, repose
from models.hand.fitted import FittedHand
from tests.scenes.export import refined_hands
from tests.scenes.motion import mano_entry, smplh, write_interhand, write_npz, write_sequence
from utils.keypoints import SIDES
from utils.motion.load import load_motion
from utils.motion.options import MotionOptions

CLOSING = {"left": -1, "right": 1}  # about z, of the index's first joint in MANO's frames
ROUNDING = 1e-9  # metres


def index_bent(side: str) -> np.ndarray:
    """Whole rotations (45,) of a flat hand whose index is bent by 90 degrees at its first joint."""
    fingers = np.zeros(45)
    fingers[2] = CLOSING[side] * np.pi / 2
    return fingers


def plain_hands(levels: int = 0):
    """Hands without bumps, so that they are their models' own."""
    found = refined_hands(levels)
    hands = [FittedHand.of_dict(hand) for hand in found.hands]
    finer = [hand.model.subdivide(levels) for hand in hands]
    verts = [each.matrix @ hand.verts().numpy() for each, hand in zip(finer, hands)]
    return replace(found, verts=np.concatenate(verts)), hands


def model_in(hand: FittedHand, fingers: np.ndarray) -> np.ndarray:
    """Vertices of the model itself with whole finger rotations (45,), wrist as captured."""
    own = torch.from_numpy(fingers)[None] - hand.model.hands_mean
    pose = torch.cat([hand.pose[:, :3], own], 1)
    return replace(hand, pose=pose).verts().numpy()


@pytest.mark.parametrize("form", ["amass", "sequence", "interhand"])
def test_a_finger_bent_by_90_degrees_in_a_file_is_our_own_model_so_bent(
    tmp_path, monkeypatch, form
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found, hands = plain_hands()
    bent = {side: index_bent(side) for side in SIDES}
    if form == "amass":
        path = write_npz(tmp_path / "a.npz", smplh(2, **bent))
    elif form == "sequence":
        path = write_sequence(tmp_path / "s.npz", smplh(2, **bent))
    else:
        pytest.importorskip("ijson", reason="ijson is not installed")
        relative = {h.side: bent[h.side] - h.model.hands_mean.numpy() for h in hands}
        frame = {s: mano_entry(np.concatenate([np.ones(3), relative[s]])) for s in SIDES}
        path = write_interhand(tmp_path / "m.json", {"0": {7: frame}})
    (frame, *_) = load_motion(path, MotionOptions(wrists="captured"))
    moved = repose(found, frame)
    wanted = np.concatenate([model_in(hand, bent[hand.side]) for hand in hands])
    assert np.abs(moved - wanted).max() < ROUNDING


@pytest.mark.parametrize("side", SIDES)
def test_it_bends_towards_the_palm(side):
    # The open hand's frames are MANO's: at rest the palm looks along -y, fingers along x.
    hand = next(h for h in plain_hands()[1] if h.side == side)
    straight, bent = (
        replace(hand, pose=torch.cat([torch.zeros(1, 3).double(), own[None]], 1)).keypoints()
        for own in (
            -hand.model.hands_mean,
            torch.from_numpy(index_bent(side)) - hand.model.hands_mean,
        )
    )
    before, after = ((points[6] - points[5]).numpy() for points in (straight, bent))
    cosine = before @ after / np.linalg.norm(before) / np.linalg.norm(after)
    assert np.degrees(np.arccos(cosine)) == pytest.approx(
        90, abs=4
    )  # the bone is not quite along x
    assert after[1] < -0.9 * np.linalg.norm(after)


def test_wrists_of_a_body_turn_from_how_they_are_captured(tmp_path):
    found, hands = plain_hands(1)
    poses = smplh(2, **{side: index_bent(side) for side in SIDES})
    poses[0, :3], poses[1, :3] = [0.3, 0.1, -0.2], [0.5, -0.4, 0.9]  # the whole body turns
    frames = load_motion(write_npz(tmp_path / "a.npz", poses), MotionOptions(120, wrists="file"))
    reposer = Reposer(found)
    first, second = (reposer.hands(frame) for frame in frames)
    turn = Rotation.from_rotvec(poses[0, :3]).inv() * Rotation.from_rotvec(poses[1, :3])
    for hand in hands:
        captured = Rotation.from_rotvec(hand.pose[0, :3].numpy())
        start, end = (Rotation.from_rotvec(h[hand.side].pose[0, :3]) for h in (first, second))
        assert start.as_matrix() == pytest.approx(captured.as_matrix())
        assert end.as_matrix() == pytest.approx((captured * turn).as_matrix())
        assert second[hand.side].trans.tolist() == hand.trans.tolist()


def test_a_sequence_of_the_suite_stands_where_it_says(tmp_path):
    found, hands = plain_hands()
    poses, places = smplh(2), {}
    for hand in hands:
        first = {"left": 66, "right": 111}[hand.side]
        poses[:, first : first + 45] = (hand.pose[0, 3:] + hand.model.hands_mean).numpy()
        wrist = {"left": 60, "right": 63}[hand.side]
        poses[:, wrist : wrist + 3] = hand.pose[0, :3].numpy()
        places[f"{hand.side}_trans"] = np.repeat(hand.trans.numpy(), 2, axis=0)
    frames = load_motion(write_sequence(tmp_path / "s.npz", poses, **places))
    assert np.abs(repose(found, frames[0]) - found.verts).max() < ROUNDING


def test_a_hand_that_a_file_lacks_stays(tmp_path):
    found, hands = plain_hands()
    unseen = np.zeros(2, bool)
    path = write_sequence(tmp_path / "s.npz", smplh(2), left_seen=unseen)
    moved, half = repose(found, load_motion(path)[0]), len(found.verts) // 2
    assert (moved[:half] == found.verts[:half]).all()
    assert np.abs(moved[half:] - found.verts[half:]).max() > 0.01
    assert hands[0].side == "left"


def shown(files, frames, drawn: list[int]):
    """Make the film; each picture that is drawn is counted."""

    def draw(verts: np.ndarray) -> np.ndarray:
        drawn.append(len(verts))
        return np.full((4, 4, 3), len(drawn) / 10, np.float32)

    found = refined_hands(0)
    return film(files, Reposer(found), frames, draw, found)


def test_an_interrupted_film_goes_on_and_another_motion_starts_again(tmp_path, capsys):
    hand = {"type": "left", "pose": torch.zeros(48)}
    frames, drawn = [[hand | {"trans": torch.full((3,), k / 10)}] for k in range(4)], []
    made_with = {"poses": motion_digest(frames)}
    first = shown(FrameFolder(tmp_path, 4, made_with), frames, drawn)
    next(first), next(first)
    first.close()
    assert sorted(p.name for p in tmp_path.glob("0*")) == [
        "000.obj",
        "000.png",
        "001.obj",
        "001.png",
    ]
    pictures = list(shown(FrameFolder(tmp_path, 4, made_with), frames, drawn))
    assert len(drawn) == 4 and "2 of 4 frames are there already" in capsys.readouterr().out
    assert [round(float(p.mean()), 1) for p in pictures] == [0.1, 0.2, 0.3, 0.4]
    (tmp_path / "notes.txt").write_text("mine")
    other = {"poses": motion_digest(frames[:2])}
    list(shown(FrameFolder(tmp_path, 2, other), frames[:2], drawn))
    assert len(drawn) == 6
    names = ["000.obj", "000.png", "001.obj", "001.png", "notes.txt"]
    assert sorted(p.name for p in tmp_path.iterdir() if p.name[0] != ".") == names


def test_numbers_of_long_films_sort(tmp_path):
    files = FrameFolder(tmp_path, 1001, {})
    assert files.path(7, "png").name == "0007.png" and files.path(1000, "png").name == "1000.png"
