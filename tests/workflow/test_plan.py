"""Plans: batches that stay, and stamps that go as soon as something changed."""

import os

import pytest

from tests.scenes.workflow import STAGES, made_up_stage, make_scans, settings_of
from utils.errors import UserError
from utils.io.files import load_json, save_json, save_text
from utils.stage.outcomes import Outcomes
from workflow.batch import Batch
from workflow.outcome_lines import read_outcomes
from workflow.plan import load_plan, make_plan
from workflow.sources import Source
from workflow.stamps import stamp_path


class Flow:
    """A workflow whose stages are made up, in this process."""

    def __init__(self, root, **settings):
        self.root, self.data = root, make_scans(root / "data", ["1", "2", "3"])
        self.settings = settings_of(
            self.data, out_path=str(root / "out"), work=str(root / "work"), **settings
        )
        self.work = root / "work"

    def plan(self, **changed):
        self.settings.update(changed)
        return make_plan(self.settings)

    def run(self):
        """Do what Snakemake would: the jobs without a stamp, in turn; their names."""
        ran = []
        for name in load_plan(self.work)["batches"]:
            for stage in self.settings["stages"]:
                if not stamp_path(self.work, stage, name).is_file():
                    self._run_job(stage, name)
                    ran.append((stage, name))
        return ran

    def _run_job(self, stage, name):
        batch = Batch(self.work, stage, name, 1)
        lines, config = self.root / "outcomes.jsonl", batch.source.config()
        lines.unlink(missing_ok=True)
        for scan in batch.ready():
            job, error = batch.source.job(scan, config, 0), None
            try:
                made_up_stage(job, stage)
            except UserError as problem:
                error = problem
            Outcomes(lines).note(job.out_path, scan, stage, error, job.records)
        save_json(stamp_path(self.work, stage, name), batch.stamp(read_outcomes(lines)))

    def kinds(self, stage, name="b00001"):
        stamp = load_json(stamp_path(self.work, stage, name))
        return {scan: facts["kind"] for scan, facts in stamp["scans"].items()}


@pytest.fixture
def flow(tmp_path):
    flow = Flow(tmp_path)
    assert flow.plan() == "3 scans in 2 batches; 4 of 4 jobs are to be done"
    assert len(flow.run()) == 4
    return flow


def test_nothing_changed_means_nothing_to_do_and_equal_stamps(flow):
    stamps = {path: path.read_bytes() for path in (flow.work / "stamps").rglob("*.json")}
    assert flow.plan() == "3 scans in 2 batches; 0 of 4 jobs are to be done"
    for path in stamps:
        path.unlink()
    flow.run()
    assert {path: path.read_bytes() for path in stamps} == stamps


@pytest.mark.parametrize("clock", [0, 2**33], ids=["clock of 1970", "clock far ahead"])
def test_dates_decide_nothing(flow, clock):
    for path in flow.root.rglob("*"):
        os.utime(path, (clock, clock))
    flow.plan()
    assert flow.run() == []


CHANGES = {
    "an input is edited": lambda f: save_text(f.data / "3" / "img" / "00.png", "new"),
    "an input comes": lambda f: save_text(f.data / "3" / "img" / "01.png", "new"),
    "a result is deleted": lambda f: (f.root / "out" / "pose_optim" / "3.txt").unlink(),
    "a result is edited": lambda f: save_text(f.root / "out" / "pose_optim" / "3.txt", "new"),
    "a record is deleted": lambda f: (f.root / "out" / "runs" / "3_pose_optim.json").unlink(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_changed_is_run_again_and_nothing_else(flow, change):
    change(flow)
    flow.plan()
    assert flow.run() == [(stage, "b00002") for stage in STAGES]
    flow.plan()
    assert flow.run() == []


def test_a_later_stages_result_leaves_earlier_stages_alone(flow):
    (flow.root / "out" / "mano_optim" / "1.txt").unlink()
    flow.plan()
    assert flow.run() == [("mano_optim", "b00001")]


def test_settings_that_a_stage_reads_count_and_others_do_not(flow):
    flow.plan(set=["lap_weight=0.5"])
    assert flow.run() == []
    flow.plan(set=["num=7"])
    assert len(flow.run()) == 4
    flow.plan(options={"mano_optim": "--force"})
    assert flow.run() == [("mano_optim", "b00001"), ("mano_optim", "b00002")]


def test_new_scans_make_new_batches_and_old_ones_stay(flow):
    make_scans(flow.data, ["0", "4"])
    flow.plan()
    assert load_plan(flow.work)["batches"]["b00003"]["scans"] == ["0", "4"]
    assert {name for _, name in flow.run()} == {"b00003"}


def test_scans_that_left_the_table_leave_their_batch(flow):
    flow.plan(scans=["1"])
    (batch,) = load_plan(flow.work)["batches"].values()
    assert batch["scans"] == ["1"]


def test_a_failed_scan_is_left_out_later_and_tried_again_once_mended(tmp_path):
    flow = Flow(tmp_path)
    save_text(flow.data / "2" / "img" / "00.png", "bad")
    flow.plan()
    flow.run()
    assert flow.kinds("pose_optim") == {"1": "done", "2": "input"}
    assert flow.kinds("mano_optim") == {"1": "done", "2": "skipped"}
    flow.plan()
    assert flow.run() == []
    flow.plan(again=True)
    assert len(flow.run()) == 2
    save_text(flow.data / "2" / "img" / "00.png", "mended")
    flow.plan(again=False)
    assert flow.run() == [(stage, "b00001") for stage in STAGES]
    assert flow.kinds("mano_optim") == {"1": "done", "2": "done"}


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"scans": 3}', '{"scans": {"1": 3}}'])
def test_a_damaged_stamp_is_no_stamp(flow, content):
    stamp_path(flow.work, "pose_optim", "b00001").write_text(content)
    flow.plan()
    assert {name for _, name in flow.run()} == {"b00001"}


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"stages": ["pose"]}, "stages: pose; there are detect_hands"),
        ({"stages": []}, "stages: none; there are"),
        ({"scans_a_job": 0}, "scans_a_job: 0; expected 1 or more"),
    ],
)
def test_mistakes_in_settings(tmp_path, settings, message):
    with pytest.raises(UserError, match=message):
        Flow(tmp_path).plan(**settings)


def test_a_source_survives_the_plan(tmp_path):
    source = Source("a", "b", "", ("num=3",))
    assert Source.of(source.as_dict()) == source
