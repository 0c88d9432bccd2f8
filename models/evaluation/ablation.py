"""What each part of the pipeline brings: runs it with one part changed at a time and tabulates.

Every part has a results folder of its own, which remembers the settings and the code that it was
made with; what is up to date is not run again, and stages that a part does not touch are taken
over from the first one.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from utils.errors import UserError
from utils.io.files import load_json, load_record, load_text, save_json, save_text
from utils.io.fingerprint import code_version, file_names, fingerprint, hashes
from utils.paths import ROOT
from utils.progress_bar import ProgressBar

STAGES = ("pose_optim", "mano_optim", "mesh_sfs_optim")
SHARED = ("keypoints3d", "mano_out", "cameras", "runs")  # results of the first stages
COLUMNS = {  # title -> path in metrics.json, digits
    "mesh to truth, mm": (("truth", "surface", "all", "to_truth", "mean_mm"), 3),
    "truth to mesh, mm": (("truth", "surface", "all", "from_truth", "mean_mm"), 3),
    "normals, degrees": (("truth", "surface", "all", "normal_deg"), 2),
    "IoU": (("mean", "mask", "iou"), 4),
    "PSNR, dB": (("mean", "mesh", "psnr"), 2),
    "PSNR aligned, dB": (("mean", "mesh", "psnr_aligned"), 2),
    "seconds": (("seconds",), 0),
}


@dataclass(frozen=True)
class Part:
    """A name and the overrides `key=value` that make the pipeline differ."""

    name: str
    overrides: tuple[str, ...]

    @property
    def folder(self) -> str:
        """A folder name: readable, and another one for other overrides."""
        words = re.sub(r"[^a-z0-9]+", "_", self.name.lower()).strip("_")
        return f"{words[:40]}_{_digest(repr(self.overrides).encode())[:6]}"


@dataclass(frozen=True)
class Scan:
    """A capture D/S to measure on."""

    data_path: Path
    scan_id: str

    @property
    def folder(self) -> Path:
        """D/S."""
        return self.data_path / self.scan_id

    def evaluation(self) -> list[str]:
        """Options of evaluate.py: held-out views and ground truth where the capture has them."""
        held, truth = self.folder / "held", self.folder / "gt"
        options: dict[str, Path] = {}
        if (held / "param.npz").is_file():
            options["--cameras"] = held / "param.npz"
            options |= {"--images": held / "img"} if (held / "img").is_dir() else {}
            options |= {"--masks": held / "mask"} if (held / "mask").is_dir() else {}
        if (truth / "mesh.ply").is_file():
            options["--gt_mesh"] = truth / "mesh.ply"
        return [str(word) for name, path in options.items() for word in (name, path.resolve())]


def load_parts(path: Path, overrides: Sequence[str] = (), only: Sequence[str] = ()) -> list[Part]:
    """The parts of a file like conf/ablation.conf, each after the common `overrides`.

    `only` names those to keep beside the first; all by default. Raises UserError where the file
    holds none, two of one name, or not the ones named.
    """
    import pyhocon
    import pyparsing

    try:
        tree = pyhocon.ConfigFactory.parse_string(load_text(path))
        listed = [(str(p["name"]), [str(x) for x in p["set"]]) for p in tree["parts"]]
    except FileNotFoundError:
        raise UserError(f"--parts {path}: no such file; see conf/ablation.conf") from None
    except (pyhocon.ConfigException, pyparsing.ParseBaseException, TypeError, KeyError) as error:
        first = " ".join(str(error).split())
        raise UserError(
            f"--parts {path}: expected parts = [{{ name = ..., set = [...] }}, ...] ({first})"
        ) from error
    names = [name for name, _ in listed]
    if not names or len(set(names)) < len(names):
        raise UserError(f"--parts {path}: expected one part or more, each of another name")
    if set(only) - set(names):
        unknown = ", ".join(sorted(set(only) - set(names)))
        raise UserError(f"--only {unknown}: expected names of parts in {path}: {', '.join(names)}")
    kept = {names[0], *only} if only else set(names)
    return [Part(name, (*overrides, *own)) for name, own in listed if name in kept]


def run_ablation(
    scans: Sequence[Scan], parts: Sequence[Part], folder: Path, options: Sequence[str] = ()
) -> dict[str, Any]:
    """Measure every part on every scan; writes ablation.json and ablation.md into `folder`.

    `options` go to every stage (--conf, --device, --seed). Returns what ablation.json holds. A part
    that fails is reported and left out of its row's means.
    """
    results: dict[str, dict[str, Any]] = {part.name: {} for part in parts}
    todo = [(scan, part) for scan in scans for part in parts]
    failed = []
    with ProgressBar(len(todo), "ablation", "run", leave=True) as bar:
        for scan, part in todo:
            bar.show(f"{scan.folder}: {part.name}")
            base = folder / f"{scan.data_path.resolve().name}_{scan.scan_id}"
            own, first = base / part.folder, base / parts[0].folder
            try:
                results[part.name][str(scan.folder)] = _run(scan, part, own, first, options)
            except UserError as error:
                failed.append(f"{part.name} on {scan.folder}: {error}")
                bar.say(f"error: {failed[-1]}", sys.stderr)
            overrides = {each.name: each.overrides for each in parts}
            report = {"parts": results, "set": overrides, "failed": failed}
            save_json(folder / "ablation.json", report)
            save_text(folder / "ablation.md", markdown(results))
            bar.advance()
    return report


def _run(scan: Scan, part: Part, own: Path, first: Path, options: Sequence[str]) -> dict[str, Any]:
    """metrics.json of one part on one scan, and the seconds that its stages took."""
    made_with = {"code": code_version(), "set": list(part.overrides), "options": list(options)}
    files = file_names((p for p in scan.folder.rglob("*") if p.is_file()), {"S": scan.folder})
    made_with["inputs"] = hashes({name: fingerprint(path) for name, path in files.items()})
    stamp, found = own / "made_with.json", own / "metrics.json"
    if load_record(stamp) == {**made_with, "metrics": _content(found)}:
        return load_json(found)
    shutil.rmtree(own, ignore_errors=True)
    if load_record(first / "made_with.json").get("code") == made_with["code"]:
        _take_over(first, own)
    common = ["--data_path", scan.data_path.resolve(), "--scan_id", scan.scan_id]
    common += ["--out_path", own.resolve()]
    common += [*options, *(word for x in part.overrides for word in ("--set", x))]
    for stage in STAGES:
        _call(f"{stage}.py", *common)
    _call("evaluate.py", *common, "--name", "ablation", *scan.evaluation())
    metrics = load_json(next(own.glob(f"*/{scan.scan_id}/eval/ablation/metrics.json")))
    runs = [load_json(own / "runs" / f"{scan.scan_id}_{stage}.json") for stage in STAGES]
    metrics["seconds"] = sum(run["seconds"] for run in runs)
    metrics["held_out"] = "--cameras" in scan.evaluation()
    save_json(found, metrics)
    if code_version() == made_with["code"]:  # otherwise nobody knows which code it was
        save_json(stamp, {**made_with, "metrics": _content(found)})
    return metrics


def _content(path: Path) -> str | None:
    """What a file holds, in a word; None where there is none."""
    return hashes({"": fingerprint(path)})[""]


def _take_over(first: Path, own: Path) -> None:
    """Copy the first stages' results with their times, so that stages see what is up to date."""
    for name in SHARED:
        if (first / name).is_dir():
            shutil.copytree(first / name, own / name)
    for record in own.glob("runs/*"):
        if not record.name.endswith(("pose_optim.json", "mano_optim.json")):
            record.unlink()


