"""The made-up rig in other programs' formats, each by a small writer of its own."""

import json

import cv2
import numpy as np


def write_krt(path, cameras):
    blocks = []
    for made in cameras:
        rows = [*made.K, made.brown, *np.column_stack([made.R, made.t])]
        lines = [" ".join(repr(float(value)) for value in row) for row in rows]
        blocks.append("\n".join([made.name, *lines, ""]))
    path.write_text("\n".join(blocks) + "\n")


def write_goliath(path, cameras):
    items = [
        {
            "cameraId": made.name,
            "projectionModel": "Pinhole",
            "distortionModel": "RadialAndTangential",
            "K": made.K.T.tolist(),
            "distortion": list(made.brown),
            "T": made.cam_from_world.T.tolist(),
        }
        for made in cameras
    ]
    path.write_text(json.dumps({"KRT": items}))


def write_storage(path, entries):
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    for key, value in entries.items():
        if isinstance(value, list):
            storage.startWriteStruct(key, cv2.FILE_NODE_SEQ)
            for item in value:
                storage.write("", item)
            storage.endWriteStruct()
        else:
            storage.write(key, value)
    storage.release()


def write_easymocap(folder, cameras, rotations=("R", "Rot")):
    intri, extri = ({"names": [made.name for made in cameras]} for _ in range(2))
    for made in cameras:
        intri |= {f"K_{made.name}": made.K, f"dist_{made.name}": np.array([made.brown])}
        intri |= {f"H_{made.name}": made.height, f"W_{made.name}": made.width}
        poses = {"R": made.rotation_vector, "Rot": made.R}
        extri |= {f"{key}_{made.name}": poses[key] for key in rotations}
        extri |= {f"T_{made.name}": made.t.reshape(3, 1)}
    folder.mkdir(exist_ok=True)
    write_storage(folder / "intri.yml", intri)
    write_storage(folder / "extri.yml", extri)


def write_anipose(path, cameras, name="name", fisheye=None):
    tables = []
    for index, made in enumerate(cameras):
        distortions = list(made.brown if fisheye is None else fisheye)
        tables += [
            f"[cam_{index}]",
            f'{name} = "{made.name}"',
            f"size = [{made.width}, {made.height},]",
            f"matrix = {made.K.tolist()}",
            f"distortions = {distortions}",
            f"rotation = {made.rotation_vector.tolist()}",
            f"translation = {made.t.tolist()}",
            "fisheye = true" if fisheye is not None else "",
        ]
    path.write_text("\n".join([*tables, "", "[metadata]", "adjusted = false", "error = 0.5"]))


def write_alicevision(path, cameras, version, focal, lens="brown", numbers=None):
    """focal: pxFocalLength, or focalLength with the pixelRatio of that version."""
    views, intrinsics, poses = [], [], []
    for index, made in enumerate(cameras):
        k1, k2, p1, p2, k3 = made.brown
        fx, fy = made.K[0, 0], made.K[1, 1]
        offset = made.K[:2, 2] - (0 if version < (1, 2, 1) else np.array([320, 240]))
        intrinsic = {
            "intrinsicId": str(index),
            "width": str(made.width),
            "height": str(made.height),
            "type": lens,
            "principalPoint": [repr(float(value)) for value in offset],
            "distortionParams": [str(value) for value in numbers or (k1, k2, k3, p1, p2)],
        }
        if focal == "pixels":
            intrinsic["pxFocalLength"] = [repr(float(fx)), repr(float(fy))]
        else:
            ratio = fy / fx if version >= (1, 2, 5) else fx / fy
            intrinsic |= {"sensorWidth": "32", "focalLength": repr(float(fx * 32 / made.width))}
            intrinsic["pixelRatio"] = repr(float(ratio))
        intrinsics.append(intrinsic)
        photo = f"C:\\photos\\{made.name}.jpg"
        views.append({"viewId": "1", "poseId": made.name, "intrinsicId": str(index), "path": photo})
        transform = {
            "rotation": [repr(float(value)) for value in made.R.T.ravel()],
            "center": [repr(float(value)) for value in made.center],
        }
        poses.append({"poseId": made.name, "pose": {"transform": transform, "locked": "0"}})
    table = {"version": [str(part) for part in version], "views": views}
    path.write_text(json.dumps({**table, "intrinsics": intrinsics, "poses": poses}))


def metashape_numbers(made):
    """f, cx, cy, b1, b2, k1, k2, k3, k4, p1, p2, p3, p4 with a skew, for `write_metashape`."""
    fx, fy = made.K[0, 0], made.K[1, 1]
    cx, cy = made.K[:2, 2] + 0.5 - np.array([made.width, made.height]) / 2
    k1, k2, p1, p2, k3 = made.brown
    named = {"f": fy, "cx": cx, "cy": cy, "b1": fx - fy, "b2": 2.5, "k1": k1, "k2": k2}
    return named | {"k3": k3, "k4": 0.02, "p1": p2, "p2": p1, "p3": 0.3, "p4": -0.1}


