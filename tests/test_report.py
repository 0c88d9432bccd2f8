"""report.py: what the page holds, with all results, with some, and with none."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch

from models.report.update import update_report
from tests.scenes.ham import hand_scene
from tests.scenes.reports import write_keypoints, write_record, write_results
from utils.io.files import save_json, save_torch
from utils.stage import stage_parser
from utils.stage.job import _jobs

VIEWS = 3


@pytest.fixture(scope="module")
def scene():
    return hand_scene(views=VIEWS, pixels=120)


@pytest.fixture
def folders(scene, tmp_path):
    """D with scan 1, and O with nothing of it."""
    scene.write_capture(tmp_path / "data" / "1")
    return tmp_path / "data", tmp_path / "out"


@pytest.fixture
def complete(scene, folders):
    """The same with the results of all stages but the neural renderer and the evaluation."""
    write_results(folders[1], scene)
    return folders


def report(run_main, folders, *more):
    data, out = folders
    return run_main("report.py", "--data_path", data, "--out_path", out, *more)


def page_of(folders, scan="1") -> str:
    return (folders[1] / "demo_sfs" / scan / "report.html").read_text(encoding="utf-8")


def scene_in(page: str) -> dict:
    return json.loads(re.search(r'id="scene">(.*?)</script>', page, re.S)[1])


def pictures_in(page: str) -> set[str]:
    return set(re.findall(r'id="picture-([^"]+)"', page))


def test_help_does_not_wait_for_torch(run_script):
    done = run_script("report.py", "--help")
    assert done.returncode == 0 and "--poses" in done.stdout


def test_everything_that_there_is(run_main, complete):
    done = report(run_main, complete)
    assert done.returncode == 0, done.stderr
    assert "report.html" in done.stdout and "index.html" in done.stdout
    page = page_of(complete)
    layers = {f"{view}-{layer}" for view in range(VIEWS) for layer in ("photo", "masks", "start")}
    assert layers | {"0-mesh", "losses"} <= pictures_in(page)
    said = scene_in(page)
    assert [hand["side"] for hand in said["hands"]] == ["left", "right"]
    assert said["stages"] == ["start", "final"]
    assert set(said["hands"][0]["clips"]) == {"fist", "fingers"}
    assert len(said["cameras"]) == VIEWS and len(said["bones"]) == 2
    for line in (
        "pose_optim: doubtful. 3 views only",
        "named wrongly and exchanged: view 1",
        "cameras corrected by a lot: view 1 by 41 px",
        "masks made anew from the photos: view 2 (lacks 40 % of the hands)",
    ):
        assert line in page
    assert "Not there yet: neural_render.py, evaluate.py." in page
    assert "12.5" in page and "0.80 GB" in page  # seconds and memory of the stages
    assert "lap_weight" in page.split("shipped ones")[1]  # a setting that was changed
    assert "cannot be shown" not in page  # no part of it failed


def test_a_report_asks_for_nothing_from_outside(run_main, complete):
    assert report(run_main, complete).returncode == 0
    for page in (page_of(complete), (complete[1] / "index.html").read_text(encoding="utf-8")):
        assert not re.search(r"(?:src|href|action)\s*=\s*[\"']?\s*(?:https?:)?//", page)
        assert not re.search(r"@import|url\(\s*[\"']?(?:https?:)?//|\bimport\s*\(", page)
        assert page.rstrip().endswith("</html>")


def test_a_report_stays_below_its_size(run_main, complete, monkeypatch):
    """Pictures give way: 2 MB hold the library, the hands and little else."""
    monkeypatch.setattr("models.report.pages.MOST_BYTES", 2_000_000)
    monkeypatch.setattr("models.report.pages.FRAME_BYTES", 100_000)
    assert report(run_main, complete).returncode == 0
    assert len(page_of(complete)) < 2_000_000


def test_names_are_no_markup(run_main, complete):
    out = complete[1]
    record = out / "runs" / "1_mesh_sfs_optim.json"
    write_record(out, "mesh_sfs_optim", "doubtful", "</script><b>bold</b>")
    assert record.exists() and report(run_main, complete).returncode == 0
    assert "<b>bold</b>" not in page_of(complete)
    assert "&lt;b&gt;bold" in page_of(complete)


def test_after_the_first_stage_alone(run_main, folders, scene):
    points = np.random.default_rng(0).normal(size=(2, 21, 3)) * 0.05
    write_keypoints(folders[1], points, VIEWS)
    assert report(run_main, folders).returncode == 0
    page = page_of(folders)
    assert scene_in(page)["hands"] == [] and len(scene_in(page)["bones"][0]) == 20
    assert "Keypoint residuals" in page and "Loss curves" not in page
    assert "mano_optim.py, multihands_mano.py, mesh_sfs_optim.py" in page
    assert "0-photo" in pictures_in(page) and "0-start" not in pictures_in(page)


def test_after_the_fit(run_main, folders, scene):
    out = folders[1]
    scene.write_fit(out / "mano_out")
    save_json(out / "mano_out" / "1.json", {"camera_shift_px": [0.0] * VIEWS})
    assert report(run_main, folders).returncode == 0
    page = page_of(folders)
    assert scene_in(page)["stages"] == ["start"]
    assert "albedo" not in scene_in(page)["hands"][0]
    assert {"0-photo", "0-masks", "0-start"} <= pictures_in(page)


def test_without_the_capture(run_main, complete, tmp_path):
    """Results are shown, and that the photos are not there is said."""
    done = report(run_main, (tmp_path / "gone_data", complete[1]))
    assert done.returncode == 0
    page = page_of(complete)
    assert "without photos" in page and "0-photo" not in pictures_in(page)
    assert {"0-start", "0-mesh"} <= pictures_in(page)


def test_poses_are_played(run_main, complete, tmp_path):
    frames = [[{"type": "left", "pose": torch.full((48,), 0.01 * k)}] for k in range(3)]
    save_torch(tmp_path / "poses.pt", frames)
    assert report(run_main, complete, "--poses", tmp_path / "poses.pt").returncode == 0
    clip = scene_in(page_of(complete))["hands"][0]["clips"]["own poses"]
    assert len(clip["poses"]) == len(clip["places"]) == 3


def test_no_results(run_main, folders):
    done = report(run_main, folders)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "pose_optim.py" in done.stderr
    assert not (folders[1] / "demo_sfs").exists() and not (folders[1] / "index.html").exists()


def test_results_that_are_broken_are_named(run_main, complete):
    folder = complete[1] / "demo_sfs" / "1"
    (folder / "metrics.json").write_text('{"views": [')
    (complete[1] / "mano_out" / "1_masks.json").write_text('{"views": 3}')
    (folder / "ori_1.obj").write_text("v 1 2 3\nf 1 1 1\n")
    assert report(run_main, complete).returncode == 0
    page = page_of(complete)
    assert "metrics.json is not valid JSON" in page
    assert "1_masks.json is not what its stage writes" in page
    assert re.search(r"ori_1.obj is not a mesh of \d+ vertices", page)


def test_results_of_another_shape_are_a_section_less(run_main, complete):
    save_json(complete[1] / "demo_sfs" / "1" / "metrics.json", {"views": [{"psnr": 3}]})
    assert report(run_main, complete).returncode == 0
    assert "the view table cannot be shown" in page_of(complete)


def test_another_scans_broken_report(run_main, complete):
    other = complete[1] / "demo_sfs" / "2" / "report.html"
    other.parent.mkdir()
    other.write_text("<!doctype html><html>")
    done = report(run_main, complete)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and str(other) in done.stderr
    assert page_of(complete)  # this one is written all the same
    assert not (complete[1] / "index.html").exists()


def test_its_own_broken_report_is_replaced(run_main, complete):
    path = complete[1] / "demo_sfs" / "1" / "report.html"
    path.write_text("<!doctype html><html>")
    assert report(run_main, complete).returncode == 0
    assert page_of(complete).rstrip().endswith("</html>")


def test_a_report_that_cannot_be_written(run_main, complete):
    path = complete[1] / "demo_sfs" / "1" / "report.html"
    path.mkdir()
    done = report(run_main, complete)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "report.html" in done.stderr
    assert not list(path.parent.glob(".report*"))


def job_of(folders, *settings):
    data, out = map(str, folders)
    arguments = ["--data_path", data, "--out_path", out, "--set", "report=on", *settings]
    return _jobs(stage_parser("a stage", "none").parse_args(arguments))[0]


def test_stages_write_it_as_they_end(complete, capsys):
    update_report(job_of(complete))
    assert "report: " in capsys.readouterr().out
    assert page_of(complete) and (complete[1] / "index.html").exists()


def test_stages_may_be_told_not_to(complete, capsys):
    update_report(job_of(complete, "report=off"))
    assert capsys.readouterr().out == ""
    assert not (complete[1] / "demo_sfs" / "1" / "report.html").exists()


def test_a_report_never_stops_a_stage(complete, capsys, monkeypatch):
    def broken(*args):
        raise RuntimeError("no room\nfor it")

    monkeypatch.setattr("models.report.pages.gather_scan", broken)
    update_report(job_of(complete))
    assert capsys.readouterr().out == "note: the report was not written: no room for it\n"
