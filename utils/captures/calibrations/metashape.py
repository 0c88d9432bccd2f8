"""Agisoft Metashape's cameras.xml (File, Export, Export Cameras, Agisoft XML).

A camera's transform is camera to chunk, row by row, OpenCV's axes; the chunk's or its component's
transform (rotation, translation, scale) is chunk to world. cx, cy are offsets from the photo's
middle and pixel centres are at 0.5, so that with the distorted x', y'

    u = w / 2 + cx + x' (f + b1) + y' b2,  v = h / 2 + cy + y' f

(Metashape user manual, appendix D, Camera models): b1 is in fx, b2 is a skew.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from utils.cameras.calibrated import CalibratedCamera
from utils.captures.calibrations.format import Calibration, CalibrationFormat, camera
from utils.captures.calibrations.metashape_sensors import Sensor, read_sensor
from utils.captures.calibrations.reading import checked, left_out, shaped
from utils.captures.calibrations.xml_files import load_xml
from utils.errors import UserError
from utils.words import listed

FAR = 1e5  # metres: coordinates of the globe and not of a room
UPRIGHT = ("1", "0", "")  # EXIF orientations without a turn


def read(path: Path) -> Calibration:
    """The aligned cameras whose sensor is calibrated, of the first chunk that has any.

    Raises UserError on files without cameras, on projections other than frame and equidistant
    fisheye, and on entries that are no numbers.
    """
    root = load_xml(path, "an XML file of Metashape's cameras")
    chunks = list(root.iter("chunk"))
    if not chunks:
        raise UserError(
            f"{path} holds no chunk of cameras (it is a <{root.tag}>); in Metashape, choose "
            "File, Export, Export Cameras, Agisoft XML"
        )
    chunk = next((chunk for chunk in chunks if _aligned(chunk)), chunks[0])
    cameras, notes = _cameras(path, chunk)
    others = [other.get("label", "unnamed") for other in chunks if other is not chunk]
    if others:
        notes.append(f"chunks that are passed over: {listed(others)}")
    placed = any(True for _ in chunk.iter("scale"))
    if placed and any(np.abs(camera.center).max() > FAR for camera in cameras):
        notes.append("cameras lie more than 100 km from the origin: the chunk is georeferenced")
    unit = "m" if placed else None
    return checked(path, Calibration(cameras, [path], unit, notes, names_photos=True))


def _all_cameras(chunk: Element) -> list[Element]:
    cameras = chunk.find("cameras")
    return [] if cameras is None else list(cameras.iter("camera"))


def _aligned(chunk: Element) -> bool:
    return any(camera.find("transform") is not None for camera in _all_cameras(chunk))


def _cameras(path: Path, chunk: Element) -> tuple[list[CalibratedCamera], list[str]]:
    sensors = {sensor.get("id"): sensor for sensor in chunk.iter("sensor")}
    known: dict[str | None, Sensor | None] = {}
    cameras, unaligned, uncalibrated, turned, initial = [], [], [], [], []
    for element in _all_cameras(chunk):
        label = element.get("label") or f"camera {element.get('id')}"
        key = element.get("sensor_id")
        if element.find("transform") is None:
            unaligned.append(label)
            continue
        if key not in known:
            known[key] = None if key not in sensors else read_sensor(path, sensors[key])
        sensor = known[key]
        if sensor is None:
            uncalibrated.append(label)
            continue
        cameras.append(
            _camera(path, label, element, sensor, _world_from_chunk(path, chunk, element))
        )
        initial += [] if sensor.adjusted else [label]
        turned += [] if element.findtext("orientation", "1").strip() in UPRIGHT else [label]
    notes = left_out(unaligned, "without a transform (not aligned)")
    notes += left_out(uncalibrated, "whose sensor has no calibration")
    if initial:
        notes.append(f"sensors that were not adjusted, only initial: those of {listed(initial)}")
    if turned:
        notes.append(
            f"photos must be as stored: EXIF orientations are not applied to {listed(turned)}"
        )
    return cameras, notes


def _camera(
    path: Path, label: str, element: Element, sensor: Sensor, placing: tuple[np.ndarray, ...]
) -> CalibratedCamera:
    T = shaped(path, f"transform of {label}", (element.findtext("transform") or "").split(), 4, 4)
    R_chunk, t_chunk, scale = placing
    R = (R_chunk @ T[:3, :3]).T
    center = scale * R_chunk @ T[:3, 3] + t_chunk
    return camera(
        path, label, sensor.K, R, -R @ center, size=sensor.size, lens=sensor.lens, photo=label
    )


def _world_from_chunk(
    path: Path, chunk: Element, element: Element
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rotation (3, 3), translation (3,) and scale (1,), of the camera's component if it has one."""
    transform = chunk.find("transform")
    for component in chunk.iter("component"):
        if component.get("id") == element.get("component_id"):
            own = component.find("transform")
            transform = transform if own is None else own
    R = _values(path, transform, "rotation", np.eye(3).ravel(), 9).reshape(3, 3)
    t = _values(path, transform, "translation", np.zeros(3), 3)
    scale = _values(path, transform, "scale", np.ones(1), 1)
    if not scale > 0:
        raise UserError(f"{path}: the chunk's scale is {scale[0]:g}, expected above 0")
    return R, t, scale


def _values(
    path: Path, transform: Element | None, tag: str, default: Sequence[float], count: int
) -> np.ndarray:
    text = None if transform is None else transform.findtext(tag)
    return shaped(path, f"{tag} of the chunk", default if text is None else text.split(), count)


FORMAT = CalibrationFormat(
    "Agisoft Metashape", ("cameras.xml", "metashape*.xml", "*/cameras.xml"), read
)
