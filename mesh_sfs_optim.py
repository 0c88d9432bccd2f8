"""Stage 3, HAM: photos + parametric hand -> detailed vertices, albedo and light.

Reads D/S/img, mask, cameras and O/mano_out (or O/gcn_out). Writes O/demo_sfs/S: ori_S.obj,
S.obj, S_c.obj, S.ply, S.pt, S_{left,right}_tpose.obj, rerender/mesh_%02d.png, overlay/%02d.png,
losses.png, metrics.json and config.json.

With --frames, scans are frames of a movement: light, albedo and mean detail are solved on a few of
them and held, and each frame starts from the one before it. Writes O/sequence, too: A-B.mp4 (photos
and re-renderings) and A-B.glb (the hands' motion).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from utils.stage import Job, StageRecord, run_stage, stage_parser, start
from utils.viewer.options import add_viewer_options

if TYPE_CHECKING:
    from models.ham.results import HamResult
    from models.ham.state import HamState
    from models.hand.fitted import HandsMesh
    from utils.cameras import Cameras
    from utils.captures import Capture
    from utils.photos.crops import ViewCrop
    from utils.stage.config import Config
    from utils.stage.progress import Progress

DATA_SETS = ("interhand", "dhm")  # whose scans come with annotations to start from


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run the stage; returns the exit status."""
    parser = stage_parser(
        "Refine the fitted hands by inverse rendering: detail, albedo and light from the photos.",
        "python mesh_sfs_optim.py --data_path demo_data --scan_id 1   # after mano_optim.py\n"
        "python mesh_sfs_optim.py --data_path demo_data --set lap_weight=0.1 albedo_weight=0.5\n"
        "python mesh_sfs_optim.py --data_path moving_data --frames 1:25   # a movement: 1 to 24",
        optimises=True,
    )
    add_viewer_options(parser)
    return run_stage(parser, mesh_sfs_optim, argv, mesh_sfs_optim_sequence)


def mesh_sfs_optim(job: Job) -> None:
    """Run the stage on one scan."""
    from models.hand.fitted import load_hands
    from utils.captures import open_capture
    from utils.geometry.mesh import mesh_name
    from utils.io.files import load_json
    from utils.memory import release_memory
    from utils.stage.progress import Progress

    config = job.config
    make_start(job)
    capture = open_capture(job, corrected=True, mended=True)
    hands = load_hands(job.out_path / config.input_mesh_dire, job.scan_id)
    record = StageRecord(job, "mesh_sfs_optim")
    inputs = [*hands.files(), *capture.files("camera", "image", "mask")]
    if record.is_current(inputs):
        return
    capture.look_ahead()  # while the rest is imported
    from models.ham.state import check_hands
    from models.ham.verdict import judge_refinement

    record.recall("pose_optim", "mano_optim")
    check_hands(hands)
    folder = job.results_dir
    mesh = mesh_name(hands.verts, hands.faces)
    made_with = {**record.made_with, "mesh": mesh, "inputs": record.contents()}
    progress = Progress(folder / ".progress.pt", made_with, config, afresh=job.overwrite)
    result = refine_mesh(capture, hands, config, job.device, progress)
    faces = len(result.state.faces)
    judge_refinement(result.reports, faces).enforce(job.force)
    from models.ham.results import save_results  # what is needed last is imported last
    from models.report.update import update_report

    release_memory()  # for pictures as large as the photos
    outputs = save_results(folder, job.scan_id, hands, result, config)
    fitted = load_json(folder / "metrics.json")["fitted_views"]
    verdict = judge_refinement(result.reports, faces, fitted["psnr"])
    record.finish(outputs, verdict=verdict.as_dict())
    progress.forget()
    print(f"look at {folder / 'overlay'} and {folder / f'{job.scan_id}.ply'}")
    if config.textures != "none":
        add_textures(job)
    update_report(job)
    print(verdict.line())


