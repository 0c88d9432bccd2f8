import pytest

from models.fitting.stages import check_stages
from utils.errors import UserError
from utils.stage.config import load_config

GOOD = {"name": "a", "free": ["trans", "cameras"], "steps": 3, "keypoints_2d": 1.0}


def test_the_shipped_stages_are_fine():
    check_stages(load_config().mano_optim.stages)
    check_stages([GOOD])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"free": ["tranz"]}, "'tranz' cannot be free; did you mean 'trans'"),
        ({"keypoints_2d": 0.0}, "no term has a weight"),
        ({"outlines": 1.0}, "'reach' is missing"),
    ],
)
def test_what_cannot_run_is_named(change, message):
    with pytest.raises(UserError, match=f"stage 'a'.*{message}"):
        check_stages([GOOD | change])


def test_missing_keys_and_empty_lists():
    with pytest.raises(UserError, match="'steps' is missing"):
        check_stages([{k: v for k, v in GOOD.items() if k != "steps"}])
    with pytest.raises(UserError, match="empty"):
        check_stages([])
