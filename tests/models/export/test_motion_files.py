"""BVH, .obj, .ply and .usdz, each read by something that did not write it."""

import numpy as np
import pytest
import torch
import trimesh
from scipy.spatial.transform import Rotation

from models.export.bvh import bvh_text
from models.export.motion import motions_of
from models.export.plain import obj_texts, ply_bytes
from models.export.scene import scene_frame
from models.export.skinned import dense, influences, skinned_hand
from models.export.textures import HandTextures
from models.hand.fitted import FittedHand
from tests.scenes.export import refined_hands

ROUNDED = 1e-6  # metres, of files with six digits of a centimetre or seven of a metre
TEXTURES = HandTextures(*[np.full((8, 8, 3), 128, np.uint8)] * 3, 0.5)


def bvh_joints(text: str) -> list[dict[str, np.ndarray]]:
    """Places (3,) of joints and end sites by name, frame by frame, centimetres."""
    hierarchy, motion = text.split("MOTION\n")
    nodes, stack, name = {}, [], ""
    for line in hierarchy.splitlines()[1:]:
        words = line.split()
        if words[0] in ("ROOT", "JOINT", "End"):
            name = words[1] if words[0] != "End" else f"{stack[-1]} end"
            nodes[name] = {"parent": stack[-1] if stack else None, "channels": 0}
        elif words[0] == "{":
            stack.append(name)
        elif words[0] == "}":
            stack.pop()
        elif words[0] == "OFFSET":
            nodes[name]["offset"] = np.array(words[1:], float)
        else:
            nodes[name]["channels"] = int(words[1])
    lines = motion.splitlines()
    assert lines[0] == f"Frames: {len(lines) - 2}"
    return [_places(nodes, np.array(line.split(), float)) for line in lines[2:]]


def _places(nodes: dict, row: np.ndarray) -> dict[str, np.ndarray]:
    turns, places, at = {}, {}, 0
    for name, node in nodes.items():
        values = row[at : at + node["channels"]]
        at += node["channels"]
        own = np.eye(3)
        if len(values):
            z, x, y = np.deg2rad(values[-3:])
            own = np.eye(3)
            for axis, angle in ((2, z), (0, x), (1, y)):
                own = own @ Rotation.from_rotvec(angle * np.eye(3)[axis]).as_matrix()
        parent = node["parent"]
        if parent is None:
            turns[name], places[name] = own, values[:3] + node["offset"]
        else:
            turns[name] = turns[parent] @ own
            places[name] = places[parent] + turns[parent] @ node["offset"]
    assert at == len(row)
    return places


def test_bvh_moves_the_joints_as_the_model_does():
    reconstruction = refined_hands(0)
    frame = scene_frame(reconstruction)
    bent = [dict(hand, pose=hand["pose"] * 0.3) for hand in reconstruction.hands]
    motions = motions_of(reconstruction, [reconstruction.hands, bent], frame, 30.0)
    for side, other in zip(("left", "right"), bent):
        hand = skinned_hand(reconstruction, side, frame)
        text = bvh_text(hand, motions[side])
        assert "Frame Time: 0.0333333333" in text
        poses = [reconstruction.hand(side).hands[0], other]
        for places, pose in zip(bvh_joints(text), poses, strict=True):
            own = FittedHand.of_dict(pose)
            joints = own.model(own.pose, own.shape, own.trans, own.scale)[1][0].numpy()
            found = [places[name] / 100 for name in hand.names[:16]]
            assert np.abs(found - frame.apply(joints)).max() < ROUNDED
            assert f"{side}_thumb_3 end" in places


def test_obj_is_the_captured_mesh(tmp_path):
    reconstruction = refined_hands(1)
    hand = skinned_hand(reconstruction, "left", scene_frame(reconstruction), fine=True)
    for name, content in obj_texts(hand, "1_left", TEXTURES).items():
        (tmp_path / name).write_bytes(content)
    names = ["1_left.mtl", "1_left.obj", "1_left_albedo.png"]  # the fine mesh needs no normal map
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    mesh = trimesh.load(tmp_path / "1_left.obj", process=False, maintain_order=True)
    assert np.abs(mesh.vertices - hand.captured).max() < ROUNDED
    assert (mesh.faces == hand.faces).all()
    assert np.abs(mesh.visual.uv - hand.uv).max() < ROUNDED
    assert mesh.visual.material.image.size == (8, 8)


def test_ply_is_the_captured_mesh_before_it_is_split_at_seams(tmp_path):
    reconstruction = refined_hands(1)
    frame = scene_frame(reconstruction)
    (tmp_path / "1_right.ply").write_bytes(
        ply_bytes(skinned_hand(reconstruction, "right", frame, fine=True))
    )
    mesh, alone = (
        trimesh.load(tmp_path / "1_right.ply", process=False),
        reconstruction.hand("right"),
    )
    assert np.abs(mesh.vertices - frame.apply(alone.verts)).max() < ROUNDED
    assert (mesh.faces == alone.faces).all()
    albedo = alone.appearance.albedo.clamp(0, 1).numpy()
    assert np.abs(mesh.visual.vertex_colors[:, :3] / 255 - albedo).max() <= 0.5 / 255 + 1e-6


