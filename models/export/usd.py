"""Skinned, textured hands as USD (UsdSkel), packed with their textures into one .usdz."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pxr import Gf, Sdf, Usd, UsdGeom, UsdShade, UsdSkel, UsdUtils, Vt

from models.export.motion import Motion
from models.export.skinned import NODE_PARENTS, SkinnedHand
from models.export.textures import ROUGHNESS, HandTextures
from utils.keypoints.order import N_JOINTS
from utils.synthetic.fields import linear_from_srgb

NORMALS = {"scale": Gf.Vec4f(2, 2, 2, 1), "bias": Gf.Vec4f(-1, -1, -1, 0)}  # of stored bytes


def usdz_bytes(
    hands: Sequence[SkinnedHand],
    textures: Mapping[str, HandTextures] | None,
    motions: Mapping[str, Motion] | None = None,
) -> bytes:
    """A .usdz file of hands in one scene frame, metres, y up, with textures or vertex colours.

    Each hand is a skeleton of 16 joints whose rest is the model's, a mesh bound to it, and an
    animation: the captured pose, or the hand's motion by side.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        layer, packed = folder / "hands.usdc", folder / "hands.usdz"
        stage = Usd.Stage.CreateNew(str(layer))
        UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
        UsdGeom.SetStageMetersPerUnit(stage, 1.0)
        stage.SetDefaultPrim(UsdGeom.Xform.Define(stage, "/hands").GetPrim())
        motions = motions or {hand.side: hand.captured_pose for hand in hands}
        first = motions[hands[0].side]
        stage.SetTimeCodesPerSecond(first.fps)
        stage.SetStartTimeCode(0)
        stage.SetEndTimeCode(len(first) - 1)
        for hand in hands:
            _skeleton(stage, hand, motions[hand.side])
            _add_mesh(stage, hand, None if textures is None else textures[hand.side], folder)
        stage.GetRootLayer().Save()
        UsdUtils.CreateNewUsdzPackage(Sdf.AssetPath(str(layer)), str(packed))
        return packed.read_bytes()


def _add_mesh(
    stage: Usd.Stage, hand: SkinnedHand, textures: HandTextures | None, folder: Path
) -> None:
    """The mesh, bound to its skeleton and material."""
    path = _path(hand)
    mesh = UsdGeom.Mesh.Define(stage, f"{path}/mesh")
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    mesh.CreateDoubleSidedAttr(True)
    mesh.CreatePointsAttr(_floats(hand.verts))
    mesh.CreateExtentAttr(_floats(np.stack([hand.verts.min(0), hand.verts.max(0)])))
    mesh.CreateFaceVertexCountsAttr(Vt.IntArray([3] * len(hand.faces)))
    mesh.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(hand.faces.astype(np.int32).ravel()))
    mesh.CreateNormalsAttr(_floats(hand.normals))
    mesh.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    primvars = UsdGeom.PrimvarsAPI(mesh)
    uv = primvars.CreatePrimvar("st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.vertex)
    uv.Set(Vt.Vec2fArray.FromNumpy(hand.uv.astype(np.float32)))
    if textures is None:
        colors = mesh.CreateDisplayColorPrimvar(UsdGeom.Tokens.vertex)
        colors.Set(_floats(linear_from_srgb(hand.colors)))
    binding = UsdSkel.BindingAPI.Apply(mesh.GetPrim())
    width = hand.joints.shape[1]
    binding.CreateJointIndicesPrimvar(False, width).Set(
        Vt.IntArray.FromNumpy(hand.joints.astype(np.int32).ravel())
    )
    binding.CreateJointWeightsPrimvar(False, width).Set(
        Vt.FloatArray.FromNumpy(hand.weights.astype(np.float32).ravel())
    )
    binding.CreateSkeletonRel().SetTargets([f"{path}/skeleton"])
    UsdShade.MaterialBindingAPI.Apply(mesh.GetPrim()).Bind(
        _material(stage, f"{path}/skin", hand, textures, folder)
    )


def _path(hand: SkinnedHand) -> str:
    return f"/hands/{hand.side}_hand"


def _skeleton(stage: Usd.Stage, hand: SkinnedHand, motion: Motion) -> None:
    """The 16 joints, at rest as the model is, and their animation."""
    root = UsdSkel.Root.Define(stage, _path(hand))
    root.CreateExtentAttr(_floats(np.stack([hand.captured.min(0), hand.captured.max(0)])))
    joints: list[str] = []
    for name, parent in zip(hand.names[:N_JOINTS], NODE_PARENTS):
        joints.append(name if parent < 0 else f"{joints[parent]}/{name}")
    skeleton = UsdSkel.Skeleton.Define(stage, f"{_path(hand)}/skeleton")
    skeleton.CreateJointsAttr(joints)
    skeleton.CreateBindTransformsAttr(_offsets(hand.nodes[:N_JOINTS]))
    skeleton.CreateRestTransformsAttr(_offsets(hand.offsets()[:N_JOINTS]))
    animation = UsdSkel.Animation.Define(stage, f"{_path(hand)}/skeleton/motion")
    animation.CreateJointsAttr(joints)
    for number, (rotations, place) in enumerate(zip(motion.rotations, motion.places)):
        matrices = np.tile(np.eye(4), (N_JOINTS, 1, 1))  # act on rows
        matrices[:, :3, :3] = rotations.transpose(0, 2, 1)
        matrices[:, 3, :3] = np.concatenate([place[None], hand.offsets()[1:N_JOINTS]])
        transforms = Vt.Matrix4dArray([Gf.Matrix4d(matrix) for matrix in matrices.tolist()])
        animation.SetTransforms(transforms, Usd.TimeCode(number))
    binding = UsdSkel.BindingAPI.Apply(skeleton.GetPrim())
    binding.CreateAnimationSourceRel().SetTargets([animation.GetPath()])


def _offsets(places: np.ndarray) -> Vt.Matrix4dArray:
    """Matrices of translations (J, 3)."""
    return Vt.Matrix4dArray([Gf.Matrix4d(1).SetTranslate(Gf.Vec3d(*p)) for p in places.tolist()])


def _floats(values: np.ndarray) -> Vt.Vec3fArray:
    return Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(values, np.float32))


