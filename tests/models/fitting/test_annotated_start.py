"""A data set's MANO parameters as the start, held against smplx; and which start is taken."""

from dataclasses import replace

import numpy as np
import pytest
import smplx
import torch

from models.fitting.annotated_start import annotated_fit, annotated_hand, chosen_start
from models.hand import load_hand_model
from tests.scenes.captures import two_hands
from tests.scenes.official_mano import made_up_model, write_official
from utils.captures import load_capture
from utils.captures.annotation import Annotation, HandParameters
from utils.errors import UserError
from utils.stage.config import load_config

HANDS = two_hands(np.random.default_rng(0))
HANDS_OF = ("left", "right")


@pytest.fixture
def mano(tmp_path, monkeypatch):
    """A folder of MANO's files, with made-up numbers."""
    folder = tmp_path / "mano"
    folder.mkdir()
    for side in ("left", "right"):
        write_official(folder / f"MANO_{side.upper()}.pkl", made_up_model(0, side))
    monkeypatch.setattr("models.hand.files.MODEL_DIR", folder)
    return folder


def parameters(seed: int) -> HandParameters:
    rng = np.random.default_rng(seed)
    return HandParameters(rng.normal(0, 0.2, 48), rng.normal(0, 1, 10), rng.normal(0, 0.05, 3))


@pytest.fixture
def capture(capture_dir):
    """The tiny capture with joints and MANO parameters of both hands."""
    hands = {"left": parameters(1), "right": parameters(2)}
    return replace(load_capture(capture_dir, "1"), annotation=Annotation("frame 7", HANDS, hands))


def test_an_annotated_hand_is_smplx_s(mano):
    """As the data set's authors call it: use_pca=False, flat_hand_mean=False, transl=trans."""
    hand = parameters(0)
    model = load_hand_model("right", "mano", dtype=torch.float64)
    pose, shape, trans = (torch.from_numpy(x)[None] for x in vars(hand).values())
    reference = smplx.MANO(
        "",
        is_rhand=True,
        data_struct=_struct(model),
        use_pca=False,
        flat_hand_mean=False,
        dtype=torch.float64,
    )
    want = reference(betas=shape, global_orient=pose[:, :3], hand_pose=pose[:, 3:], transl=trans)
    got = annotated_hand(model, hand)
    assert torch.allclose(got.verts(), want.vertices[0], atol=1e-12)
    assert float(got.scale) == 1


def _struct(model):
    from smplx.utils import Struct

    from models.hand.files import HandData, load_hand_data

    data = load_hand_data(model.side, "mano")
    return Struct(**{name: getattr(data, name) for name in HandData.__annotations__})


def test_annotated_hands_are_a_fit_that_moves_nothing(mano, capture):
    options = load_config().mano_optim
    models = {side: load_hand_model(side, "mano", dtype=torch.float64) for side in HANDS_OF}
    hands = capture.annotation.hands
    exact = [annotated_hand(models[side], hands[side]).keypoints().numpy() for side in HANDS_OF]
    capture = replace(capture, annotation=replace(capture.annotation, keypoints=np.stack(exact)))
    fit = annotated_fit(capture, options)
    assert [hand.side for hand in fit.hands] == ["left", "right"] and not fit.corrected
    for hand in fit.hands:
        assert np.allclose(hand.pose[0], hands[hand.side].pose, atol=1e-12)
        assert np.allclose(hand.trans[0], hands[hand.side].trans, atol=1e-9)
    assert fit.metrics["stages"][-1]["keypoint_mm"] < 1e-3
    assert len(fit.verdicts) == len(capture)


def config(**settings: str):
    return load_config(overrides=[f"{key}={value}" for key, value in settings.items()])


def refused(capture, **settings: str) -> str:
    with pytest.raises(UserError) as error:
        chosen_start(capture, config(mano_start="annotation", **settings))
    assert "--set mano_start=keypoints" in str(error.value)
    return str(error.value)


def test_auto_takes_the_annotation_where_it_can(mano, capture, capsys):
    assert chosen_start(capture, config()) == "annotation"
    (mano / "MANO_LEFT.pkl").unlink()
    assert chosen_start(capture, config()) == "keypoints"
    assert "MANO_LEFT.pkl is missing" in capsys.readouterr().out


def test_what_the_config_says_is_taken(mano, capture):
    for start in ("annotation", "keypoints", "gcn"):
        assert chosen_start(capture, config(mano_start=start)) == start
    assert chosen_start(capture, config(input_mesh_dire="gcn_out")) == "gcn"


def test_why_there_is_no_annotation_to_start_from(mano, capture):
    without = replace(capture, annotation=replace(capture.annotation, hands={}))
    assert "has no MANO parameters" in refused(without)
    right = {"right": capture.annotation.hands["right"]}
    one = replace(capture, annotation=replace(capture.annotation, hands=right))
    assert "the MANO parameters of the left hand are null" in refused(one)
    assert "hand_model = open" in refused(capture, hand_model="open")
    (mano / "MANO_RIGHT.pkl").unlink()
    assert "MANO_RIGHT.pkl is missing" in refused(capture)
