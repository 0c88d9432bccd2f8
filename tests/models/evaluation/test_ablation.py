"""The ablation's bookkeeping, with stages that only write what they were asked for."""

import json
from pathlib import Path

import pytest

from models.evaluation import ablation
from models.evaluation.ablation import Part, Scan, load_parts, markdown, run_ablation
from utils.errors import UserError
from utils.stage.config import load_config

SHIPPED = Path(__file__).parents[3] / "conf" / "ablation.conf"
DAMAGED = ["", "{", "[]", '{"code": 1}', "null"]
FULL, PLAIN = Part("full", ()), Part("No light!", ("degree=1",))


def metrics(error=0.2, psnr=30.0, **more):
    surface = {"all": {"to_truth": {"mean_mm": error}, "from_truth": None, "normal_deg": 6.0}}
    mean = {"mask": {"iou": 0.99}, "mesh": {"psnr": psnr, "psnr_aligned": psnr + 1}}
    return {"truth": {"surface": surface}, "mean": mean, "seconds": 9.6, "held_out": True, **more}


@pytest.fixture
def scan(tmp_path):
    folder = tmp_path / "data" / "1"
    for name in ("held/param.npz", "held/img/00.png", "gt/mesh.ply"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return Scan(tmp_path / "data", "1")


@pytest.fixture
def calls(monkeypatch):
    """Stages that write their records; mesh_sfs_optim.py fails where degree is 7."""
    made = []

    def call(script, *arguments):
        words = [str(word) for word in arguments]
        own = Path(words[words.index("--out_path") + 1])
        made.append((script, own.name, words))
        if "degree=7" in words and script == "mesh_sfs_optim.py":
            raise UserError("mesh_sfs_optim.py failed: degree is 7")
        name = f"runs/1_{script.removesuffix('.py')}.json"
        if script == "evaluate.py":
            name = "demo_sfs/1/eval/ablation/metrics.json"
        (own / name).parent.mkdir(parents=True, exist_ok=True)
        data = metrics(0.3 if "degree=1" in words else 0.2) | {"seconds": 3.2}
        (own / name).write_text(json.dumps(data))
        (own / "mano_out").mkdir(exist_ok=True)

    monkeypatch.setattr(ablation, "_call", call)
    return made


def test_every_shipped_part_is_a_valid_setting():
    parts = load_parts(SHIPPED)
    assert parts[0].overrides == () and len({part.folder for part in parts}) == len(parts)
    for part in parts:
        load_config(None, part.overrides)


def test_all_stages_run_for_all_parts_and_are_judged(scan, calls, tmp_path):
    report = run_ablation([scan], [FULL, PLAIN], tmp_path / "out", ["--seed", "3"])
    scripts = [script for script, _, _ in calls]
    assert scripts == 2 * ["pose_optim.py", "mano_optim.py", "mesh_sfs_optim.py", "evaluate.py"]
    words = calls[-1][2]
    assert words[words.index("--cameras") + 1].endswith("held/param.npz")
    assert words[words.index("--gt_mesh") + 1].endswith("gt/mesh.ply")
    assert "--masks" not in words  # the capture has none held out
    assert words[words.index("--set") :][:2] == ["--set", "degree=1"] and "3" in words
    assert report["failed"] == []
    table = (tmp_path / "out" / "ablation.md").read_text()
    assert "| full | 0.200 |" in table and "| No light! | 0.300 (+0.100) |" in table
    assert "| 10 |" in table  # three stages of 3.2 s


def test_the_first_stages_are_taken_over_and_nothing_runs_twice(scan, calls, tmp_path):
    run_ablation([scan], [FULL, PLAIN], tmp_path / "out")
    own = tmp_path / "out" / "data_1" / PLAIN.folder
    assert (own / "mano_out").is_dir()
    before = len(calls)
    run_ablation([scan], [FULL, PLAIN], tmp_path / "out")
    assert len(calls) == before


@pytest.mark.parametrize("change", ["code", "capture", "options"])
def test_what_was_made_otherwise_is_made_again(scan, calls, tmp_path, monkeypatch, change):
    run_ablation([scan], [FULL], tmp_path / "out")
    before, options = len(calls), []
    if change == "code":
        monkeypatch.setattr(ablation, "code_version", lambda: "newer")
    elif change == "capture":
        (scan.folder / "gt" / "mesh.ply").write_text("another surface")
    else:
        options = ["--seed", "1"]
    run_ablation([scan], [FULL], tmp_path / "out", options)
    assert len(calls) == 2 * before


@pytest.mark.parametrize("content", DAMAGED)
@pytest.mark.parametrize("name", ["made_with.json", "metrics.json"])
def test_damaged_notes_mean_run_again_and_nothing_else(scan, calls, tmp_path, name, content):
    run_ablation([scan], [FULL, PLAIN], tmp_path / "out")
    before = len(calls)
    for part in (FULL, PLAIN):
        (tmp_path / "out" / "data_1" / part.folder / name).write_text(content)
    report = run_ablation([scan], [FULL, PLAIN], tmp_path / "out")
    assert report["failed"] == [] and len(calls) == 2 * before


def test_results_of_code_that_changed_meanwhile_are_not_kept(scan, calls, tmp_path, monkeypatch):
    versions = iter("abcdefgh")
    monkeypatch.setattr(ablation, "code_version", lambda: next(versions))
    run_ablation([scan], [FULL], tmp_path / "out")
    assert not (tmp_path / "out" / "data_1" / FULL.folder / "made_with.json").exists()


def test_a_part_that_fails_does_not_stop_the_others(scan, calls, tmp_path, capsys):
    bad = Part("bad", ("degree=7",))
    report = run_ablation([scan], [FULL, bad, PLAIN], tmp_path / "out")
    assert len(report["failed"]) == 1 and "degree is 7" in report["failed"][0]
    assert "error: bad on" in capsys.readouterr().err
    table = (tmp_path / "out" / "ablation.md").read_text()
    assert "No light!" in table and "| bad |" not in table


def test_a_table_of_means_over_captures():
    results = {
        "full": {"a": metrics(0.2, 30), "b": metrics(0.4, 32)},
        "other": {"a": metrics(0.3, 29), "b": metrics(0.5, 30)},
    }
    table = markdown(results)
    assert "| full | 0.300 | 6.00 | 0.9900 | 31.00 | 32.00 | 10 |" in table
    assert "| other | 0.400 (+0.100) | 6.00 (+0.00) |" in table and "29.50 (-1.50)" in table
    assert "truth to mesh" not in table  # nobody measured it
    assert "Means over 2 captures; IoU and PSNR of held-out views." in table
    assert "the fitted ones" in markdown({"full": {"a": metrics(held_out=False)}})
    assert markdown({"full": {}}) == "nothing measured yet\n"


def test_a_stage_that_fails_is_named_with_its_last_line():
    with pytest.raises(UserError, match=r"pose_optim.py failed: nowhere/1 is no folder"):
        ablation._call("pose_optim.py", "--data_path", "nowhere")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("parts = []", "expected one part or more"),
        ("parts = [{name=a, set=[]}, {name=a, set=[]}]", "each of another name"),
        ("parts = [{name=a}]", "expected parts = "),
        ("other = 3", "expected parts = "),
        ("parts = [", "expected parts = "),
    ],
)
def test_files_that_hold_no_parts(tmp_path, text, words):
    (tmp_path / "parts.conf").write_text(text)
    with pytest.raises(UserError, match=words):
        load_parts(tmp_path / "parts.conf")


def test_parts_that_are_not_there(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        load_parts(tmp_path / "none.conf")
    with pytest.raises(UserError, match=r"--only nonsense: expected names of parts .* full"):
        load_parts(SHIPPED, only=["nonsense"])
    assert [p.name for p in load_parts(SHIPPED, only=["no silhouettes"])] == [
        "full",
        "no silhouettes",
    ]
    assert load_parts(SHIPPED, ["seed=1"])[0].overrides == ("seed=1",)
