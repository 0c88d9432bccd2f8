"""DeepHandMesh's layout: a miniature tree by our own writer, read in place."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from models.hand.fitted import FittedHand
from tests.scenes.captures import write_pose
from tests.scenes.dhm_tree import (
    SEQUENCE,
    SUBJECT,
    DhmTree,
    scan_of,
    write_depth_maps,
    write_frame,
    write_keypoints,
    write_scan,
    write_tree,
)
from tests.scenes.ham import hand_scene
from utils.captures import list_scans, load_capture
from utils.captures.calibrations import krt
from utils.captures.camera_files import save_cameras
from utils.captures.open import named_out_path
from utils.captures.readers.dhm_truth import annotated_keypoints, scaled_K
from utils.errors import UserError
from utils.io.meshes import load_mesh
from utils.keypoints import SIDES
from utils.keypoints.order import load_keypoints

FRAMES = (3, 13, 12044)
VIEWS, PIXELS = 5, 100
KRT = Path(__file__).parents[5] / "shared" / "formats" / "deephandmesh" / "KRT"


@pytest.fixture(scope="module")
def scene():
    return hand_scene(sides=("right",), views=VIEWS, pixels=PIXELS)


@pytest.fixture(scope="module")
def keypoints(scene):
    points = np.full((2, 21, 3), np.nan)
    points[1] = FittedHand.of_dict(scene.parameters[0]).keypoints().numpy()
    return points


@pytest.fixture
def tree(scene, keypoints, tmp_path) -> DhmTree:
    """Three frames, the middle one annotated."""
    tree = write_tree(tmp_path / "data", scene.cameras)
    for frame in FRAMES:
        write_frame(tree, frame, scene.images)
    write_keypoints(tree, 13, keypoints)
    return tree


def opened(tree, scan="1", made=None, **config):
    return load_capture(tree.root, scan, tree.config | config, made or tree.root.parent / "made")


def test_cameras_are_those_that_were_written(tree, scene):
    capture = opened(tree)
    assert capture.names == [f"cam{name}" for name in tree.cameras] and capture.unit == "m"
    # diag(w / 334, h / 512) K of the photos' 100x100, text with 17 digits, mm to m
    for key in ("K", "R", "t"):
        ours, theirs = getattr(capture.cameras, key), getattr(scene.cameras, key)
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)
    assert capture.cameras.sizes.tolist() == [[PIXELS, PIXELS]] * VIEWS
    assert np.abs(capture.image(2) - scene.images[2]).mean() < 0.02  # as JPEG keeps it


def test_what_had_to_be_interpreted_is_said(tree):
    notes = "\n".join(opened(tree).notes)
    assert "grey cameras are left out: 1 of 6" in notes
    assert "K of KRT_512, which is of 334x512, is scaled to photos of 100x100" in notes
    assert f"{SUBJECT}/{SEQUENCE}: scan 1 is frame 13" in notes


def test_keypoints_are_the_annotated_ones_in_our_order(tree, scene, keypoints):
    xy, confidence = opened(tree).keypoints
    expected = scene.cameras.project(torch.from_numpy(keypoints[1])).numpy()
    inside = ((expected > -0.5) & (expected < PIXELS - 0.5)).all(-1)
    assert inside.mean() > 0.8  # of some views, the hand is at the border
    np.testing.assert_allclose(xy[:, 1][inside], expected[inside], atol=1e-6)
    assert (confidence[:, 1] == inside).all()
    assert np.isnan(xy[:, 0]).all() and (confidence[:, 0] == 0).all()


def test_both_hands_left_first_and_missing_lines(tree, keypoints):
    both = np.stack([keypoints[1] * [-1, 1, 1], keypoints[1]])
    both[0, 4] = np.nan
    write_keypoints(tree, 13, both)
    wrist = [float(x) for x in tree.keypoints(13).read_text().splitlines()[20].split()[:4]]
    np.testing.assert_allclose(wrist, [20, *1000 * both[1, 0]])
    np.testing.assert_allclose(annotated_keypoints(tree.keypoints(13)), both, atol=1e-15)


def test_scans_are_frames_in_order_of_their_numbers(tree):
    assert list_scans(tree.root, tree.config) == ["0", "1", "2"]
    assert [p.name for p in opened(tree).image_paths] == ["image00013.jpg"] * VIEWS
    assert opened(tree, "0", frame=13).name == f"{SUBJECT}/{SEQUENCE}, frame 13"
    assert opened(tree, "2", keypoints="detected").name.endswith("frame 12044")


def test_frames_padded_otherwise(tree):
    """Three paddings: of photos, of keypoints, and of folders and scans."""
    for camera in tree.cameras:
        tree.photo(camera, 13).rename(tree.photo(camera, 13).with_name("image13.jpg"))
    tree.keypoints(13).rename(tree.keypoints(13).with_name("keypoints000013.pts"))
    assert np.isfinite(opened(tree).keypoints[0]).any()


def test_nothing_is_written_into_the_data(tree, scene, tmp_path):
    capture = opened(tree, made=tmp_path / "made" / "1", keypoints="detected")
    assert capture.views[0].mask_path == tmp_path / "made" / "1" / "mask" / "cam400002.png"
    assert capture.views[0].pose_path == tmp_path / "made" / "1" / "pose" / "cam400002.json"
    capture.views[1].save_mask(capture.views[1].mask_path, scene.masks[1])
    again = opened(tree, made=tmp_path / "made" / "1", keypoints="detected")
    np.testing.assert_array_equal(again.mask(1), scene.masks[1])
    assert named_out_path(tree.root, tree.config) == Path(f"dhm_out/{SUBJECT}_{SEQUENCE}")


def test_cameras_dropped_and_kept_for_judging(tree):
    capture = opened(tree, drop_cam="cam400002", eval_cam="400006, 400010")
    assert capture.names == ["cam400004", "cam400008"]
    assert capture.held.names == ["cam400006", "cam400010"]
    assert np.abs(capture.held.image(0) - capture.image(0)).max() > 0.1
    with pytest.raises(UserError, match=r"eval_cam: .* has no camera 400999; it has 400002"):
        opened(tree, eval_cam="400999")


def test_photos_resized_by_the_config(tree, scene):
    capture = opened(tree, w=50, h=50)
    assert capture.image(0).shape == (50, 50, 3)
    # halved photos: borders stay borders
    x = capture.cameras.project(scene.true[:9].double())[0, :, 0]
    full = scene.cameras.project(scene.true[:9].double())[0, :, 0]
    torch.testing.assert_close(x, (full + 0.5) / 2 - 0.5)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((512, 334), (167.0, 256.0, 600.0, 600.0)),
        ((1024, 668), (334.0, 512.0, 1200.0, 1200.0)),
        ((256, 334), (167.0, 128.0, 600.0, 300.0)),  # by the rule, whatever the shape
        ((334, 512), (256.0, 167.0, 919.76, 391.41)),
    ],
)
def test_k_follows_the_pictures_size(size, expected):
    K = np.array([[600.0, 0, 167], [0, 600, 256], [0, 0, 1]])
    found = scaled_K(K, size)
    np.testing.assert_allclose([*found[:2, 2], found[0, 0], found[1, 1]], expected, rtol=1e-4)


def test_k_of_a_camera_that_lies():
    K = np.array([[600.0, 0, 256], [0, 600, 167], [0, 0, 1]])
    np.testing.assert_array_equal(scaled_K(K, (334, 512)), K)
    np.testing.assert_allclose(scaled_K(K, (668, 1024))[:2, 2], [512, 334])


class TestBadInput:
    def test_a_frame_without_annotation(self, tree):
        with pytest.raises(UserError, match=r"keypoints0003.pts is missing: .*keypoints=detected"):
            opened(tree, "0")

    def test_broken_keypoints(self, tree):
        tree.keypoints(13).write_text("0 1 2\n")
        with pytest.raises(UserError, match=r"pts is no file of keypoints .*; copy it again"):
            opened(tree)
        tree.keypoints(13).write_text("42 1 2 3 4 5\n")
        with pytest.raises(UserError, match=r"no file of keypoints .*42 1 2 3 4 5"):
            opened(tree)
        tree.keypoints(13).write_text("")
        with pytest.raises(UserError, match=r"pts holds no keypoint; take another frame"):
            opened(tree)

    def test_a_camera_without_the_frame_and_one_without_calibration(self, tree):
        tree.photo("400004", 13).unlink()
        shutil.copytree(tree.sequence / "cam400002", tree.sequence / "cam400099")
        capture = opened(tree)
        assert capture.names == ["cam400002", "cam400006", "cam400008", "cam400010"]
        assert "cameras 400004 are left out: no image of frame 13" in capture.notes
        assert "cameras 400099 are left out: not in the camera file" in capture.notes

    @pytest.mark.parametrize("damage", ["cut", "text"])
    def test_an_unreadable_photo_is_left_out(self, tree, damage):
        path = tree.photo("400006", 13)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2] if damage == "cut" else b"no picture at all")
        capture = opened(tree)
        assert capture.names == ["cam400002", "cam400004", "cam400008", "cam400010"]
        assert any(
            "view cam400006 is left out" in note and path.name in note for note in capture.notes
        )
        for camera in ("400002", "400004"):
            tree.photo(camera, 13).write_bytes(b"")
        with pytest.raises(
            UserError, match=r"2 views are left, 3 are needed .*image00013.jpg is"
        ):  # two are too few
            opened(tree)

    @pytest.mark.parametrize(
        ("config", "words"),
        [
            (
                {"capture_name": "subject_5"},
                "images holds no subject_5 .* there are subject_4",
            ),
            (
                {"data_name": ""},
                "0007_RT_fist, 0008_RT_flat; .* --set data_name=",
            ),
            ({"data_name": "0000"}, f"holds no 0000 .data_name = 0000.; there are {SEQUENCE}"),
            ({"frame": 14}, "frame = 14: no image of it; .* 3 frames from 3 to 12044"),
        ],
    )
    def test_names_that_are_not_there(self, tree, config, words):
        (tree.sequence.parent / "0008_RT_flat").mkdir()
        with pytest.raises(UserError, match=words):
            opened(tree, **config)

    def test_a_scan_that_is_no_place(self, tree):
        for scan in ("3", "x"):
            with pytest.raises(UserError, match=rf"{scan}: expected the place of a frame, 0 to 2"):
                opened(tree, scan)

    def test_folders_without_what_is_expected(self, tree):
        (tree.annotations / "KRT_512").rename(tree.annotations / "KRT")
        with pytest.raises(UserError, match=r"KRT_512 is missing"):
            opened(tree)
        (tree.annotations / "KRT").rename(tree.annotations / "KRT_512")
        with pytest.raises(UserError, match=r"images is no folder; data_path must be"):
            load_capture(tree.annotations, "1", tree.config)
        shutil.rmtree(tree.sequence)
        tree.sequence.mkdir()
        with pytest.raises(UserError, match=r"no camera holds an image"):
            opened(tree)


@pytest.mark.skipif(not KRT.is_file(), reason="the studio's own file is not here")
def test_a_file_of_the_studio():
    """The numbers that its check.py prints."""
    cameras = {camera.name: camera for camera in krt.read(KRT).cameras}
    assert len(cameras) == 38
    np.testing.assert_allclose(cameras["400069"].center, [256.806, 324.452, 40.304], atol=5e-4)
    point = np.array([[5.63, -3.06, 1041.73]])  # given to 0.005 mm, at 8 pixels a mm
    pixel = cameras["400069"].project(point)[0]
    np.testing.assert_allclose(pixel, [679.347, 1058.507], atol=0.06)


@pytest.mark.slow
def test_the_pipeline_gives_the_mesh_of_the_same_capture_in_demo_form(run_main, tmp_path):
    """demo_data/1's right hand, written with the set's conventions, and as D/S/img and so on.

    The same photos, masks and keypoints. Within 0.05 mm, as promised; measured 0.00001 mm after
    20 coarse steps, and more after more: refinement magnifies the last digits of its inputs.
    """
    source = load_capture("demo_data", "1")
    tree = write_tree(tmp_path / "data", source.cameras)
    for frame in FRAMES:
        write_frame(tree, frame, [source.image(view) for view in range(len(source))])
    points = load_keypoints("demo_data/1/gt/keypoints3d.xyz")
    points[SIDES.index("left")] = np.nan
    write_keypoints(tree, 13, points)
    verts, faces = load_mesh("demo_data/1/gt/mesh.ply")
    half = len(verts) // 2
    verts, faces = verts[half:], faces[faces[:, 0] >= half] - half
    write_depth_maps(tree, 13, source.cameras, (verts, faces), (256, 167))
    write_scan(tree, 13, *scan_of(verts, faces, hole=20000))

    out, demo = tmp_path / "out", tmp_path / "demo_data" / "1"
    level = "ham_levels=[{verts=3000, image_scale=0.5, steps=20, lr=0.03, smoothness=20.0}]"
    in_place = [*tree.options, "--scan_id", "1", "--out_path", out, "--set", level]
    for stage in ("pose_optim.py", "detect_hands.py"):
        assert run_main(stage, *in_place).returncode == 0
    (out / "detect" / "1_files.json").unlink()  # masks of its own would be made again
    capture = load_capture(tree.root, "1", tree.config, out / "made" / "1")
    for number, view in enumerate(capture.views):
        for folder, path in (("img", view.image_path), ("mask", view.mask_path)):
            (demo / folder).mkdir(parents=True, exist_ok=True)
            if path.is_file():  # of one view, no mask can be made
                shutil.copy(path, demo / folder / f"{number:02d}{path.suffix}")
        write_pose(demo / "pose" / f"{number:02d}.json", view.keypoints()[0], view.size)
    save_cameras(demo / "camera" / "param.npz", source.cameras, None)
    usual = ["--data_path", demo.parent, "--out_path", tmp_path / "usual", "--set", level]

    meshes = []
    for options, results in ((in_place, out), (usual, tmp_path / "usual")):
        for stage in ("pose_optim.py", "mano_optim.py", "mesh_sfs_optim.py"):
            done = run_main(stage, *options)
            assert done.returncode == 0, done.stderr
        meshes.append(load_mesh(results / "demo_sfs" / "1" / "1.obj")[0])
    apart = 1000 * np.linalg.norm(meshes[0] - meshes[1], axis=1)
    assert apart.max() < 0.05
    judged = run_main("evaluate.py", *in_place)
    assert judged.returncode == 0 and "right, scan to mesh" in judged.stdout
