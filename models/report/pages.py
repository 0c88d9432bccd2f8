"""Writes a scan's report: one page that opens from disk without a network."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from models.report import charts, tables
from models.report.encoding import THUMBNAIL, Picture, fitted_jpegs, jpeg, shrunk
from models.report.gather import ScanFacts, gather_scan
from models.report.pictures import LAYERS, chosen_views, view_pictures
from models.report.scene import (
    cameras_scene,
    frame_of_keypoints,
    hands_scene,
    keypoints_scene,
)
from models.report.shapes import HandShapes, load_shapes
from models.report.versions import changed_settings, versions
from models.report.warnings import missing_stages, warning_lines, worst_level
from utils.errors import UserError
from utils.io.files import save_text
from utils.io.images import load_image, to_bytes
from utils.keypoints.order import load_keypoints
from utils.motion.track import Hands
from utils.parallel import together
from utils.stage import Job

FOLDER = Path(__file__).parent
MOST_BYTES = 15_000_000  # of a report
FRAME_BYTES = 400_000  # of them, what is neither picture nor mesh nor library
SHEET_SIZE = 1400  # pixels of the longer side of a stage's own pictures
MINUTE = "%Y-%m-%d %H:%M"  # of times
FOREIGN = (KeyError, TypeError, ValueError, AttributeError, IndexError)  # of files not ours


def write_report(job: Job, poses: list[Hands] | None = None) -> Path:
    """Write O/demo_sfs/S/report.html and return its path.

    poses: frames that the 3D view plays besides its own. Raises UserError where the scan has no
    results, naming the stage to run, and where the file cannot be written.
    """
    facts = gather_scan(job)
    shapes = load_shapes(facts)
    points = _keypoints(facts)
    pictures, scene = together(
        lambda: _section(facts, "the pictures", lambda: _pictures(facts, shapes, points)) or [],
        lambda: _section(facts, "the 3D view", lambda: _scene(facts, shapes, points, poses)),
    )
    library = (FOLDER / "vendor" / "three.min.js").read_text(encoding="utf-8")
    scene_text = json.dumps(scene or {})
    budget = MOST_BYTES - FRAME_BYTES - len(library.encode()) - len(scene_text)
    encoded, scale = fitted_jpegs(pictures, budget)
    page = environment().get_template("report.html.j2")
    text = page.render(
        **_context(facts, pictures, scale),
        pictures=encoded,
        scene=scene_text.replace("</", "<\\/") if scene else "",
        library=library,
    )
    path = facts.folder / "report.html"
    save_text(path, text)
    return path


def environment() -> Environment:
    """The templates' environment; everything is escaped, and what is missing is an error."""
    pages = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    pages.policies["json.dumps_kwargs"] = {"sort_keys": False}
    return pages


def _section(facts: ScanFacts, name: str, build: Callable[[], Any]) -> Any:
    """What `build` returns, or None where a file is not what its stage writes: a problem."""
    try:
        return build()
    except UserError as error:
        facts.problems.append(f"{name}: {error}")
    except FOREIGN as error:
        reason = " ".join(str(error).split())[:120]
        facts.problems.append(
            f"{name} cannot be shown ({type(error).__name__}: {reason}); run its stage again"
        )
    return None


def _keypoints(facts: ScanFacts) -> np.ndarray | None:
    """Triangulated keypoints (2, 21, 3), world units."""
    path = facts.out_path / "keypoints3d" / f"keypoints_3d_{facts.scan_id}.xyz"
    if not path.is_file():
        return None
    return _section(facts, "the keypoints", lambda: load_keypoints(path))


def _scene(
    facts: ScanFacts,
    shapes: HandShapes | None,
    points: np.ndarray | None,
    poses: list[Hands] | None,
) -> dict[str, Any] | None:
    """What the 3D view shows; None where there is nothing in 3D."""
    if shapes is None and points is None:
        return None
    cameras = None if facts.capture is None else facts.capture.cameras
    scene: dict[str, Any] = {"hands": [], "stages": []}
    if shapes is not None:
        scene, frame = hands_scene(shapes, poses), shapes.view_from_world
        cameras = shapes.cameras or cameras
    else:
        frame = frame_of_keypoints(points)
    count = 0 if cameras is None else len(cameras)
    names = [tables.view_name(facts, view) for view in range(count)]
    return {
        **scene,
        **cameras_scene(cameras, frame, names),
        "bones": keypoints_scene(points, frame),
    }


def _pictures(
    facts: ScanFacts, shapes: HandShapes | None, points: np.ndarray | None
) -> list[Picture]:
    """The views' layers, and the pictures that stages wrote of all views together."""
    views = chosen_views(facts.view_count())
    flat = None if points is None else points.reshape(-1, 3)
    return view_pictures(facts, shapes, flat, views) + [
        Picture(name, shrunk(to_bytes(load_image(path)), SHEET_SIZE))
        for name, path in _sheets(facts).items()
        if path.is_file()
    ]


