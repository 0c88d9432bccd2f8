"""Files of poses against what was written into them: angles, hands, wrists."""

import sys

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from tests.scenes.motion import (
    BODY_PARENTS,
    mano_entry,
    smplh,
    write_interhand,
    write_npz,
    write_sequence,
)
from utils.errors import UserError
from utils.io.files import save_torch
from utils.keypoints import SIDES
from utils.motion.load import load_motion
from utils.motion.options import MotionOptions

RANDOM = np.random.default_rng(0)
FINGERS = {side: RANDOM.normal(0, 0.5, (5, 45)) for side in SIDES}
ROUNDING = 1e-12


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def at_own_rate(path, rate=120, **more):
    """Frames as they stand in the file."""
    return load_motion(path, MotionOptions(fps=rate, **more))


def by_side(frame):
    return {hand["type"]: hand for hand in frame}


def turned(pose) -> np.ndarray:
    """The rotation matrix of a hand's first three numbers."""
    return Rotation.from_rotvec(pose[:3].numpy()).as_matrix()


@pytest.mark.parametrize("columns", [156, 165, 90])
def test_each_layout_gives_both_hands_their_own_fingers(tmp_path, columns):
    poses, more = smplh(5, **FINGERS), {}
    if columns == 165:  # jaw and eyes stand before the hands
        poses = np.concatenate([poses[:, :66], RANDOM.normal(0, 1, (5, 9)), poses[:, 66:]], 1)
    if columns == 90:
        poses, more = None, {"pose_hand": poses[:, 66:]}
    frames = at_own_rate(write_npz(tmp_path / "a.npz", poses, **more))
    assert len(frames) == 5
    for number, frame in enumerate(frames):
        for side, hand in by_side(frame).items():
            assert hand["pose"][3:].numpy() == pytest.approx(FINGERS[side][number], abs=ROUNDING)
            assert hand["flat_hand_mean"] and "trans" not in hand
            assert hand["wrist_from_captured"] and not hand["pose"][:3].any()
        assert set(by_side(frame)) == set(SIDES)


@pytest.mark.parametrize("apart", [False, True], ids=["poses", "parts"])
def test_wrists_of_the_file_are_at_the_end_of_the_arms(tmp_path, apart):
    poses = smplh(4, left=np.zeros(45), right=np.zeros(45))
    poses[:, :66] = RANDOM.normal(0, 0.4, (4, 66))
    more = {"root_orient": poses[:, :3], "pose_body": poses[:, 3:66], "pose_hand": poses[:, 66:]}
    path = write_npz(tmp_path / "a.npz", None if apart else poses, **(more if apart else {}))
    for number, frame in enumerate(at_own_rate(path, wrists="file")):
        for side, joint in (("left", 20), ("right", 21)):
            wanted = world_of(poses[0], joint).T @ world_of(poses[number], joint)
            assert turned(by_side(frame)[side]["pose"]) == pytest.approx(wanted, abs=1e-9)


def world_of(pose: np.ndarray, joint: int) -> np.ndarray:
    """A joint's rotation in the world, up the tree of the body."""
    own = Rotation.from_rotvec(pose[3 * joint : 3 * joint + 3]).as_matrix()
    parent = BODY_PARENTS[joint]
    return own if parent < 0 else world_of(pose, parent) @ own


def test_the_suites_own_sequence_has_wrists_in_the_world(tmp_path):
    poses = smplh(3, **{side: values[:3] for side, values in FINGERS.items()})
    poses[:, 60:63], poses[:, 63:66] = [0.1, 0.2, 0.3], [-0.3, 0.1, 2.0]
    places = RANDOM.normal(0, 1, (3, 3))
    path = write_sequence(tmp_path / "s.npz", poses, left_trans=places)
    for number, frame in enumerate(at_own_rate(path, 30)):
        hands = by_side(frame)
        assert hands["left"]["pose"][:3].tolist() == pytest.approx([0.1, 0.2, 0.3])
        assert hands["right"]["pose"][:3].tolist() == pytest.approx([-0.3, 0.1, 2.0])
        assert hands["left"]["trans"].tolist() == pytest.approx(places[number].tolist())
        assert hands["left"]["pose"][3:].tolist() == pytest.approx(FINGERS["left"][number].tolist())
        assert "wrist_from_captured" not in hands["left"]
    stays = by_side(at_own_rate(path, 30, wrists="captured")[0])["left"]
    assert stays["wrist_from_captured"] and "trans" not in stays and not stays["pose"][:3].any()