def mesh_sfs_optim_sequence(job: Job) -> None:
    """Run the stage on the frames of a movement; what a stopped run did is kept."""
    from models.ham.verdict import LIMITS
    from models.hand.fitted import load_hands
    from models.sequences.opened import open_sequence
    from models.sequences.refining import SequenceRefiner
    from models.sequences.showing import save_showings
    from models.sequences.verdict import frames_verdict
    from utils.captures import open_capture
    from utils.stage.frame_store import FrameStore
    from utils.stage.sequence import check_some_left

    config, start_folder = job.config, job.out_path / job.config.input_mesh_dire
    make_sequence_start(job)

    def open_frame(own: Job) -> Capture:
        make_start(own)
        load_hands(start_folder, own.scan_id)  # a frame without hands is none
        return open_capture(own, corrected=True, mended=True)

    opened = open_sequence(job, "mesh_sfs_optim", open_frame)
    record = StageRecord(job, "mesh_sfs_optim")
    inputs = []
    for frame in opened.frames:
        inputs += load_hands(start_folder, frame.name).files()
        inputs += frame.capture.files("camera", "image", "mask")
    if record.is_current(inputs):
        return
    record.recall("mano_optim")
    folder = job.out_path / "sequence" / f".{job.scan_id}_mesh_sfs_optim"
    made_with = {**record.made_with, "inputs": record.contents()}
    store = FrameStore(folder, made_with, config, job.overwrite)
    refiner = SequenceRefiner(opened, config, job.device, store, refine_mesh)
    written = refiner.run()
    check_some_left(opened.chosen, [name for name, facts in written.items() if facts is None])
    outputs = save_showings(job, opened, written)
    verdict = frames_verdict(written, LIMITS, opened.chosen.title)
    record.finish(outputs, verdict=verdict.as_dict())
    store.forget()
    print(f"look at {job.out_path / 'sequence'}", verdict.line(), sep="\n")


def add_textures(job: Job) -> None:
    """Bake textures; what hinders that is said and no reason to fail."""
    from models.textures.stage import bake_textures
    from utils.errors import UserError

    try:
        bake_textures(job.nested())
    except UserError as error:
        print(f"note: no textures: {error}")


def make_start(job: Job) -> None:
    """Fit the hands of a data set's scan where nobody did: what the config's `mano_start` says.

    Other captures' hands are left to mano_optim.py, whose results are to be looked at first.
    """
    from argparse import Namespace
    from dataclasses import replace

    from models.fitting.annotated_start import chosen_start
    from utils.captures import open_capture

    started = job.out_path / job.config.input_mesh_dire / f"{job.scan_id}.pt"
    if started.is_file() or job.config.data_type not in DATA_SETS:
        return
    own = job.nested()
    start_name = chosen_start(open_capture(own), own.config)
    print(f"{started} is missing: made from {start_name} (mano_start)", flush=True)
    if start_name == "annotation":
        take_annotation(own)
    elif start_name == "keypoints":
        from mano_optim import mano_optim
        from pose_optim import pose_optim

        pose_optim(own)
        mano_optim(own.nested())
    else:
        from multihands_mano import multihands_mano

        fits_on = own.config.input_mesh_dire != "gcn_out"
        multihands_mano(replace(own, args=Namespace(**{**vars(job.args), "optim": fits_on})))


def make_sequence_start(job: Job) -> None:
    """Fit the hands of a data set's frames together where nobody fitted any of them.

    Other starts than keypoints are left to `make_start`, frame by frame.
    """
    from models.fitting.annotated_start import chosen_start
    from utils.captures import open_capture
    from utils.stage.sequence import each_frame, frame_job

    folder = job.out_path / job.config.input_mesh_dire
    if any((folder / f"{name}.pt").is_file() for name in job.scan_ids):
        return
    own = job.nested()
    if own.config.data_type not in DATA_SETS:
        return
    if chosen_start(open_capture(frame_job(own, own.scan_ids[0])), own.config) == "keypoints":
        from mano_optim import mano_optim_sequence
        from pose_optim import pose_optim

        print("no frame has fitted hands: made from keypoints (mano_start)", flush=True)
        each_frame(pose_optim)(own)
        mano_optim_sequence(job.nested())