def test_obj_without_textures_has_colours():
    reconstruction = refined_hands(0)
    hand = skinned_hand(reconstruction, "right", scene_frame(reconstruction))
    files = obj_texts(hand, "1_right", None)
    assert list(files) == ["1_right.obj"]
    first = files["1_right.obj"].decode().splitlines()[0].split()
    assert [float(x) for x in first[4:]] == pytest.approx(hand.colors[0].tolist(), abs=1e-6)


@pytest.mark.parametrize("textures", [None, TEXTURES], ids=["colours", "textures"])
def test_usd_skins_the_captured_pose(tmp_path, textures):
    usd = pytest.importorskip("pxr.Usd", reason="usd-core is not installed")
    from pxr import Gf, UsdGeom, UsdShade, UsdSkel

    from models.export.usd import usdz_bytes

    reconstruction = refined_hands(1)
    frame = scene_frame(reconstruction)
    hands = [skinned_hand(reconstruction, side, frame, True) for side in reconstruction.sides]
    by_side = None if textures is None else {hand.side: textures for hand in hands}
    (tmp_path / "1.usdz").write_bytes(usdz_bytes(hands, by_side))
    stage = usd.Stage.Open(str(tmp_path / "1.usdz"))
    stage.SetEditTarget(stage.GetSessionLayer())  # a .usdz is not written to
    assert UsdGeom.GetStageUpAxis(stage) == "Y" and UsdGeom.GetStageMetersPerUnit(stage) == 1
    for hand in hands:
        root = UsdSkel.Root(stage.GetPrimAtPath(f"/hands/{hand.side}_hand"))
        mesh = stage.GetPrimAtPath(f"/hands/{hand.side}_hand/mesh")
        material = UsdShade.MaterialBindingAPI(mesh).ComputeBoundMaterial()[0]
        texture = UsdShade.Shader(stage.GetPrimAtPath(f"{material.GetPath()}/albedo"))
        assert bool(texture) == (textures is not None)
        if textures is not None:
            assert texture.GetInput("file").Get().resolvedPath
        assert UsdSkel.BakeSkinning(
            root, Gf.Interval(0, 0)
        )  # writes points as the animation moves them
        points = np.array(UsdGeom.Mesh(mesh).GetPointsAttr().Get(0))
        assert np.abs(points - hand.captured).max() < 1e-6  # float32


def test_influences_beyond_eight_are_left_out_and_few_stay_four():
    rng = np.random.default_rng(0)
    few = np.zeros((5, 16))
    few[:, [1, 4, 7, 9, 12]] = [0.5, 0.2, 0.2, 0.0997, 0.0003]  # the fifth moves nothing visibly
    joints, weights = influences(few)
    assert joints.shape == (5, 4) and joints.dtype == np.uint8
    assert weights.sum(1) == pytest.approx(1)
    assert joints[0].tolist() == [1, 4, 7, 9]
    many = rng.dirichlet(np.ones(16), 20)
    joints, weights = influences(many)
    assert joints.shape == (20, 8) and weights.sum(1) == pytest.approx(1)
    assert (np.sort(dense(joints, weights), 1)[:, :8] == 0).all()


def test_scene_is_upright_and_its_way_back_is_exact():
    reconstruction = refined_hands(0, unit=100.0)
    frame = scene_frame(reconstruction)
    assert frame.unit.name == "centimetre" and frame.metres == 0.01
    points = frame.apply(reconstruction.verts)
    back = frame.world_from_scene()
    assert np.abs(points @ back[:3, :3].T + back[:3, 3] - reconstruction.verts).max() < 1e-9
    assert np.linalg.det(frame.rotation) == pytest.approx(1)
    up = -reconstruction.cameras.R[:, 1].mean(0).numpy()
    assert frame.rotation @ up / np.linalg.norm(up) == pytest.approx([0, 1, 0], abs=1e-9)
    first = frame.apply(reconstruction.cameras.centers()[0].numpy())
    assert first[0] == pytest.approx(0, abs=1e-9) and first[2] > 0
    assert (points.max(0) + points.min(0)) == pytest.approx([0, 0, 0], abs=0.1)


def test_cameras_of_which_none_says_what_is_up():
    reconstruction = refined_hands(0)
    down = torch.tensor([[[1.0, 0, 0], [0, 1, 0], [0, 0, 1]], [[-1, 0, 0], [0, -1, 0], [0, 0, 1]]])
    cameras = reconstruction.cameras[[0, 1]]
    object.__setattr__(cameras, "R", down.double())
    object.__setattr__(reconstruction, "cameras", cameras)
    rotation = scene_frame(reconstruction).rotation
    assert np.abs(rotation @ rotation.T - np.eye(3)).max() < 1e-9
