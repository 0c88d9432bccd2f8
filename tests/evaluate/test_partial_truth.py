"""evaluate.py against scans with holes and depth maps, as DeepHandMesh has them: known offsets."""

import os
import pickle

import numpy as np
import pytest
import torch

from models.hand.fitted import FittedHand
from tests.scenes.dhm_tree import (
    scan_of,
    write_depth_maps,
    write_frame,
    write_keypoints,
    write_scan,
    write_tree,
)
from tests.scenes.evaluation import write_reconstruction
from utils.geometry.mesh import vertex_normals
from utils.io.files import load_json
from utils.io.meshes import save_mesh
from utils.keypoints.order import save_keypoints

FRAME, HOLE = 13, 300  # the vertex in the middle of the scan's hole


@pytest.fixture
def mesh(one_hand):
    return one_hand.true.double().numpy(), one_hand.faces


@pytest.fixture
def keypoints(one_hand):
    points = np.full((2, 21, 3), np.nan)
    points[1] = FittedHand.of_dict(one_hand.parameters[0]).keypoints().numpy()
    return points


@pytest.fixture
def tree(one_hand, mesh, keypoints, tmp_path):
    tree = write_tree(tmp_path / "data", one_hand.cameras)
    for frame in (3, FRAME):
        write_frame(tree, frame, one_hand.images)
    write_keypoints(tree, FRAME, keypoints)
    write_depth_maps(tree, FRAME, one_hand.cameras, mesh, (256, 167))
    write_scan(tree, FRAME, *scan_of(*mesh, HOLE))
    write_reconstruction(tmp_path / "out" / "demo_sfs" / "1", one_hand)
    return tree


@pytest.fixture
def judged(tree, run_main, tmp_path):
    """Run evaluate.py on scan 1: what it printed, and the truth's scores."""

    def run(*more, status=0):
        out = tmp_path / "out"
        options = [*tree.options, "--scan_id", "1", "--out_path", out, "--device", "cpu"]
        done = run_main("evaluate.py", *options, *more)
        assert done.returncode == status, done.stderr
        metrics = out / "demo_sfs" / "1" / "eval" / "fitted" / "metrics.json"
        return done, load_json(metrics)["truth"] if status == 0 else None

    return run


def displaced(scene, tmp_path, distance):
    """The reconstruction moved along its normals by `distance` metres."""
    normals = vertex_normals(scene.true, torch.from_numpy(scene.faces))
    write_reconstruction(
        tmp_path / "out" / "demo_sfs" / "1", scene, scene.true + distance * normals
    )


def test_the_truth_itself(judged):
    done, truth = judged()
    for name in ("all", "right"):
        for way in ("to_truth", "from_truth"):
            assert truth["surface"][name][way]["max_mm"] < 1e-3  # single precision
    assert 0.002 < truth["surface"]["all"]["to_truth"]["left_out"] < 0.05  # the hole
    assert truth["surface"]["all"]["from_truth"]["left_out"] < 0.001
    assert truth["surface"]["all"]["mesh_in_region"] > 0.85  # all but what is behind the wrist
    assert truth["surface"]["all"]["truth_in_region"] < 0.6  # forearm and ball are not
    # depths are kept with 24 bits, of 800 mm; pixels at outlines may be of another face
    assert truth["depth"]["all"]["median_mm"] < 1e-3 and truth["depth"]["all"]["pixels"] > 1000
    assert truth["depth"]["all"]["within_5_mm"] > 0.999
    assert [view["name"] for view in truth["depth"]["views"]] == [
        "cam400002",
        "cam400004",
        "cam400006",
    ]
    for words in ("right, scan to mesh", "all pixels", "within 30 mm of the bones"):
        assert words in done.stdout