def _sheets(facts: ScanFacts) -> dict[str, Path]:
    sheets = {
        "check": facts.out_path / "check" / f"{facts.scan_id}.png",
        "all-masks": facts.fit_folder / f"masks_{facts.scan_id}.png",
        "losses": facts.folder / "losses.png",
    }
    for name in facts.evaluations:
        for kind in ("sheet", "error"):
            sheets[f"{kind}-{name}"] = facts.folder / "eval" / name / f"{kind}.png"
    return sheets


def _context(facts: ScanFacts, pictures: Sequence[Picture], scale: float) -> dict[str, Any]:
    """What the page says, but for pictures and meshes themselves."""
    said, views, level = _numbers(facts), _views(facts, pictures), worst_level(facts)
    warnings = _section(facts, "the warnings", lambda: warning_lines(facts))
    warnings = facts.problems if warnings is None else warnings
    return {
        **said,
        "title": f"{facts.job.data_path.resolve().name}, scan {facts.scan_id}",
        "level": level,
        "made": datetime.now().strftime(MINUTE),
        "warnings": warnings,
        "views": views,
        "layers": LAYERS,
        "picture_note": _picture_note(facts, views, scale),
        "config": facts.config or facts.job.config.plain(),
        "changed": changed_settings(facts.config, facts.records),
        "versions": versions(),
        "summary": _summary(facts, said["headline"], level, len(warnings), pictures),
    }


def _numbers(facts: ScanFacts) -> dict[str, Any]:
    """The page's tables and charts by name, None where a file is not what its stage writes."""
    parts: dict[str, Callable[[ScanFacts], Any]] = {
        "headline": tables.headline,
        "missing": missing_stages,
        "stage_table": tables.stage_table,
        "view_table": tables.view_table,
        "residuals": _residual_chart,
        "neural_curve": _neural_chart,
        "evaluations": _evaluations,
    }
    return {
        name: _section(facts, f"the {name.replace('_', ' ')}", partial(build, facts))
        for name, build in parts.items()
    }


def _views(facts: ScanFacts, pictures: Sequence[Picture]) -> list[dict[str, Any]]:
    """The views that have pictures: number, name, layers and thumbnail."""
    views: dict[int, dict[str, Any]] = {}
    for picture in pictures:
        view, _, layer = picture.name.partition("-")
        if not view.isdecimal():
            continue
        entry = {"view": int(view), "label": tables.view_name(facts, int(view)), "layers": []}
        entry = views.setdefault(int(view), entry)
        entry["layers"].append(layer)
        if len(entry["layers"]) == 1:
            entry["thumbnail"] = jpeg(picture.pixels, THUMBNAIL)
    return list(views.values())


def _picture_note(facts: ScanFacts, views: Sequence[dict], scale: float) -> str:
    """What the page leaves out so that it stays small."""
    notes = []
    if 0 < len(views) < facts.view_count():
        notes.append(f"{len(views)} of {facts.view_count()} views are shown, evenly chosen")
    if scale < 1:
        notes.append(f"pictures are at {100 * scale:.0f} % of their usual size")
    return "; ".join(notes)


def _evaluations(facts: ScanFacts) -> list[dict[str, Any]]:
    found = []
    for name, metrics in facts.evaluations.items():
        path = facts.folder / "eval" / name / "table.txt"
        found.append(
            {
                "name": name,
                "means": tables.evaluation_table(metrics),
                "truth": tables.truth_table(metrics),
                "text": path.read_text(encoding="utf-8") if path.is_file() else "",
            }
        )
    return found


def _residual_chart(facts: ScanFacts) -> str:
    if "residuals" not in facts.keypoints:
        return ""
    residuals = np.array(facts.keypoints["residuals"], float)  # null becomes nan
    inliers = np.array(facts.keypoints["inliers"], bool)
    return charts.residual_chart(residuals, inliers, [str(v) for v in range(len(residuals))])


def _neural_chart(facts: ScanFacts) -> str:
    steps = (facts.neural.get("stage_2") or {}).get("history") or []
    names = steps[0] if steps else ()
    return charts.curve_chart(
        {name: [step[name] for step in steps] for name in names if name != "seconds"},
        "terms of the neural renderer's second stage",
    )


def _summary(
    facts: ScanFacts,
    headline: dict[str, Any] | None,
    level: str,
    warnings: int,
    pictures: Sequence[Picture],
) -> dict[str, Any]:
    """What the index of all scans says of this one."""
    shown = [p for p in pictures if p.name.endswith(("-mesh", "-start", "-photo"))]
    shown.sort(key=lambda p: ("-mesh" not in p.name, "-start" not in p.name))
    return {
        "scan": facts.scan_id,
        "level": level,
        "warnings": warnings,
        "numbers": headline or {},
        "made": datetime.now().strftime(MINUTE),
        "thumbnail": jpeg(shown[0].pixels, THUMBNAIL) if shown else "",
    }
