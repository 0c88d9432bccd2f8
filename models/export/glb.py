"""Skinned, textured hands as binary glTF 2.0, whose conventions they have (metres, y up)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pygltflib as gltf
from scipy.spatial.transform import Rotation

from models.export.motion import Motion
from models.export.scene import SceneFrame
from models.export.skinned import NODE_PARENTS, SET, SkinnedHand
from models.export.textures import ROUGHNESS, HandTextures
from utils.keypoints.order import N_JOINTS
from utils.synthetic.fields import linear_from_srgb

COMPONENTS = {"<f4": gltf.FLOAT, "|u1": gltf.UNSIGNED_BYTE, "<u4": gltf.UNSIGNED_INT}
TYPES = {(): "SCALAR", (2,): "VEC2", (3,): "VEC3", (4,): "VEC4", (16,): "MAT4"}
GENERATOR = "export.py"
ALIGNMENT = 4  # bytes


def glb_bytes(
    hands: Sequence[SkinnedHand],
    textures: Mapping[str, HandTextures] | None,
    frame: SceneFrame,
    motions: Mapping[str, Motion] | None = None,
) -> bytes:
    """A GLB file of hands in one scene frame, with textures by side or else vertex colours.

    motions: by side, what an animation of the file shows.

    For each hand: an armature node with its 16 joints and 5 fingertips in the captured pose, whose
    inverse bind matrices are of the rest pose, and a skinned mesh. The scene's extras say where
    the scene is in the capture's world.
    """
    file = _File()
    for hand in hands:
        own = None if textures is None else textures[hand.side]
        file.add(hand, own, None if motions is None else motions[hand.side])
    extras = {
        "world_from_scene": frame.world_from_scene().tolist(),
        "world_unit": frame.unit.note,
    }
    return file.packed(extras)


class _File:
    """A glTF file as it grows."""

    def __init__(self) -> None:
        self.gltf = gltf.GLTF2(asset=gltf.Asset(version="2.0", generator=GENERATOR))
        self.blob = bytearray()
        self.roots: list[int] = []

    def add(self, hand: SkinnedHand, textures: HandTextures | None, motion: Motion | None) -> None:
        """Add one hand: its mesh, material, skeleton and skin."""
        material = self._material(hand, textures)
        mesh = self._mesh(hand, textures, material)
        joints = self._skeleton(hand)
        bind = np.tile(np.eye(4), (N_JOINTS, 1, 1))
        bind[:, 3, :3] = -hand.nodes[:N_JOINTS]  # column-major: the last column is the offset
        self.gltf.skins.append(
            gltf.Skin(
                name=f"{hand.side}_hand",
                inverseBindMatrices=self._accessor(bind.reshape(-1, 16).astype("<f4"), None),
                skeleton=joints[0],
                joints=joints[:N_JOINTS],
            )
        )
        node = gltf.Node(name=f"{hand.side}_hand_mesh", mesh=mesh, skin=len(self.gltf.skins) - 1)
        self.roots.append(self._node(node))  # a root: parents must not move skinned meshes
        if motion is not None:
            self._animate(joints, motion)

    def packed(self, extras: dict) -> bytes:
        """The finished file."""
        scene = gltf.Scene(name="hands", nodes=self.roots, extras=extras)
        self.gltf.scene, self.gltf.scenes = 0, [scene]
        self.gltf.buffers = [gltf.Buffer(byteLength=len(self.blob))]
        self.gltf.set_binary_blob(bytes(self.blob))
        return b"".join(self.gltf.save_to_bytes())

    def _skeleton(self, hand: SkinnedHand) -> list[int]:
        """The 21 nodes in the captured pose, below an armature node."""
        quaternions = Rotation.from_matrix(hand.captured_pose.rotations[0]).as_quat()
        places = np.concatenate([hand.captured_pose.places, hand.offsets()[1:]])
        nodes = []
        for k, name in enumerate(hand.names):
            node = gltf.Node(name=name, translation=places[k].tolist())
            if k < N_JOINTS:
                node.rotation = quaternions[k].tolist()
            nodes.append(self._node(node))
            if NODE_PARENTS[k] >= 0:
                self.gltf.nodes[nodes[NODE_PARENTS[k]]].children.append(nodes[k])
        self.roots.append(self._node(gltf.Node(name=f"{hand.side}_hand", children=[nodes[0]])))
        return nodes

    def _animate(self, joints: Sequence[int], motion: Motion) -> None:
        """One animation for all hands: the joints' rotations, and the wrist's place."""
        if not self.gltf.animations:
            self.gltf.animations.append(gltf.Animation(name="motion"))
        animation = self.gltf.animations[0]
        times = self._accessor(motion.times.astype("<f4"), None, bounds=True)
        turns = Rotation.from_matrix(motion.rotations.reshape(-1, 3, 3)).as_quat()
        turns = continuous(turns.reshape(len(motion), N_JOINTS, 4))
        curves = [(joint, "rotation", turns[:, k]) for k, joint in enumerate(joints[:N_JOINTS])]
        for node, path, values in [(joints[0], "translation", motion.places), *curves]:
            output = self._accessor(np.ascontiguousarray(values).astype("<f4"), None)
            animation.samplers.append(gltf.AnimationSampler(input=times, output=output))
            target = gltf.AnimationChannelTarget(node=node, path=path)
            sampler = len(animation.samplers) - 1
            animation.channels.append(gltf.AnimationChannel(sampler=sampler, target=target))

    def _mesh(self, hand: SkinnedHand, textures: HandTextures | None, material: int) -> int:
        attributes = gltf.Attributes(
            POSITION=self._attribute(hand.verts, bounds=True),
            NORMAL=self._attribute(hand.normals),
            TEXCOORD_0=self._attribute(hand.uv * [1, -1] + [0, 1]),  # glTF's v points down
        )
        if not hand.fine:
            attributes.TANGENT = self._attribute(hand.tangents)
        if textures is None:
            attributes.COLOR_0 = self._attribute(linear_from_srgb(hand.colors))
        weights = normalised(hand.weights)
        for k in range(weights.shape[1] // SET):
            chosen = slice(SET * k, SET * (k + 1))
            joints = self._accessor(np.ascontiguousarray(hand.joints[:, chosen]), gltf.ARRAY_BUFFER)
            setattr(attributes, f"JOINTS_{k}", joints)
            setattr(attributes, f"WEIGHTS_{k}", self._attribute(weights[:, chosen]))
        faces = hand.faces.ravel().astype("<u4")
        indices = self._accessor(faces, gltf.ELEMENT_ARRAY_BUFFER)
        primitive = gltf.Primitive(attributes=attributes, indices=indices, material=material)
        self.gltf.meshes.append(gltf.Mesh(name=f"{hand.side}_hand", primitives=[primitive]))
        return len(self.gltf.meshes) - 1

    def _material(self, hand: SkinnedHand, textures: HandTextures | None) -> int:
        roughness = ROUGHNESS if textures is None else textures.roughness
        surface = gltf.PbrMetallicRoughness(metallicFactor=0.0, roughnessFactor=roughness)
        material = gltf.Material(
            name=f"{hand.side}_skin", pbrMetallicRoughness=surface, doubleSided=True
        )
        if textures is not None:
            surface.baseColorTexture = gltf.TextureInfo(
                index=self._texture(hand.side, textures, "albedo")
            )
            material.occlusionTexture = gltf.OcclusionTextureInfo(
                index=self._texture(hand.side, textures, "occlusion")
            )
            if not hand.fine:
                material.normalTexture = gltf.NormalMaterialTexture(
                    index=self._texture(hand.side, textures, "normal")
                )
        self.gltf.materials.append(material)
        return len(self.gltf.materials) - 1

    def _texture(self, side: str, textures: HandTextures, kind: str) -> int:
        data, ending = textures.encoded(kind)
        mime = {"png": "image/png", "jpg": "image/jpeg"}[ending]
        view = self._view(data, None)
        self.gltf.images.append(gltf.Image(name=f"{side}_{kind}", mimeType=mime, bufferView=view))
        if not self.gltf.samplers:
            smooth = {"magFilter": gltf.LINEAR, "minFilter": gltf.LINEAR_MIPMAP_LINEAR}
            self.gltf.samplers.append(gltf.Sampler(**smooth))
        self.gltf.textures.append(gltf.Texture(source=len(self.gltf.images) - 1, sampler=0))
        return len(self.gltf.textures) - 1

    def _node(self, node: gltf.Node) -> int:
        self.gltf.nodes.append(node)
        return len(self.gltf.nodes) - 1

    def _attribute(self, values: np.ndarray, bounds: bool = False) -> int:
        return self._accessor(values.astype("<f4"), gltf.ARRAY_BUFFER, bounds)

    def _accessor(self, values: np.ndarray, target: int | None, bounds: bool = False) -> int:
        accessor = gltf.Accessor(
            bufferView=self._view(values.tobytes(), target),
            componentType=COMPONENTS[values.dtype.str],
            count=len(values),
            type=TYPES[values.shape[1:]],
        )
        if bounds:
            columns = values.reshape(len(values), -1)
            accessor.min, accessor.max = columns.min(0).tolist(), columns.max(0).tolist()
        self.gltf.accessors.append(accessor)
        return len(self.gltf.accessors) - 1

    def _view(self, data: bytes, target: int | None) -> int:
        view = gltf.BufferView(
            buffer=0, byteOffset=len(self.blob), byteLength=len(data), target=target
        )
        self.gltf.bufferViews.append(view)
        self.blob += data + bytes(-len(data) % ALIGNMENT)
        return len(self.gltf.bufferViews) - 1


def continuous(quaternions: np.ndarray) -> np.ndarray:
    """Quaternions (T, J, 4) with signs that keep each near the one before it."""
    flips = np.sign((quaternions[1:] * quaternions[:-1]).sum(-1))
    signs = np.cumprod(np.where(flips < 0, -1, 1), axis=0)
    return np.concatenate([quaternions[:1], quaternions[1:] * signs[..., None]])


def normalised(weights: np.ndarray) -> np.ndarray:
    """Weights (V, k) float32 whose rows sum to 1 as closely as float32 can."""
    single = weights.astype("<f4")
    single[:, 0] += (1 - single.sum(1, dtype=np.float64)).astype("<f4")
    return single
