"""Own files may be replaced, the user's never; a capture beside the user's shares its photos."""

import os

import pytest

from utils.detection.own_files import OwnFiles, linked_capture
from utils.errors import UserError
from utils.io.files import save_text


@pytest.fixture
def own(tmp_path):
    return OwnFiles(tmp_path / "out" / "files.json", tmp_path / "scan")


def test_whose_a_file_is(own, tmp_path):
    mine, yours = tmp_path / "scan" / "pose" / "0.json", tmp_path / "scan" / "pose" / "1.json"
    assert not own.is_users(mine)  # nothing is there
    own.write(mine, lambda path: save_text(path, "mine"))
    save_text(yours, "yours")
    again = OwnFiles(own.path, own.root)
    assert again.is_users(yours) and not again.is_users(mine)
    mine.write_text("changed by hand")
    assert again.is_users(mine)


def test_removed_files_are_forgotten(own, tmp_path):
    path = tmp_path / "scan" / "0.png"
    own.write(path, lambda p: save_text(p, "mine"))
    own.remove(path)
    assert not path.exists() and not own.is_users(path)
    save_text(path, "mine")  # the user's, by chance the same
    assert OwnFiles(own.path, own.root).is_users(path)


@pytest.mark.parametrize("content", ["", "{", "[]", "null"])
def test_a_damaged_list_leaves_all_files_to_the_user(own, tmp_path, capsys, content):
    path = tmp_path / "scan" / "0.json"
    own.write(path, lambda p: save_text(p, "mine"))
    own.path.write_text(content)
    again = OwnFiles(own.path, own.root)
    assert again.is_users(path)
    assert capsys.readouterr().out.startswith(f"note: {own.path} is damaged")
    again.write(path, lambda p: save_text(p, "mine again"))
    again.remove(path)
    OwnFiles(own.path, own.root)
    assert capsys.readouterr().out == ""


def test_a_capture_that_cannot_be_written(own, tmp_path):
    (tmp_path / "scan").write_text("")  # a file where the folder should be
    with pytest.raises(UserError, match=r"cannot write .*--into DIR writes a capture"):
        own.write(tmp_path / "scan" / "pose" / "0.json", lambda path: save_text(path, "x"))


def scan(folder):
    for name in ("img/00.png", "camera/param.npz", "pose/00.json"):
        save_text(folder / name, name)
    return folder


def test_links_photos_and_cameras_only(tmp_path):
    linked_capture(scan(tmp_path / "a"), tmp_path / "b" / "1")
    assert sorted(p.name for p in (tmp_path / "b" / "1").iterdir()) == ["camera", "img"]
    assert (tmp_path / "b" / "1" / "img" / "00.png").read_text() == "img/00.png"
    linked_capture(tmp_path / "a", tmp_path / "b" / "1")  # a second time


def test_copies_where_links_are_not_to_be_had(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError("no links here")

    monkeypatch.setattr(os, "symlink", refuse)
    linked_capture(scan(tmp_path / "a"), tmp_path / "b")
    assert (tmp_path / "b" / "img" / "00.png").is_file()
    linked_capture(tmp_path / "a", tmp_path / "b")


def test_another_captures_folder_is_refused(tmp_path):
    scan(tmp_path / "b")
    save_text(tmp_path / "b" / "img" / "01.png", "another view")
    with pytest.raises(UserError, match=r"is there and not of .*; choose another"):
        linked_capture(scan(tmp_path / "a"), tmp_path / "b")
    with pytest.raises(UserError, match="none/img is missing; a capture needs images"):
        linked_capture(tmp_path / "none", tmp_path / "c")
