"""Pictures never stop a stage."""

import numpy as np
import pytest

from utils import draw
from utils.errors import UserError
from utils.pictures import save_picture


def test_a_picture_that_cannot_be_drawn_is_said_and_leaves_no_old_one(tmp_path, capsys):
    path = tmp_path / "a.png"
    assert save_picture(path, lambda: np.zeros((2, 2, 3))) == [path]
    assert path.is_file()

    def fails() -> np.ndarray:
        raise MemoryError("18 GB\nasked for")

    assert save_picture(path, fails) == []
    assert capsys.readouterr().out == f"picture {path} not drawn: 18 GB asked for\n"
    assert not path.exists()


def test_a_file_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        save_picture(tmp_path / "file" / "a.png", lambda: np.zeros((2, 2, 3)))


def test_a_sheet_of_strips_is_no_tower():
    """A crop of one column, scaled to a cell's width, would be 192,000 pixels high."""
    sheet = draw.contact_sheet([np.zeros((400, 1, 3)), np.zeros((50, 50, 3))], width=480)
    assert sheet.shape[0] * sheet.shape[1] < 4 * 480 * 3 * 480