def test_a_hand_that_is_not_seen_moves_evenly_between_the_frames_that_show_it(tmp_path):
    poses = smplh(5, right=np.linspace(0, 1, 5)[:, None] * np.ones(45))
    poses[[0, 2, 3], 63:] = np.nan  # as it may be where nothing was seen
    seen, unseen = np.array([0, 1, 0, 0, 1], bool), np.zeros(5, bool)
    path = write_sequence(tmp_path / "s.npz", poses, right_seen=seen, left_seen=unseen)
    frames = at_own_rate(path, 30)
    assert [set(by_side(frame)) for frame in frames] == [{"right"}] * 5
    bent = [float(frame[0]["pose"][10]) for frame in frames]
    assert bent == pytest.approx([0.25, 0.25, 0.5, 0.75, 1.0])


def test_interhands_poses_are_relative_to_the_mean_hand(tmp_path):
    pytest.importorskip("ijson", reason="ijson is not installed")
    poses = RANDOM.normal(0, 0.3, (3, 48))
    frames = {100: {"right": mano_entry(poses[0], (1, 2, 3))}, 106: {}}
    frames |= {112: {"right": mano_entry(poses[1], (1, 2, 4)), "left": mano_entry(poses[2])}}
    path = write_interhand(tmp_path / "m.json", {"3": frames})
    read = at_own_rate(path, 5, wrists="file")  # numbered by sixes: the release of 5 a second
    assert len(read) == 3
    first, last = by_side(read[0]), by_side(read[2])
    assert first["right"]["pose"].tolist() == pytest.approx(poses[0].tolist())
    assert first["right"]["trans"].tolist() == pytest.approx([1, 2, 3])
    assert first["right"]["flat_hand_mean"] is False
    assert last["left"]["pose"].tolist() == pytest.approx(poses[2].tolist())
    stays = by_side(at_own_rate(path, 5)[0])["right"]
    assert stays["wrist_from_captured"] and stays["pose"][3:].tolist() == pytest.approx(
        poses[0, 3:].tolist()
    )


def test_a_capture_of_several_is_chosen(tmp_path):
    pytest.importorskip("ijson", reason="ijson is not installed")
    frame = {1: {"right": mano_entry(np.zeros(48))}}
    other = {1: {"right": mano_entry(np.ones(48))}}
    path = write_interhand(tmp_path / "m.json", {"0": frame, "1": other})
    with pytest.raises(UserError, match=r"several captures; choose one: --capture 0 \| 1"):
        load_motion(path)
    with pytest.raises(UserError, match=r"has no capture 7; it has 0 \(1 frames\), 1"):
        load_motion(path, MotionOptions(capture="7"))
    (read,) = load_motion(path, MotionOptions(capture="1", wrists="file"))
    assert read[0]["pose"].tolist() == [1.0] * 48


def test_without_ijson_it_is_said_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ijson", None)
    path = write_interhand(tmp_path / "m.json", {"0": {1: {"right": mano_entry(np.zeros(48))}}})
    with pytest.raises(UserError, match="pip install ijson"):
        load_motion(path)


def test_poses_of_a_pt_with_wrists_as_captured(tmp_path):
    hand = {"type": "right", "pose": torch.ones(48), "trans": torch.ones(3)}
    save_torch(tmp_path / "a.pt", [[hand]] * 3)
    (frame, _) = load_motion(tmp_path / "a.pt", MotionOptions(frames=slice(1, None)))
    assert frame[0]["pose"].tolist() == [1.0] * 48 and "trans" in frame[0]
    stays = load_motion(tmp_path / "a.pt", MotionOptions(wrists="captured"))[0][0]
    assert stays["pose"].tolist() == [0.0] * 3 + [1.0] * 45
    assert stays["wrist_from_captured"] and "trans" not in stays


def test_fingers_that_never_move_are_noted(tmp_path, capsys):
    load_motion(write_npz(tmp_path / "a.npz", smplh(5)))
    assert "no finger moves" in capsys.readouterr().out
