"""Records of runs: what is taken for up to date, and what is not."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.utils.stage.test_job import job_of
from utils.errors import UserError
from utils.io.files import load_json, save_text
from utils.stage import Job, StageRecord

LONG_AGO, FAR_AHEAD = 1000, 2**33  # seconds


class Stage:
    """A stage that reads two files of D, one of them optional, and writes one into O."""

    def __init__(self, root: Path):
        self.root, self.runs = root, 0
        self.inputs = [root / "data" / "a.txt", root / "data" / "optional.txt"]
        self.result = root / "out" / "result.txt"
        save_text(self.inputs[0], "a")

    def job(self, data: str = "data", **changed) -> Job:
        from dataclasses import replace

        job = replace(job_of(self.root, **changed), data_path=self.root / data)
        assert job.config.num is not True and job.config.pose_optim["min_fit"]  # it reads two keys
        return job

    def __call__(self, inputs=None, options=None, **changed) -> bool:
        """Run as a stage does; True where it had something to do."""
        record = StageRecord(self.job(**changed), "stage", options)
        if record.is_current(self.inputs if inputs is None else inputs):
            return False
        save_text(self.result, "result")
        record.finish([self.result], iterations=3)
        return True

    @property
    def record(self) -> Path:
        return self.root / "out" / "runs" / "1_stage.json"


@pytest.fixture
def stage(tmp_path):
    stage = Stage(tmp_path)
    assert stage()
    return stage


def test_a_finished_run_is_not_run_again(stage, capsys):
    assert not stage()
    assert "stage, scan 1: up to date (--overwrite runs it again)" in capsys.readouterr().out
    saved = load_json(stage.record)
    assert saved["config"] == {"num": None, "pose_optim.min_fit": 0.3}
    assert list(saved["outputs"]) == ["O/result.txt"] and saved["inputs"]["D/optional.txt"] is None
    assert saved["iterations"] == 3 and saved["device"] == "cpu" and saved["peak_memory_gb"] > 0


@pytest.mark.parametrize(
    "changed",
    [{"num": 3}, {"pose_optim.min_fit": 0.5}, {"seed": 1}, {"overwrite": True}],
    ids=["config", "section", "seed", "overwrite"],
)
def test_other_settings_run_again(stage, changed):
    assert stage(**changed)


@pytest.mark.parametrize("key", ["w", "pose_optim.fit_radius"])
def test_config_that_was_not_read_does_not_matter(stage, key):
    assert not stage(**{key: 3})


def test_options_count(stage):
    assert stage(options={"optim": True})


def replaced_by_an_older_file(stage):
    """As cp -p, rsync, unzip and git checkout do."""
    save_text(stage.inputs[0], "b")
    os.utime(stage.inputs[0], (LONG_AGO, LONG_AGO))


def replaced_in_place_with_its_date_kept(stage):
    before = stage.inputs[0].stat()
    stage.inputs[0].write_text("b")  # as long as before
    os.utime(stage.inputs[0], ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES = {
    "an input is edited": lambda s: save_text(s.inputs[0], "changed"),
    "an input is replaced by an older file": replaced_by_an_older_file,
    "an input is replaced, its date and size kept": replaced_in_place_with_its_date_kept,
    "an input is deleted": lambda s: s.inputs[0].unlink(),
    "an optional input appears": lambda s: save_text(s.inputs[1], ""),
    "a result is deleted": lambda s: s.result.unlink(),
    "a result is truncated": lambda s: save_text(s.result, "resul"),
    "a result is emptied": lambda s: save_text(s.result, ""),
    "a result is edited, its size kept": lambda s: save_text(s.result, "RESULT"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_changed_is_noticed(stage, change):
    change(stage)
    assert stage() and not stage()


def test_views_that_come_and_go_are_noticed(stage):
    assert stage(inputs=stage.inputs[:1]) and not stage(inputs=stage.inputs[:1])
    assert stage()


@pytest.mark.parametrize("when", [LONG_AGO, FAR_AHEAD])
def test_dates_alone_mean_nothing(stage, when):
    for path in (*stage.inputs[:1], stage.result, stage.record):
        os.utime(path, (when, when))
    assert not stage()


def test_a_moved_folder_is_the_same(stage):
    shutil.move(stage.root / "data", stage.root / "elsewhere")
    moved = [stage.root / "elsewhere" / path.name for path in stage.inputs]
    assert not stage(inputs=moved, data="elsewhere")


def test_results_of_another_capture_are_refused(stage, capsys):
    save_text(stage.root / "other" / "data" / "a.txt", "another hand")
    others = [stage.root / "other" / "data" / path.name for path in stage.inputs]
    with pytest.raises(UserError, match=r"holds results of .*, and this is .*other/data"):
        stage(inputs=others, data="other/data")
    with pytest.raises(UserError, match="holds results of"):  # of any stage of this scan
        StageRecord(stage.job("other/data"), "next_stage").is_current(others)
    assert stage.record.is_file()
    assert stage(inputs=others, data="other/data", overwrite=True)
    assert not stage(inputs=others, data="other/data")


@pytest.mark.parametrize(
    "content",
    ["", "[]", "null", "{", "[" * 100_000, "{}", '{"format": 2}', "\x00" * 50]
    + [json.dumps({"format": 2, "config": {}, "outputs": wrong, "inputs": {}}) for wrong in (3, [])]
    + [json.dumps({"format": 2, "config": 3, "outputs": {}, "inputs": {}})],
)
def test_a_broken_record_means_run_again_and_nothing_else(stage, content):
    stage.record.write_text(content)
    assert stage() and not stage()


def test_fields_of_wrong_kinds_mean_run_again(stage):
    record = load_json(stage.record)
    for key in record:
        stage.record.write_text(json.dumps({**record, key: {"strange": ["thing"]}}))
        assert stage() or key not in ("format", "config", "seed", "options", "inputs", "outputs")
        stage.record.write_text(json.dumps({k: v for k, v in record.items() if k != key}))
        stage()


def test_the_record_goes_before_results_are_replaced(stage):
    """A run that is killed while it writes leaves no record that vouches for a mixture."""
    save_text(stage.inputs[0], "changed")
    assert not StageRecord(stage.job(), "stage").is_current(stage.inputs)
    assert not stage.record.exists()


def test_another_version_of_the_code_is_said_and_no_more(stage, capsys):
    record = load_json(stage.record)
    stage.record.write_text(json.dumps({**record, "code": "older"}))
    capsys.readouterr()
    assert not stage()
    assert "it was made by another version of the code" in capsys.readouterr().out


def test_what_another_stage_rewrote_can_be_renewed(stage):
    save_text(stage.result, "rewritten on purpose")
    StageRecord(stage.job(), "stage").renew(stage.result)
    assert not stage()


def test_nothing_is_read_where_nothing_was_touched(stage, monkeypatch):
    """Which makes it cheap: a hundred photos cost a hundred stat calls."""
    from utils.io import fingerprint

    monkeypatch.setattr(fingerprint, "_hash", lambda path: pytest.fail(f"{path} is read"))
    assert not stage()