def metashape_pixels(made, points):
    """The manual's formula for frame cameras, the first pixel's centre moved to (0, 0)."""
    c = metashape_numbers(made)
    x, y, z = made.R @ points.T + made.t[:, None]
    x, y = x / z, y / z
    r2 = x * x + y * y
    radial = 1 + c["k1"] * r2 + c["k2"] * r2**2 + c["k3"] * r2**3 + c["k4"] * r2**4
    more = 1 + c["p3"] * r2 + c["p4"] * r2**2
    u = x * radial + (c["p1"] * (r2 + 2 * x * x) + 2 * c["p2"] * x * y) * more
    v = y * radial + (c["p2"] * (r2 + 2 * y * y) + 2 * c["p1"] * x * y) * more
    px = made.width / 2 + c["cx"] + u * (c["f"] + c["b1"]) + v * c["b2"] - 0.5
    return np.column_stack([px, made.height / 2 + c["cy"] + v * c["f"] - 0.5])


def write_metashape(path, cameras, kind="frame", numbers=metashape_numbers, placing=""):
    """placing: the chunk's transform as XML."""
    sensors, elements = [], []
    for index, made in enumerate(cameras):
        values = "".join(f"<{tag}>{float(v)!r}</{tag}>" for tag, v in numbers(made).items())
        size = f'<resolution width="{made.width}" height="{made.height}"/>'
        sensors.append(
            f'<sensor id="{index}" type="{kind}">{size}'
            f'<calibration type="{kind}" class="adjusted">{size}{values}</calibration></sensor>'
        )
        world_from_cam = np.linalg.inv(made.cam_from_world)
        transform = " ".join(repr(float(value)) for value in world_from_cam.ravel())
        elements.append(
            f'<camera id="{index}" sensor_id="{index}" label="{made.name}">'
            f"<transform>{transform}</transform></camera>"
        )
    path.write_text(
        f'<?xml version="1.0" encoding="UTF-8"?><document><chunk label="C"><sensors>'
        f"{''.join(sensors)}</sensors><cameras><group>{''.join(elements)}</group></cameras>"
        f"{placing}</chunk></document>"
    )


def kalibr_text(cameras, model, coefficients, chain=True, header="", dashes="  "):
    """chain: T_cn_cnm1, else T_cam_imu with the world as the IMU's frame."""
    lines = [header] if header else []
    before = None
    for index, made in enumerate(cameras):
        T = made.cam_from_world
        if chain and before is not None:
            T = T @ np.linalg.inv(before)
        lines += [f"cam{index}:", "  camera_model: pinhole", f"  distortion_model: {model}"]
        lines.append(f"  distortion_coeffs: {list(coefficients(made))}")
        fx, fy = float(made.K[0, 0]), float(made.K[1, 1])
        cx, cy = (float(value) for value in made.K[:2, 2])
        lines.append(f"  intrinsics: [{fx!r}, {fy!r},\n    {cx!r}, {cy!r}]")
        lines.append(f"  resolution: [{made.width}, {made.height}]")
        if index or not chain:
            lines.append("  T_cn_cnm1:" if chain else "  T_cam_imu:")
            lines += [f"{dashes}- {row}" for row in T.tolist()]
        before = made.cam_from_world
    return "\n".join(lines) + "\n"


def write_panoptic(path, cameras):
    items = [
        {
            "name": made.name,
            "type": "hd",
            "resolution": [made.width, made.height],
            "K": made.K.tolist(),
            "distCoef": list(made.brown),
            "R": made.R.tolist(),
            "t": made.t.reshape(3, 1).tolist(),
        }
        for made in cameras
    ]
    path.write_text(json.dumps({"cameras": items}))


def write_multical(path, cameras):
    """Two cameras lead from the first, the others each from the one before."""
    items, poses = {}, {}
    for index, made in enumerate(cameras):
        parent = cameras[0] if index < 3 else cameras[index - 1]
        link = made.cam_from_world
        key = made.name
        if index:
            link = link @ np.linalg.inv(parent.cam_from_world)
            key = f"{made.name}_to_{parent.name}"
        poses[key] = {"R": link[:3, :3].tolist(), "T": link[:3, 3].tolist()}
        items[made.name] = {
            "model": "standard",
            "image_size": [made.width, made.height],
            "K": made.K.tolist(),
            "dist": [list(made.brown)],
        }
    path.write_text(json.dumps({"cameras": items, "camera_poses": poses}))


def write_assemblyhands(path, cameras):
    items = []
    for made in cameras:
        fx, fy, (cx, cy) = made.K[0, 0], made.K[1, 1], made.K[:2, 2]
        table = {"SerialNo": made.name, "DistortionModel": "OpenCV", "fx": fx, "fy": fy}
        table |= {"cx": cx, "cy": cy, "ImageSizeX": made.width, "ImageSizeY": made.height}
        table |= dict(zip(("k1", "k2", "p1", "p2", "k3"), made.brown))
        table |= {"p3": 0.0, "p4": 0.0, "ModelViewMatrix": made.cam_from_world.tolist()}
        items.append({"Camera": table, "MountingLocation": "Exocentric"})
    path.write_text(json.dumps(items))
