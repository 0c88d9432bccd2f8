"""Shipped settings are kept parsed: the same, and never a reason to fail."""

import pytest

from utils.stage import hocon
from utils.stage.hocon import parse_file, parse_text


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A folder of shipped settings with one file."""
    monkeypatch.setattr(hocon, "SHIPPED", tmp_path.resolve())
    path = tmp_path / "own.conf"
    path.write_text("steps = 60  # a comment\nlevels = [{ lr = 0.5, name = fine }]\nlimit = inf\n")
    return path


def parses(monkeypatch) -> list[str]:
    """The texts that are parsed from now on."""
    texts: list[str] = []

    def counted(text: str, source: str):
        texts.append(text)
        return parse_text(text, source)

    monkeypatch.setattr(hocon, "parse_text", counted)
    return texts


def test_the_second_time_nothing_is_parsed(shipped, monkeypatch):
    texts = parses(monkeypatch)
    first, second = parse_file(shipped), parse_file(shipped)
    assert first == second == parse_text(shipped.read_text(), "text")
    assert first["steps"] == 60 and first["levels"] == [{"lr": 0.5, "name": "fine"}]
    assert len(texts) == 1


def test_changed_and_damaged_are_parsed(shipped, monkeypatch):
    texts = parses(monkeypatch)
    parse_file(shipped)
    shipped.write_text("steps = 61\n")
    assert parse_file(shipped) == {"steps": 61} and len(texts) == 2
    for kept in (shipped.parent / "__pycache__").iterdir():
        kept.write_text("{ cut")
    assert parse_file(shipped) == {"steps": 61} and len(texts) == 3


def test_other_folders_are_left_alone(shipped, tmp_path):
    own = tmp_path / "mine" / "own.conf"
    own.parent.mkdir()
    own.write_text("steps = 3\n")
    assert parse_file(own) == {"steps": 3}
    assert list(own.parent.iterdir()) == [own]


def test_where_nothing_can_be_kept_it_is_parsed(shipped):
    (shipped.parent / "__pycache__").write_text("in the way")
    assert parse_file(shipped) == parse_text(shipped.read_text(), "text")
