"""The .glb against our own skinning, by a reader and a skinning that share no code with it."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from models.export.files import animated_glb
from models.export.motion import motions_of
from models.export.reposing import Reposer
from models.export.scene import scene_frame
from models.export.skinned import NODE_NAMES, skinned_hand
from models.export.textures import HandTextures
from models.hand.fitted import FittedHand
from models.textures.layout import surface_texels, texture_layout
from tests.scenes.export import GlbFile, refined_hands
from tests.scenes.motion import smplh, write_sequence
from utils.geometry.mesh import vertex_normals
from utils.keypoints import SIDES
from utils.motion.load import load_motion
from utils.motion.options import MotionOptions
from utils.synthetic.fields import srgb_from_linear

glb = pytest.importorskip("models.export.glb", reason="pygltflib is not installed")

FLOAT32 = 1e-6  # metres: of sums of products of float32; 0.1 mm is what is promised


def written(reconstruction, fine=False, textures=None, motions=None) -> GlbFile:
    frame = scene_frame(reconstruction)
    hands = [skinned_hand(reconstruction, side, frame, fine) for side in reconstruction.sides]
    return GlbFile.of(glb.glb_bytes(hands, textures, frame, motions))


def own_mesh(reconstruction, side: str, fine: bool):
    """The fitted hand, its vertices in the world, its faces and dense skinning weights."""
    alone = reconstruction.hand(side)
    hand = FittedHand.of_dict(alone.hands[0])
    finer = hand.model.subdivide(reconstruction.subdivisions if fine else 0)
    count = finer.matrix.shape[0]
    verts, weights = torch.from_numpy(alone.verts[:count]), finer.carry(hand.model.weights)
    return hand, verts, finer.faces, weights


def flat(textures: dict) -> dict:
    return {side: HandTextures(*[image] * 3, 0.5) for side, image in textures.items()}


@pytest.mark.parametrize("fine", [False, True], ids=["light", "fine"])
@pytest.mark.parametrize("unit", [1.0, 1000.0], ids=["metres", "millimetres"])
def test_captured_pose_is_the_captured_mesh_in_metres(fine, unit):
    reconstruction = refined_hands(unit=unit)
    file, frame = written(reconstruction, fine), scene_frame(reconstruction)
    for number, side in enumerate(SIDES):
        _, verts, _, _ = own_mesh(reconstruction, side, fine)
        vertex = skinned_hand(reconstruction, side, frame, fine).vertex
        moved = file.skinned(number)
        assert np.abs(moved - frame.apply(verts.numpy())[vertex]).max() < FLOAT32
        back = np.array(file.json["scenes"][0]["extras"]["world_from_scene"])
        world = moved @ back[:3, :3].T + back[:3, 3]
        assert np.abs(world - verts.numpy()[vertex]).max() < 2 * FLOAT32 * unit
        assert 0.1 < np.ptp(moved, axis=0).max() < 0.3  # a hand's size


@pytest.mark.parametrize("fine", [False, True], ids=["light", "fine"])
def test_random_poses_are_our_own_skinning(fine):
    reconstruction = refined_hands()
    file, frame = written(reconstruction, fine), scene_frame(reconstruction)
    random = torch.Generator().manual_seed(3)
    for number, side in enumerate(SIDES):
        hand, verts, _, weights = own_mesh(reconstruction, side, fine)
        model = hand.model
        vertex = skinned_hand(reconstruction, side, frame, fine).vertex
        rest = model.unpose(verts[None], hand.pose, hand.shape, hand.trans, hand.scale, weights)
        for _ in range(20):
            low, high = model.pose_limits
            fingers = low + (high - low) * torch.rand(45, generator=random, dtype=torch.float64)
            turn = torch.randn(3, generator=random, dtype=torch.float64)
            pose = torch.cat([turn, fingers])[None]
            trans = hand.trans + 0.1 * torch.randn(1, 3, generator=random, dtype=torch.float64)
            own = model.repose(rest, pose, hand.shape, trans, hand.scale, weights)[0].numpy()
            absolute = torch.cat([pose[:, :3], pose[:, 3:] + model.hands_mean], 1).reshape(16, 3)
            turns = Rotation.from_rotvec(absolute.numpy())
            turns = Rotation.concatenate(
                [Rotation.from_matrix(frame.rotation) * turns[0], turns[1:]]
            )
            for name, quaternion in zip(file.joint_names(number), turns.as_quat()):
                file.node(name)["rotation"] = quaternion.tolist()
            wrist = hand.scale * model.rest_joints(hand.shape)[0, 0] + trans[0]
            file.node(f"{side}_wrist")["translation"] = frame.apply(wrist.numpy()).tolist()
            assert np.abs(file.skinned(number) - frame.apply(own)[vertex]).max() < FLOAT32


@pytest.mark.parametrize("fine", [False, True], ids=["light", "fine"])
def test_normals_and_tangents_of_the_captured_pose_are_those_that_textures_are_baked_on(fine):
    reconstruction = refined_hands()
    textures = flat({side: np.full((8, 8, 3), 128, np.uint8) for side in SIDES})
    file, frame = written(reconstruction, fine, textures), scene_frame(reconstruction)
    for number, side in enumerate(SIDES):
        _, verts, faces, _ = own_mesh(reconstruction, side, fine)
        vertex = skinned_hand(reconstruction, side, frame, fine).vertex
        wanted = vertex_normals(verts, torch.from_numpy(faces)).numpy() @ frame.rotation.T
        turn = file.blended(number)[:, :3, :3]
        normals = np.einsum("nab,nb->na", turn, file.attribute(number, "NORMAL"))
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        assert np.abs(normals - wanted[vertex]).max() < 1e-5  # float32 through a 3x3 inverse
        if fine:
            attributes = file.json["meshes"][number]["primitives"][0]["attributes"]
            assert "TANGENT" not in attributes
            continue
        tangents = file.attribute(number, "TANGENT")
        along = np.einsum("nab,nb->na", turn, tangents[:, :3])
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        assert np.abs((along * normals).sum(1)).max() < 1e-5
        assert (tangents[:, 3] == (-1 if side == "left" else 1)).all()  # the left's is mirrored


def test_nodes_are_named_and_stand_where_joints_and_fingertips_are():
    reconstruction = refined_hands()
    file, frame = written(reconstruction), scene_frame(reconstruction)
    for number, side in enumerate(SIDES):
        assert file.joint_names(number) == [f"{side}_{name}" for name in NODE_NAMES[:16]]
        hand = FittedHand.of_dict(reconstruction.hand(side).hands[0])
        joints = hand.model(hand.pose, hand.shape, hand.trans, hand.scale)[1][0].numpy()
        world = file._world()
        places = [world[k][:3, 3] for k in file.json["skins"][number]["joints"]]
        assert np.abs(places - frame.apply(joints)).max() < FLOAT32
        tip = file.node(f"{side}_index_tip")
        tip_place = world[file.json["nodes"].index(tip)][:3, 3]
        verts = frame.apply(reconstruction.hand(side).verts)
        # On the finger that its bone moves: the vertex itself also follows other bones a little.
        assert np.linalg.norm(tip_place - verts[hand.model.tips[1]]) < 0.002


def test_weights_are_four_a_vertex_or_two_sets_and_sum_to_one():
    for fine, names in ((False, ["WEIGHTS_0"]), (True, ["WEIGHTS_0", "WEIGHTS_1"])):
        file = written(refined_hands(), fine)
        attributes = file.json["meshes"][0]["primitives"][0]["attributes"]
        assert [name for name in attributes if name.startswith("WEIGHTS")] == names
        weights = np.concatenate([file.attribute(0, name) for name in names], 1)
        assert np.abs(weights.sum(1, dtype=float) - 1).max() < 1e-7  # one unit of float32
        joints = np.concatenate([file.attribute(0, f"JOINTS_{name[-1]}") for name in names], 1)
        assert (joints[weights == 0] == 0).all()


def test_a_texture_lies_where_the_vertices_colours_are():
    # A texel is at most 0.7 of 1/512 of the tile from where it is looked up; albedo changes by less
    # than 30 a metre and a tile is half a metre wide, so it differs by less than 0.03.
    reconstruction = refined_hands()
    layout = texture_layout(reconstruction.models(), reconstruction.subdivisions)
    texels = surface_texels(layout, 512)
    sheet = np.zeros((*texels.shape, 3), np.uint8)
    albedo = reconstruction.appearance.albedo.numpy()
    sheet[texels.y, texels.x] = np.round(255 * texels.at(albedo, reconstruction.faces))
    file = written(reconstruction, True, flat({"left": sheet[:, :512], "right": sheet[:, 512:]}))
    frame = scene_frame(reconstruction)
    for number, side in enumerate(SIDES):
        hand = skinned_hand(reconstruction, side, frame, True)
        material = file.json["materials"][number]
        image = file.image(material["pbrMetallicRoughness"]["baseColorTexture"]["index"])
        corners = hand.faces
        uv = file.attribute(number, "TEXCOORD_0")[corners].mean(1)  # middles: never beside an edge
        x, y = (uv * 512).astype(int).T
        off = np.abs(image[y, x] / 255 - hand.colors[corners].mean(1)).max(1)
        assert np.median(off) < 0.01
        assert np.quantile(off, 0.99) < 0.03
        assert material["doubleSided"] and "normalTexture" not in material
        assert material["pbrMetallicRoughness"]["roughnessFactor"] == 0.5


def test_without_textures_vertices_have_linear_albedo():
    reconstruction = refined_hands()
    file, frame = written(reconstruction), scene_frame(reconstruction)
    colors = file.attribute(1, "COLOR_0")
    wanted = skinned_hand(reconstruction, "right", frame).colors
    assert np.abs(srgb_from_linear(colors.astype(float)) - wanted).max() < 1e-5


def test_large_textures_are_stored_as_jpeg():
    noise = np.random.default_rng(0).integers(0, 255, (1024, 1024, 3), dtype=np.uint8)
    smooth = np.full((1024, 1024, 3), 90, np.uint8)
    file = written(refined_hands(), False, flat({"left": noise, "right": smooth}))
    kinds = {image["name"]: image["mimeType"] for image in file.json["images"]}
    assert kinds["left_albedo"] == "image/jpeg" and kinds["right_albedo"] == "image/png"
    assert "normalTexture" in file.json["materials"][0]


def test_an_animation_takes_the_poses_given():
    reconstruction, frame = refined_hands(0), None
    frame = scene_frame(reconstruction)
    bent = [dict(hand, pose=hand["pose"] * 0.5) for hand in reconstruction.hands]
    poses = [reconstruction.hands, bent]
    file = written(reconstruction, motions=motions_of(reconstruction, poses, frame, 10.0))
    (animation,) = file.json["animations"]
    for channel in animation["channels"]:
        sampler = animation["samplers"][channel["sampler"]]
        assert file.values(sampler["input"]).ravel() == pytest.approx([0, 0.1])
        node, path = channel["target"]["node"], channel["target"]["path"]
        file.json["nodes"][node][path] = file.values(sampler["output"])[1].tolist()
    hand, verts, _, weights = own_mesh(reconstruction, "left", False)
    rest = hand.model.unpose(verts[None], hand.pose, hand.shape, hand.trans, hand.scale, weights)
    own = hand.model.repose(rest, hand.pose * 0.5, hand.shape, hand.trans, hand.scale, weights)
    vertex = skinned_hand(reconstruction, "left", frame).vertex
    assert np.abs(file.skinned(0) - frame.apply(own[0].numpy())[vertex]).max() < FLOAT32


def test_a_motion_of_a_file_is_our_own_skinning_in_each_frame(tmp_path):
    turns = np.linspace(0, 1, 4)[:, None]
    fingers = {side: turns * np.random.default_rng(0).normal(0, 0.4, 45) for side in SIDES}
    poses = smplh(4, **fingers)
    poses[:, 60:66] = turns * [0.4, -0.2, 3.0, 0.1, 0.2, -0.5]
    places = {f"{side}_trans": turns * [0.1, 0.02, -0.3] for side in SIDES}
    path = write_sequence(tmp_path / "s.npz", poses, 30.0, **places)
    frames = load_motion(path, MotionOptions(fps=30))
    reconstruction = refined_hands(1)
    file = GlbFile.of(animated_glb(reconstruction, None, frames, 30.0))
    reposer, frame = Reposer(reconstruction), scene_frame(reconstruction)
    vertices = [skinned_hand(reconstruction, side, frame).vertex for side in SIDES]
    (animation,) = file.json["animations"]
    for number, target in enumerate(frames):
        for channel in animation["channels"]:
            sampler = animation["samplers"][channel["sampler"]]
            assert file.values(sampler["input"]).ravel() == pytest.approx(np.arange(4) / 30)
            node, path = channel["target"]["node"], channel["target"]["path"]
            file.json["nodes"][node][path] = file.values(sampler["output"])[number].tolist()
        for skin, side in enumerate(SIDES):
            hand, verts, _, weights = own_mesh(reconstruction, side, False)
            own = hand.pose, hand.shape, hand.trans, hand.scale
            rest = hand.model.unpose(verts[None], *own, weights)
            posed = reposer.hands(target)[side]
            moved = hand.model.repose(
                rest, posed.pose, posed.shape, posed.trans, posed.scale, weights
            )[0].numpy()
            wanted = frame.apply(moved)[vertices[skin]]
            assert np.abs(file.skinned(skin) - wanted).max() < 2 * FLOAT32


def test_quaternions_do_not_jump():
    turns = Rotation.from_rotvec(np.linspace(0, 6, 50)[:, None] * [[0, 0, 1.0]]).as_quat(True)
    smooth = glb.continuous(turns[:, None])
    assert (np.abs(np.diff(smooth, axis=0)) < 0.1).all()
