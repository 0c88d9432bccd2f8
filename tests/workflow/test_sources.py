"""The table of scans: what it names, and what is wrong with it."""

import pytest

from tests.scenes.workflow import make_scans, settings_of
from utils.errors import UserError
from workflow.sources import Source, read_table


@pytest.fixture
def data(tmp_path):
    return make_scans(tmp_path / "my_data", ["1", "2", "10", "take_3"])


def scans_in(settings):
    return {source.out_path: scans for source, scans in read_table(settings).items()}


def test_patterns_name_scans_each_once_in_natural_order(data):
    settings = settings_of(data, scans=["1*", "2", "1"])
    assert scans_in(settings) == {"my_out": ["1", "2", "10"]}
    assert scans_in(settings_of(data, out_path="x")) == {"x": ["1", "2", "10", "take_3"]}


def table(tmp_path, *lines):
    path = tmp_path / "scans.tsv"
    path.write_text("\n".join(lines) + "\n")
    return {"table": str(path)}


def test_a_table_of_several_folders_and_settings(data, tmp_path):
    other = make_scans(tmp_path / "other_data", ["1"])
    given = table(
        tmp_path,
        "scan\tdata_path\tset",
        "# a comment",
        "1",
        "take_*\t\tlap_weight=0.1 num=3",
        f"1\t{other}",
    )
    found = read_table(settings_of(data, **given))
    assert found == {
        Source(str(data), "my_out", "", ()): ["1"],
        Source(str(data), "my_out", "", ("lap_weight=0.1", "num=3")): ["take_3"],
        Source(str(other), "other_out", "", ()): ["1"],
    }


def test_a_scan_that_stands_twice_is_named_with_both_lines(data, tmp_path):
    given = table(tmp_path, "scan", "1", "take_3", "*")
    said = r"scans.tsv, line 4: scan 1 of my_out stands in line 2, too; delete one"
    with pytest.raises(UserError, match=said):
        read_table(settings_of(data, **given))


@pytest.mark.parametrize(
    "lines, message",
    [
        (["name", "1"], "first line must name the columns"),
        (["scan"], "names no scan"),
        (["scan\tset", "1\tnum=3\tmore"], "line 2: expected a scan in 2 columns"),
        (["scan\tset", "\tnum=3"], "line 2: expected a scan"),
        (["scan", "none_*"], "no scan matches 'none_\\*'"),
        (["scan\tset", "1\tnmu=3"], "unknown key 'nmu'"),
    ],
)
def test_mistakes_in_a_table(data, tmp_path, lines, message):
    with pytest.raises(UserError, match=message):
        read_table(settings_of(data, **table(tmp_path, *lines)))


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"data_path": ""}, "give data_path, table or interhand"),
        ({"table": "none.tsv"}, "none.tsv: not a readable text file"),
        ({"table": "a", "interhand": "b"}, "give one of them"),
        ({"interhand": "none"}, "holds no SPLIT/CaptureN/SEQUENCE"),
    ],
)
def test_mistakes_in_settings(data, settings, message):
    with pytest.raises(UserError, match=message):
        read_table(settings_of(data, **settings))


def test_all_sequences_of_interhand(tmp_path):
    for place in ("val/Capture0/ROM03", "test/Capture1/0000_neutral"):
        for frame in (10, 13, 16):
            path = tmp_path / "images" / place / "cam400262" / f"image{frame}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    found = read_table(settings_of("", interhand=str(tmp_path), every=2))
    assert {s.out_path: scans for s, scans in found.items()} == {
        "interhand_out/Capture1_0000_neutral": ["0", "2"],
        "interhand_out/Capture0_ROM03": ["0", "2"],
    }
    assert all(source.config().data_type == "interhand" for source in found)
