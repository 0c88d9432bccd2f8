"""What an interrupted run goes on from: its own file, whole, and no other."""

import io

import pytest
import torch

from utils.stage.config import Config
from utils.stage.progress import Progress

MADE_WITH = {"config": {"sfs_weight": 1.0, "ham_levels": [{"steps": 3}]}, "seed": 0}


def found(value: float) -> dict:
    """As a part of a run makes it."""
    return {"verts": torch.full((4, 3), value), "history": [{"total": value}]}


def made_again(value: float) -> dict:
    raise AssertionError("this part was kept")


@pytest.fixture
def kept(tmp_path, capsys):
    """Progress after two parts, in a file."""
    progress = Progress(tmp_path / "out" / ".progress.pt", MADE_WITH)
    for name, value in (("level 1", 0.1), ("level 2", 0.2)):
        assert progress.part(name, found, value)["history"] == [{"total": value}]
    assert capsys.readouterr().out == ""
    return progress.path


def is_used(path, made_with=MADE_WITH) -> bool:
    made = []
    Progress(path, made_with).part("level 1", lambda: made.append(1) or {})
    return not made


def test_parts_come_back_whole_and_the_rest_is_made(kept, capsys):
    progress = Progress(kept, MADE_WITH)
    assert "going on after level 1, level 2 of an interrupted run" in capsys.readouterr().out
    for name, value in (("level 1", 0.1), ("level 2", 0.2)):
        part = progress.part(name, made_again, value)
        assert torch.equal(part["verts"], torch.full((4, 3), value))
        assert part["history"] == [{"total": value}]
    assert progress.part("level 3", found, 0.3)["history"] == [{"total": 0.3}]
    assert "level 1, level 2, level 3" in _said(kept, capsys)


def _said(path, capsys) -> str:
    Progress(path, MADE_WITH)
    return capsys.readouterr().out


def test_a_part_is_made_once(tmp_path):
    progress = Progress()
    progress.part("level 1", found, 0.1)
    assert progress.part("level 1", made_again, 0.1)["history"] == [{"total": 0.1}]


def test_what_was_made_with_other_settings_is_not_used(kept, capsys):
    assert is_used(kept)
    capsys.readouterr()
    assert not is_used(kept, {**MADE_WITH, "seed": 1})
    assert capsys.readouterr().out == ""


@pytest.fixture
def config():
    return Config(sfs_weight=1.0, degree=3, section=Config(steps=5, lr=0.1))


def keep_a_part(path, config) -> None:
    """One that depends on two keys."""

    def make() -> dict:
        return {"value": config.sfs_weight * config.section.steps}

    Progress(path, "same", config).part("level 1", make)


def test_settings_that_a_part_depends_on_must_be_the_same(tmp_path, config, capsys):
    keep_a_part(tmp_path / "p.pt", config)
    for changed in (Config(config, sfs_weight=2.0), Config(config, section=Config(steps=6, lr=0))):
        Progress(tmp_path / "p.pt", "same", changed)
        assert capsys.readouterr().out == ""


def test_other_settings_may_change_and_what_was_read_counts_as_read(tmp_path, config, capsys):
    """A record of the run that went on vouches for the kept parts too."""
    keep_a_part(tmp_path / "p.pt", config)
    later = Config(sfs_weight=1.0, degree=2, section=Config(steps=5, lr=0.2))
    assert later.reads() == {}
    Progress(tmp_path / "p.pt", "same", later)
    assert "going on after level 1" in capsys.readouterr().out
    assert later.reads() == {"sfs_weight": 1.0, "section.steps": 5}


@pytest.mark.parametrize(
    "content", [b"", b"not a torch file", {"something": "else"}], ids=["empty", "text", "dict"]
)
@pytest.mark.parametrize("made_with", [MADE_WITH, None])
def test_a_foreign_file_is_not_used(kept, content, made_with):
    if isinstance(content, dict):
        torch.save(content, kept)
    else:
        kept.write_bytes(content)
    assert not is_used(kept, made_with)


def test_half_a_file_is_not_used(kept):
    kept.write_bytes(kept.read_bytes()[:1000])
    assert not is_used(kept)


def test_a_run_may_start_afresh(kept, capsys):
    progress = Progress(kept, MADE_WITH, afresh=True)
    assert not kept.exists() and capsys.readouterr().out == ""
    assert progress.part("level 1", found, 0.5)["history"] == [{"total": 0.5}]


def test_a_complete_run_leaves_no_progress(kept):
    progress = Progress(kept, MADE_WITH)
    progress.forget()
    progress.forget()  # nothing there: nothing to do
    assert not kept.exists() and progress.part("level 1", found, 0.5)["history"][0]["total"] == 0.5


def test_progress_without_a_path_keeps_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    progress = Progress()
    progress.part("level 1", found, 0.1)
    assert list(tmp_path.iterdir()) == []
    progress.forget()


def test_what_goes_on_ends_as_what_was_never_interrupted(tmp_path):
    """Random draws of the parts that are left are those that would have come."""

    def run(path, stop_at=None):
        torch.manual_seed(7)  # as every stage begins
        progress, drawn = Progress(path), []
        for part in range(4):
            if part == stop_at:
                raise KeyboardInterrupt
            drawn.append(progress.part(str(part), lambda: {"x": torch.rand(3)})["x"])
        return torch.stack(drawn)

    whole = run(tmp_path / "whole.pt")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped.pt", stop_at=2)
    assert torch.equal(run(tmp_path / "stopped.pt"), whole)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "progress.pt"
    Progress(path).part("one", lambda: {"x": torch.arange(1000)})
    return path


def starts_again(path, capsys) -> bool:
    """Whether that is what a run says, in one line, and does."""
    capsys.readouterr()
    made = Progress(path).part("one", lambda: {"x": 2}) == {"x": 2}
    said = capsys.readouterr().out
    return made and said.count("\n") == 1 and said.endswith("starting again\n")


@pytest.mark.parametrize("state", [None, [], [3], [torch.zeros(3)], "state"])
def test_a_random_state_that_is_none_starts_afresh(saved, state, capsys):
    digest, _, payload = saved.read_bytes().partition(b"\n")
    found = torch.load(io.BytesIO(payload), weights_only=True)
    edited = io.BytesIO()
    torch.save({**found, "kept": {**found["kept"], "random": state}}, edited)
    saved.write_bytes(digest + b"\n" + edited.getvalue())
    assert starts_again(saved, capsys)


def test_any_byte_that_is_another_starts_afresh(saved, capsys):
    """Torch itself takes a tensor with flipped bits for a good one."""
    good = saved.read_bytes()
    for place in range(0, len(good), len(good) // 40):
        damaged = bytearray(good)
        damaged[place] ^= 4
        saved.write_bytes(damaged)
        assert starts_again(saved, capsys), place
        saved.write_bytes(good[:place])
        assert starts_again(saved, capsys), place


def test_another_version_of_the_code_starts_afresh(saved, capsys, monkeypatch):
    monkeypatch.setattr("utils.stage.progress.code_version", lambda: "newer")
    assert starts_again(saved, capsys)
    assert Progress(saved).part("one", made_again) == {"x": 2}  # its own progress it goes on from
