"""Stage 3, HAM: photos + parametric hand -> detailed vertices, albedo and light.

Reads D/S/img, mask, cameras and O/mano_out (or O/gcn_out). Writes O/demo_sfs/S: ori_S.obj,
S.obj, S_c.obj, S.ply, S.pt, S_{left,right}_tpose.obj, rerender/mesh_%02d.png, overlay/%02d.png,
losses.png, metrics.json and config.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from utils.stage import Job, StageRecord, run_stage, stage_parser, start

if TYPE_CHECKING:
    from models.ham.progress import HamProgress
    from models.ham.results import HamResult
    from models.hand.fitted import HandsMesh
    from utils.captures import Capture
    from utils.stage.config import Config


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run the stage; returns the exit status."""
    parser = stage_parser(
        "Refine the fitted hands by inverse rendering: detail, albedo and light from the photos.",
        "python mesh_sfs_optim.py --data_path demo_data --scan_id 1   # after mano_optim.py\n"
        "python mesh_sfs_optim.py --data_path demo_data --set lap_weight=0.1 albedo_weight=0.5",
    )
    return run_stage(parser, mesh_sfs_optim, argv)


def mesh_sfs_optim(job: Job) -> None:
    """Run the stage on one scan."""
    from models.ham.progress import HamProgress
    from models.ham.results import save_results
    from models.ham.state import check_hands
    from models.hand.fitted import load_hands
    from utils.captures import open_capture

    config = job.config
    capture = open_capture(job, corrected=True)
    hands = load_hands(job.out_path / config.input_mesh_dire, job.scan_id)
    record = StageRecord(job, "mesh_sfs_optim")
    inputs = [*hands.files(), *capture.files("camera", "image", "mask")]
    if record.is_current(inputs):
        return
    check_hands(hands)
    folder = job.out_path / config.out_mesh_dire / job.scan_id
    made_with = {**record.made_with, "config": config.plain(), "inputs": record.contents()}
    progress = HamProgress(folder / ".progress.pt", made_with)
    if job.overwrite:
        progress.forget()
    result = refine_mesh(capture, hands, config, job.device, progress)
    outputs = save_results(folder, job.scan_id, hands, result, config)
    record.finish(outputs)
    progress.forget()
    print(f"look at {folder / 'overlay'} and {folder / f'{job.scan_id}.ply'}")


def refine_mesh(
    capture: Capture,
    hands: HandsMesh,
    config: Config,
    device: str = "cpu",
    progress: HamProgress | None = None,
) -> HamResult:
    """HAM on the hands (world units) of one capture.

    Levels go from coarse to fine (config `ham_levels`). After each one, folds and crossings are
    mended and the state is kept in `progress`, from which a later call goes on.
    """
    from models.ham.progress import HamProgress
    from models.ham.refine import refine_level
    from models.ham.results import HamResult
    from models.ham.state import LevelReport, corrects_cameras, mend_state, start_state
    from utils.photos.crops import pack_photos
    from utils.photos.trusted_views import trusted_views

    progress = progress or HamProgress()
    state, frame = start_state(hands, len(capture), corrects_cameras(capture, config), device)
    start, cameras = state.verts, capture.cameras.normalised(frame)
    crops, verdicts = trusted_views(capture, cameras, start.cpu().double().numpy(), hands.folder)
    state, reports = progress.resume(state)
    for number, level in enumerate(config.ham_levels[len(reports) :], len(reports)):
        steps_before = len(state.history)
        state = state.subdivided(level.verts * len(hands))
        photos = pack_photos(crops, cameras, level.image_scale, device)
        title = f"level {number + 1} of {len(config.ham_levels)}"
        state = refine_level(state, photos, config, level, title)
        state, soundness = mend_state(state)
        reports.append(LevelReport.of(state, soundness, steps_before))
        print(f"{title}: {reports[-1].summary()}")
        progress.save(start, state, reports)
    return HamResult(state, frame, cameras, crops, verdicts, reports)


if __name__ == "__main__":
    start(main)