def _material(
    stage: Usd.Stage, path: str, hand: SkinnedHand, textures: HandTextures | None, folder: Path
) -> UsdShade.Material:
    """UsdPreviewSurface with the hand's textures, which are written into `folder`."""
    material = UsdShade.Material.Define(stage, path)
    surface = UsdShade.Shader.Define(stage, f"{path}/surface")
    surface.CreateIdAttr("UsdPreviewSurface")
    surface.CreateInput("metallic", Sdf.ValueTypeNames.Float).Set(0.0)
    roughness = ROUGHNESS if textures is None else textures.roughness
    surface.CreateInput("roughness", Sdf.ValueTypeNames.Float).Set(roughness)
    material.CreateSurfaceOutput().ConnectToSource(surface.ConnectableAPI(), "surface")
    color, vector, number = (
        getattr(Sdf.ValueTypeNames, name) for name in ("Color3f", "Normal3f", "Float")
    )
    if textures is None:
        reader = _reader(stage, f"{path}/color", "float3", "displayColor")
        surface.CreateInput("diffuseColor", color).ConnectToSource(reader)
        return material
    uv = _reader(stage, f"{path}/uv", "float2", "st")
    inputs = {"albedo": ("diffuseColor", color), "occlusion": ("occlusion", number)}
    if not hand.fine:
        inputs["normal"] = ("normal", vector)
    for kind, (name, value_type) in inputs.items():
        data, ending = textures.encoded(kind)
        file = f"{hand.side}_{kind}.{ending}"
        (folder / file).write_bytes(data)
        texture = _texture(stage, f"{path}/{kind}", kind, file, uv)
        surface.CreateInput(name, value_type).ConnectToSource(texture)
    return material


def _texture(
    stage: Usd.Stage, path: str, kind: str, file: str, uv: UsdShade.Output
) -> UsdShade.Output:
    texture = UsdShade.Shader.Define(stage, path)
    texture.CreateIdAttr("UsdUVTexture")
    texture.CreateInput("file", Sdf.ValueTypeNames.Asset).Set(Sdf.AssetPath(f"./{file}"))
    space = "sRGB" if kind == "albedo" else "raw"
    texture.CreateInput("sourceColorSpace", Sdf.ValueTypeNames.Token).Set(space)
    texture.CreateInput("st", Sdf.ValueTypeNames.Float2).ConnectToSource(uv)
    for key, value in NORMALS.items() if kind == "normal" else ():
        texture.CreateInput(key, Sdf.ValueTypeNames.Float4).Set(value)
    if kind == "occlusion":
        return texture.CreateOutput("r", Sdf.ValueTypeNames.Float)
    return texture.CreateOutput("rgb", Sdf.ValueTypeNames.Float3)


def _reader(stage: Usd.Stage, path: str, kind: str, primvar: str) -> UsdShade.Output:
    reader = UsdShade.Shader.Define(stage, path)
    reader.CreateIdAttr(f"UsdPrimvarReader_{kind}")
    reader.CreateInput("varname", Sdf.ValueTypeNames.String).Set(primvar)
    types = {"float2": Sdf.ValueTypeNames.Float2, "float3": Sdf.ValueTypeNames.Float3}
    return reader.CreateOutput("result", types[kind])
