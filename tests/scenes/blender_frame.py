"""Run by a Python that has Blender's `bpy`: imports a .glb, bends an index finger, draws a frame.

python tests/scenes/blender_frame.py hands.glb frame.png right [samples]: prints one line of JSON
about what was imported; docs/blender.png is made by it with 128 samples.
"""

from __future__ import annotations

import json
import math
import os
import sys

import bpy
from mathutils import Quaternion, Vector

BENT = math.radians(50)
AXIS = (1, 0, 0)  # of a bone as Blender lays it: y along it
LIGHTS = (((-0.5, -0.7, 0.8), 7, 0.4), ((0.8, -0.5, 0.2), 2.5, 0.6), ((0.1, 0.8, 0.7), 5, 0.4))


def main(glb: str, picture: str, side: str, samples: int) -> None:
    """Import, bend, draw."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=glb)
    armature = bpy.data.objects[f"{side}_hand"]
    before = mesh_points(f"{side}_hand_mesh")
    for number in (1, 2):
        bone = armature.pose.bones[f"{side}_index_{number}"]
        bone.rotation_mode = "QUATERNION"
        bone.rotation_quaternion = bone.rotation_quaternion @ Quaternion(AXIS, BENT)
    bpy.context.view_layer.update()
    after = mesh_points(f"{side}_hand_mesh")
    moved = [(a - b).length for a, b in zip(after, before)]
    meshes = [o.name for o in bpy.data.objects if o.type == "MESH" and o.name.endswith("_mesh")]
    points = [p for name in meshes for p in mesh_points(name)]
    draw(points, picture, samples)
    facts = {
        "bones": {o.name: [b.name for b in o.data.bones] for o in armatures()},
        "size": max(hi - lo for lo, hi in zip(map(min, zip(*points)), map(max, zip(*points)))),
        "moved_share": sum(x > 1e-4 for x in moved) / len(moved),
        "moved_most": max(moved),
        "images": sorted(image.name for image in bpy.data.images if image.size[0]),
    }
    print("FACTS " + json.dumps(facts), flush=True)
    os._exit(0)  # bpy may crash while Python takes it down


def armatures() -> list:
    """The imported skeletons."""
    return [o for o in bpy.data.objects if o.type == "ARMATURE"]


def mesh_points(name: str) -> list[Vector]:
    """Vertices of a mesh as its armature moves them, in Blender's world (z up)."""
    thing = bpy.data.objects[name]
    moved = thing.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return [thing.matrix_world @ v.co for v in moved.to_mesh().vertices]


def draw(points: list[Vector], picture: str, samples: int) -> None:
    """A frame from the front, lit by three lamps, by Cycles on the CPU."""
    low, high = (Vector(map(end, zip(*points))) for end in (min, max))
    centre, radius = (low + high) / 2, (high - low).length / 2
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.data.lens, camera.data.clip_start = 60, 0.01
    aim(camera, centre + Vector((0, -1, 0.25)).normalized() * radius * 3.1, centre)
    for place, energy, size in LIGHTS:
        lamp = bpy.data.objects.new("lamp", bpy.data.lights.new("lamp", "AREA"))
        lamp.data.energy, lamp.data.size = energy, size
        aim(lamp, centre + Vector(place), centre)
    scene = bpy.context.scene
    scene.camera = camera
    scene.world = bpy.data.worlds.new("world")
    scene.world.use_nodes = True
    background = scene.world.node_tree.nodes["Background"]
    background.inputs["Color"].default_value = (0.17, 0.19, 0.22, 1)
    background.inputs["Strength"].default_value = 0.6
    render = scene.render
    render.engine, render.filepath = "CYCLES", picture
    render.resolution_x, render.resolution_y = 640, 560
    render.threads_mode, render.threads = "FIXED", 2
    scene.cycles.device, scene.cycles.samples = "CPU", samples
    scene.cycles.use_denoising = False
    scene.view_settings.view_transform = "Standard"
    bpy.ops.render.render(write_still=True)


def aim(thing, place: Vector, at: Vector) -> None:
    """Put a camera or lamp somewhere, looking at a point."""
    thing.location = place
    thing.rotation_euler = (at - place).to_track_quat("-Z", "Y").to_euler()
    bpy.context.collection.objects.link(thing)


if __name__ == "__main__":
    main(*sys.argv[1:4], samples=int(sys.argv[4]) if len(sys.argv) > 4 else 4)
