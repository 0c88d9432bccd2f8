import logging
import re

import numpy as np
import pytest

from models.hand import load_hand_model, load_hand_models
from models.hand.files import check_one_kind, load_hand_data, model_files
from tests.scenes.official_mano import dump, made_up_model, write_official
from utils.errors import UserError


def with_known_error(left: dict) -> dict:
    """The left model as released: its shapedirs are the right hand's."""
    return left | {"shapedirs": left["shapedirs"] * np.array([-1.0, 1, 1])[:, None]}


def test_official_file_is_read_with_all_its_types(tmp_path):
    model = made_up_model()
    write_official(tmp_path / "MANO_RIGHT.pkl", model)
    data = load_hand_data("right", "mano", tmp_path)
    assert (data.kind, data.side) == ("mano", "right")
    assert data.f.dtype == np.int64 and data.v_template.dtype == np.float64
    np.testing.assert_array_equal(data.J_regressor, model["J_regressor"].toarray())
    np.testing.assert_array_equal(data.shapedirs, model["shapedirs"])
    np.testing.assert_array_equal(data.tips, [745, 317, 444, 556, 673])
    np.testing.assert_allclose(data.hands_std, model["hands_coeffs"].std(0))
    poses = model["hands_mean"] + model["hands_coeffs"] @ model["hands_components"]
    assert ((data.hands_limits[0] >= poses.min(0)) & (data.hands_limits[1] <= poses.max(0))).all()


def test_auto_takes_the_official_file_if_it_is_there(tmp_path):
    assert load_hand_data("right", "auto", tmp_path).kind == "open"
    write_official(tmp_path / "MANO_RIGHT.pkl", made_up_model())
    assert load_hand_data("right", "auto", tmp_path).kind == "mano"
    assert load_hand_data("right", "open", tmp_path).kind == "open"
    assert load_hand_data("left", "auto", tmp_path).kind == "open"


@pytest.mark.parametrize("with_right", [True, False])
@pytest.mark.parametrize("has_error", [True, False])
def test_left_shapedirs_error_is_mended_and_logged(tmp_path, caplog, with_right, has_error):
    left = made_up_model(side="left")
    if with_right:
        write_official(tmp_path / "MANO_RIGHT.pkl", made_up_model(side="right"))
    path = tmp_path / "MANO_LEFT.pkl"
    write_official(path, with_known_error(left) if has_error else left)
    with caplog.at_level(logging.WARNING):
        data = load_hand_data("left", "mano", tmp_path)
    np.testing.assert_array_equal(data.shapedirs, left["shapedirs"])
    assert (str(path) in caplog.text) == has_error


def test_lone_left_file_that_does_not_tell_is_taken_for_the_released_one(tmp_path):
    left = made_up_model(side="left")
    left["shapedirs"][:, 2, 0] = 0
    write_official(tmp_path / "MANO_LEFT.pkl", with_known_error(left))
    data = load_hand_data("left", "mano", tmp_path)
    np.testing.assert_array_equal(data.shapedirs, left["shapedirs"])


def test_broken_right_file_is_named_when_the_left_one_is_compared(tmp_path):
    write_official(tmp_path / "MANO_LEFT.pkl", made_up_model(side="left"))
    dump([1, 2], tmp_path / "MANO_RIGHT.pkl")
    with pytest.raises(UserError, match=r"MANO_RIGHT\.pkl: holds a list"):
        load_hand_data("left", "mano", tmp_path)


def test_missing_official_file_says_where_to_get_it(tmp_path):
    with pytest.raises(UserError, match=r"MANO_LEFT\.pkl is missing.*mano\.is\.tue\.mpg\.de"):
        load_hand_model("left", "mano", tmp_path)


@pytest.mark.parametrize("side, kind", [("both", "open"), ("left", "smpl")])
def test_unknown_names_list_the_known_ones(side, kind):
    with pytest.raises(UserError, match=r"auto, open, mano.*left, right"):
        load_hand_model(side, kind)


