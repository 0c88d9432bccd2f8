"""All that the results folder holds of a scan, read as far as it is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from utils.captures import Capture, open_capture
from utils.errors import UserError
from utils.io.files import load_json, natural_order
from utils.stage import Job

STAGES = (  # in the order in which they run; the name of the record, and the script
    ("pose_optim", "pose_optim.py"),
    ("mano_optim", "mano_optim.py"),
    ("multihands_mano", "multihands_mano.py"),
    ("mesh_sfs_optim", "mesh_sfs_optim.py"),
    ("neural_render", "neural_render.py"),
    ("evaluate", "evaluate.py"),
)


@dataclass
class ScanFacts:
    """What is known of a scan; what no stage has written yet is empty.

    folder: O/demo_sfs/S; records: the stages' records by name; keypoints, fit, masks, refinement,
    neural, config: the stages' .json files; evaluations: metrics.json by the folder's name;
    problems: files that are there and cannot be read, in words.
    """

    job: Job
    folder: Path
    capture: Capture | None = None
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    keypoints: dict[str, Any] = field(default_factory=dict)
    fit: dict[str, Any] = field(default_factory=dict)
    masks: list[dict[str, Any]] = field(default_factory=list)
    refinement: dict[str, Any] = field(default_factory=dict)
    neural: dict[str, Any] = field(default_factory=dict)
    evaluations: dict[str, dict[str, Any]] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def out_path(self) -> Path:
        """The folder of the results, O."""
        return self.job.out_path

    @property
    def scan_id(self) -> str:
        """The scan, S."""
        return self.job.scan_id

    @property
    def fit_folder(self) -> Path:
        """O/mano_out or O/gcn_out, where HAM starts from."""
        return self.out_path / self.job.config.input_mesh_dire

    def view_count(self) -> int:
        """Views of the capture, or as many as the results speak of where it cannot be read."""
        if self.capture is not None:
            return len(self.capture)
        return max(len(self.keypoints.get("views", ())), len(self.refinement.get("views", ())))

    def read(self, path: Path, kind: type) -> Any:
        """A .json of this kind (dict or list), or an empty one; what is broken is a problem."""
        if not path.is_file():
            return kind()
        try:
            data = load_json(path, "run its stage again")
        except UserError as error:
            self.problems.append(str(error))
            return kind()
        if not isinstance(data, kind):
            self.problems.append(f"{path} is not what its stage writes; run it again")
            return kind()
        return data


def gather_scan(job: Job) -> ScanFacts:
    """Read what there is of the job's scan.

    Raises UserError that names the stage to run where there is nothing.
    """
    facts = ScanFacts(job, job.results_dir)
    for path in sorted((job.out_path / "runs").glob(f"{job.scan_id}_*.json")):
        record = facts.read(path, dict)
        if record.get("scan_id", job.scan_id) == job.scan_id:
            facts.records[path.stem.removeprefix(f"{job.scan_id}_")] = record
    keypoints = job.out_path / "keypoints3d" / f"keypoints_3d_{job.scan_id}.json"
    facts.keypoints = facts.read(keypoints, dict)
    facts.fit = facts.read(facts.fit_folder / f"{job.scan_id}.json", dict)
    facts.masks = facts.read(facts.fit_folder / f"{job.scan_id}_masks.json", list)
    facts.refinement = facts.read(facts.folder / "metrics.json", dict)
    facts.neural = facts.read(facts.folder / "neural_metrics.json", dict)
    facts.config = facts.read(facts.folder / "config.json", dict)
    for path in sorted((facts.folder / "eval").glob("*/metrics.json"), key=_by_name):
        facts.evaluations[path.parent.name] = facts.read(path, dict)
    if not (facts.keypoints or facts.fit or facts.refinement or facts.problems):
        raise UserError(_nothing(job))
    facts.capture = _capture(facts)
    return facts


def _by_name(path: Path) -> list[tuple[bool, int, str]]:
    return natural_order(path.parent.name)


def _nothing(job: Job) -> str:
    command = f"python pose_optim.py --data_path {job.data_path} --scan_id {job.scan_id}"
    return f"{job.out_path} holds no results of scan {job.scan_id}; run first: {command}"


def _capture(facts: ScanFacts) -> Capture | None:
    """The capture, or None where it is not there any more: the results are shown without it."""
    try:
        return open_capture(facts.job, corrected=True, mended=True)
    except UserError as error:
        facts.problems.append(f"without photos, for the capture cannot be read: {error}")
        return None
