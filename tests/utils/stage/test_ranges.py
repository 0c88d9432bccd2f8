"""The table of ranges: complete, and true of the shipped config."""

import pytest

from utils.errors import UserError
from utils.stage.config import load_config
from utils.stage.ranges import _leaves, check_ranges, ranges


def test_every_key_has_a_row_and_every_row_a_key():
    rows, patterns = set(ranges()), {pattern for _, pattern, _ in _leaves(load_config().plain())}
    empty_lists = {"neural_render.inputs[]"}  # the shipped list of inputs is empty
    assert rows - patterns == empty_lists and not patterns - rows


def test_the_shipped_config_is_within_its_ranges():
    check_ranges(load_config().plain(), "conf/demo_sfs.conf")


def test_kinds_are_those_of_the_shipped_values():
    kinds = {bool: "bool", int: "int", float: "float", str: "text", list: "list"}
    for name, pattern, value in _leaves(load_config().plain()):
        row = ranges()[pattern]
        assert (
            row.optional
            if value is None
            else row.kind == kinds[type(value)]
            or (row.kind == "float" and isinstance(value, int))
            or (row.kind == "names" and isinstance(value, str))
        ), name


@pytest.mark.parametrize("value", ['"a,b"', "[a, 400262]", "400262", '""'])
def test_names_are_a_list_or_text(value):
    assert load_config(overrides=[f"drop_cam={value}"]).drop_cam is not None


@pytest.mark.parametrize("value", ["true", "1.5", "null"])
def test_names_are_nothing_else(value):
    with pytest.raises(UserError, match=r"drop_cam = .*: expected a list of names or text"):
        load_config(overrides=[f"drop_cam={value}"])