def _call(script: str, *arguments: object) -> None:
    command = [sys.executable, script, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 130:
        raise KeyboardInterrupt
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise UserError(f"{script} failed: {lines[-1].removeprefix('error: ')}")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def markdown(results: dict[str, dict[str, Any]]) -> str:
    """A table: a row a part, the mean over the scans, and behind it the difference to the first."""
    rows = {name: _means(scans) for name, scans in results.items() if scans}
    if not rows:
        return "nothing measured yet\n"
    first = next(iter(rows.values()))
    shown = [title for title in COLUMNS if any(row[title] is not None for row in rows.values())]
    lines = ["| part | " + " | ".join(shown) + " |", "| --- " * (len(shown) + 1) + "|"]
    for name, row in rows.items():
        cells = [
            _cell(row[title], first[title], COLUMNS[title][1], row is first) for title in shown
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    count = max(len(scans) for scans in results.values())
    held = all(m["held_out"] for scans in results.values() for m in scans.values())
    views = "held-out views" if held else "views, the fitted ones where none are held out"
    lines += ["", f"Means over {count} capture{'s' * (count > 1)}; IoU and PSNR of {views}."]
    return "\n".join(lines) + "\n"


def _means(scans: dict[str, Any]) -> dict[str, float | None]:
    means = {}
    for title, (path, _) in COLUMNS.items():
        known = [x for x in (_at(metrics, path) for metrics in scans.values()) if x is not None]
        means[title] = float(np.mean(known)) if known else None
    return means


def _at(data: Any, path: Sequence[str]) -> float | None:
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _cell(value: float | None, first: float | None, digits: int, is_first: bool) -> str:
    if value is None:
        return ""
    text = f"{value:.{digits}f}"
    if is_first or first is None or digits == 0:
        return text
    return f"{text} ({value - first:+.{digits}f})"