def test_a_mesh_that_is_a_millimetre_too_large(judged, one_hand, tmp_path):
    displaced(one_hand, tmp_path, 0.001)
    _, truth = judged()
    for way in ("to_truth", "from_truth"):
        scores = truth["surface"]["right"][way]
        # 1 mm along vertices' normals is less along the faces', and in folds less still
        assert scores["mean_mm"] == pytest.approx(1, abs=0.06)
        assert scores["p50_mm"] == pytest.approx(1, abs=0.04)
        assert scores["p90_mm"] == pytest.approx(1, abs=0.02)
    # along z, a millimetre of a surface seen at an angle a is 1 / cos a
    assert 1 < truth["depth"]["all"]["median_mm"] < 2


def test_depth_of_a_hand_that_is_nearer(judged, one_hand, tmp_path):
    """Moved by 3 mm towards a camera, that camera's depths are 3 mm less."""
    towards = -0.003 * one_hand.cameras.R[1, 2]
    write_reconstruction(
        tmp_path / "out" / "demo_sfs" / "1", one_hand, one_hand.true.double() + towards
    )
    _, truth = judged()
    view = truth["depth"]["views"][1]
    # it also grows by 3 / 800 about the middle, which moves it along slopes by up to 0.3 mm
    assert view["median_mm"] == pytest.approx(3, abs=0.3)
    assert view["within_5_mm"] > 0.9


def test_a_named_scan_in_a_region(judged, mesh, keypoints, tmp_path):
    """--gt_mesh and --gt_partial: world units; the region by true keypoints, or by the fit's."""
    save_mesh(tmp_path / "scan.ply", *scan_of(*mesh, HOLE))
    save_keypoints(tmp_path / "gt.xyz", keypoints)
    partial = ["--gt_mesh", tmp_path / "scan.ply", "--gt_partial"]
    done, truth = judged(*partial)
    assert truth["surface"]["right"]["from_truth"]["max_mm"] < 1e-3
    assert "of the fitted hands" in done.stdout and "depth" not in truth
    done, truth = judged(*partial, "--gt_keypoints", tmp_path / "gt.xyz")
    assert truth["surface"]["right"]["from_truth"]["max_mm"] < 1e-3
    assert "of the true keypoints" in done.stdout
    _, truth = judged(*partial[:2])  # the forearm and the ball count
    assert truth["surface"]["right"]["from_truth"]["max_mm"] > 100
    refused, _ = judged("--gt_partial", status=2)
    assert "--gt_partial says what --gt_mesh is like" in refused.stderr


def test_a_frame_that_others_leave_out_and_one_without_truth(judged, tree):
    for path in (tree.scan(FRAME), tree.keypoints(FRAME)):
        name = path.name.replace("13", "36")
        path.with_name(name).write_bytes(path.read_bytes())
    for camera in (*tree.cameras, "410001"):
        tree.photo(camera, FRAME).rename(tree.photo(camera, 36))
    done, truth = judged()
    assert "FreqHand leaves out frame 36" in done.stdout and "depth" not in truth
    tree.scan(36).unlink()
    assert judged()[1] is None


class Code:
    def __reduce__(self):
        return os.system, ("true",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (pickle.dumps(np.zeros((8, 8)))[:-20], "is no complete pickle of a depth map"),
        (pickle.dumps(Code()), "refuses to load"),
        (pickle.dumps(np.zeros((8, 8, 3))), "holds an array (8, 8, 3) of float64"),
        (pickle.dumps(np.full((8, 8), np.nan)), "holds nan, expected millimetres"),
    ],
)
def test_depth_maps_that_are_none(judged, tree, content, words):
    tree.depth_map("400004", FRAME).write_bytes(content)
    done, _ = judged(status=2)
    assert words in done.stderr and "depthmap400004.pkl" in done.stderr


def test_depth_maps_of_nothing_and_broken_scans(judged, tree):
    for camera in tree.cameras:
        tree.depth_map(camera, FRAME).write_bytes(pickle.dumps(np.zeros((256, 167), np.float32)))
    done, _ = judged(status=2)
    assert "none of the 3 depth maps" in done.stderr
    tree.scan(FRAME).write_bytes(tree.scan(FRAME).read_bytes()[:1000])
    done, _ = judged(status=2)
    assert "000013.ply is no readable surface" in done.stderr