def take_annotation(job: Job) -> None:
    """Write the data set's MANO parameters as mano_optim.py writes a fit."""
    from models.fitting.annotated_start import annotated_fit
    from models.fitting.results import save_fit, summary_lines
    from models.fitting.verdict import judge_fit
    from models.hand.files import model_files
    from utils.captures import open_capture

    capture, record = open_capture(job), StageRecord(job, "mano_optim", "annotation")
    inputs = [*model_files("mano"), *capture.files("camera", "pose", "image", "mask")]
    if record.is_current(inputs):
        return
    fit = annotated_fit(capture, job.config.mano_optim)
    verdict = judge_fit(fit.metrics, float(capture.cameras.sizes.max()))
    verdict.enforce(job.force)
    outputs = save_fit(job.out_path, job.scan_id, capture, fit)
    print(*summary_lines(fit), sep="\n")
    record.finish(outputs, verdict=verdict.as_dict())


def refine_mesh(
    capture: Capture,
    hands: HandsMesh,
    config: Config,
    device: str = "cpu",
    progress: Progress | None = None,
) -> HamResult:
    """HAM on the hands (world units) of one capture.

    Levels go from coarse to fine (config `ham_levels`), on photos shrunk by `photo_scale`, which
    `models.ham.budget` finds where the config leaves it open. After each level, folds and crossings
    are mended and the state is kept in `progress`, which must be of these inputs and settings, and
    from which a later call goes on.
    """
    from models.ham.budget import refinement_scale
    from models.ham.results import HamResult
    from models.ham.state import HamState, LevelReport, corrects_cameras, start_state
    from utils.captures.trusted_views import trusted_views
    from utils.stage.progress import Progress

    state, frame = start_state(hands, len(capture), corrects_cameras(capture, config), device)
    cameras = capture.cameras.normalised(frame)
    verts = state.verts.cpu().double().numpy()
    crops, verdicts = trusted_views(capture, cameras, verts, hands.folder)
    photo_scale = refinement_scale(capture, crops.boxes, hands, config, device)
    progress, reports = progress or Progress(), []
    for number, level in enumerate(config.ham_levels, 1):
        title = f"level {number} of {len(config.ham_levels)}"
        kept = progress.part(
            f"level {number}",
            refine_one_level,
            *(state, crops, cameras, photo_scale, config, level, title),
        )
        state = HamState.from_dict(kept["state"], device)
        reports.append(LevelReport.from_dict(kept["report"]))
    names = capture.names
    return HamResult(state, frame, cameras, crops, verdicts, reports, names, photo_scale)


def refine_one_level(
    coarser: HamState,
    crops: Sequence[ViewCrop],
    cameras: Cameras,
    photo_scale: float,
    config: Config,
    level: Config,
    title: str,
) -> dict[str, Any]:
    """The state after one level, folds and crossings mended, and its report, as plain data."""
    from dataclasses import asdict

    from models.appearance.shown import shown_surface
    from models.ham.refine import refine_level
    from models.ham.state import LevelReport, mend_state
    from utils.memory import release_memory
    from utils.photos.crops import pack_photos
    from utils.viewer.live import show, show_photos
    from utils.viewer.shown import Shown

    finer = coarser.subdivided(level.verts * coarser.hands)
    scale = photo_scale * level.image_scale
    photos = pack_photos(crops, cameras, scale, str(coarser.verts.device))
    release_memory()  # of the level before, and of whole photos
    show_photos(photos)
    state, soundness = mend_state(refine_level(finer, photos, config, level, title))
    show(lambda: Shown(shown_surface(state.verts, state.faces, state.appearance)))
    report = LevelReport.of(state, soundness, len(coarser.history))
    print(f"{title}: {report.summary()}")
    return {"state": state.as_dict(), "report": asdict(report)}


if __name__ == "__main__":
    start(main)