def broken_models():
    model = made_up_model()
    yield "a list", [1, 2], "holds a list"
    yield "another model", {"vertices": np.zeros((10, 3))}, "v_template or f is missing"
    for name in ("weights", "J_regressor", "hands_mean"):
        yield f"no {name}", {k: v for k, v in model.items() if k != name}, f"{name} is nothing"
    yield "shape", model | {"shapedirs": np.zeros((778, 3, 4))}, r"shapedirs is \(778, 3, 4\)"
    yield "strings", model | {"hands_mean": np.array(["a"] * 45)}, "hands_mean is"
    smaller = {"v_template": np.zeros((700, 3)), "f": model["f"] % 700}
    yield "another mesh", model | smaller, "has 700 vertices, expected MANO's 778"
    yield "faces", model | {"f": model["f"] + np.uint32(5)}, "f names a vertex that is not among"
    yield "nan", model | {"weights": np.full((778, 16), np.nan)}, "weights holds numbers that are"


@pytest.mark.parametrize("name, content, message", list(broken_models()))
def test_files_that_are_no_hand_model_are_named(tmp_path, name, content, message):
    path = tmp_path / "MANO_RIGHT.pkl"
    dump(content, path)
    with pytest.raises(UserError, match=message) as error:
        load_hand_model("right", "mano", tmp_path)
    assert re.search(re.escape(str(path)), str(error.value))


def test_broken_open_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("models.hand.files.MODEL_DIR", tmp_path)
    with pytest.raises(UserError, match=r"open_hand_right\.npz is missing.*build_open_hand"):
        load_hand_model("right", "open")
    (tmp_path / "open_hand_right.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(UserError, match=r"open_hand_right\.npz"):
        load_hand_model("right", "open")


FOUND_NAMES = ("mano_right.pkl", "models/MANO_RIGHT.pkl", "mano_v1_2/models/MANO_RIGHT.pkl")


@pytest.mark.parametrize("name", FOUND_NAMES)
def test_official_files_are_found_as_others_name_and_unpack_them(tmp_path, name):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    write_official(tmp_path / name, made_up_model())
    data = load_hand_data("right", "auto", tmp_path)
    assert (data.kind, data.path) == ("mano", tmp_path / name)


def test_official_files_as_npz(tmp_path):
    model = made_up_model()
    plain = model | {"J_regressor": model["J_regressor"].toarray()}
    np.savez(tmp_path / "MANO_RIGHT.npz", **plain)
    data = load_hand_data("right", "auto", tmp_path)
    np.testing.assert_array_equal(data.J_regressor, plain["J_regressor"])
    np.savez(tmp_path / "MANO_RIGHT.npz", **model)
    with pytest.raises(UserError, match=r"MANO_RIGHT\.npz is no npz .*toarray"):
        load_hand_data("right", "auto", tmp_path)


def test_one_official_file_serves_its_own_side_alone(tmp_path):
    (tmp_path / "mano_right.pkl").write_bytes(b"")
    check_one_kind("auto", ["right"], tmp_path)
    check_one_kind("open", ["left", "right"], tmp_path)
    message = r"mano_right\.pkl is the official file of one side only; put .*MANO_LEFT\.pkl"
    with pytest.raises(UserError, match=message):
        check_one_kind("auto", ["left", "right"], tmp_path)


def test_all_files_that_decide_are_named(tmp_path):
    shipped = {"open_hand_left.npz", "open_hand_right.npz"}
    assert {path.name for path in model_files("open")} == shipped
    decide = model_files("auto", tmp_path)
    assert shipped < {path.name for path in decide}
    assert {tmp_path / name for name in ("MANO_LEFT.pkl", *FOUND_NAMES)} < set(decide)
    assert set(model_files("mano", tmp_path)) < set(decide)


def test_stages_say_which_model_they_use(capsys):
    load_hand_models(["left", "right"], "open")
    assert capsys.readouterr().out == (
        "hand model: the open hand (open_hand_left.npz, open_hand_right.npz)\n"
    )
