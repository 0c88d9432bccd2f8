"""Train the graph network that predicts a hand from its keypoints (models/gcn/network.py).

Samples are drawn from the hand model without end; no data set is needed. Writes into --out_path:
gcn_KIND.pt (the weights; KIND is open or mano), curves.csv (every term of the loss, and errors on
unseen hands in mm) and, while it runs, .progress.pt, from which the same command goes on.
The shipped models/weights/gcn_open.pt is the result of `python train_gcn.py`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.errors import UserError
from utils.stage import start
from utils.stage.arguments import add_seed
from utils.stage.command import run_command
from utils.stage.config import DEFAULT_CONFIG, Config, load_config
from utils.stage.job import add_tensorboard_option
from utils.stage.output import add_output_options
from utils.stage.process import OK

if TYPE_CHECKING:
    from models.gcn.training import Trainer
    from models.hand import HandModel

LOG_EVERY, SAVE_EVERY, JUDGE_EVERY = 50, 500, 1000  # steps


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n  python train_gcn.py\n"
        "  python train_gcn.py --set hand_model=mano   # MANO's own weights, not shipped\n"
        "  python train_gcn.py --annotations InterHand2.6M/annotations/train   # poses of people",
    )
    add = parser.add_argument
    add("--out_path", type=Path, default=Path("train_gcn_out"), help="default: %(default)s")
    add(
        "--annotations",
        type=Path,
        metavar="DIR",
        help="folder with InterHand2.6M's *_MANO_NeuralAnnot.json files: half of the samples "
        "then take their pose and shape (needs the official MANO files)",
    )
    add("--conf", type=Path, default=DEFAULT_CONFIG, help="HOCON config (default %(default)s)")
    add("--set", action="extend", nargs="+", default=[], metavar="KEY=VALUE", help="config keys")
    add("--device", choices=["auto", "cpu", "cuda"], default="auto", help="default: %(default)s")
    add_seed(parser)
    add("--overwrite", action="store_true", help="start afresh")
    add_tensorboard_option(parser)
    add_output_options(parser)
    add("--debug", action="store_true", help="show the traceback of an error")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit status."""
    args = make_parser().parse_args(argv)
    return run_command(args, lambda: _train(args), argv)


def _train(args: argparse.Namespace) -> int:
    from utils.event_files import check_tensorboard, event_file

    if args.tensorboard:
        check_tensorboard()
    config = load_config(args.conf, args.set)
    with event_file(args.out_path / "tensorboard" / "train_gcn" if args.tensorboard else None):
        train(config, args.out_path, args.device, args.seed, args.overwrite, args.annotations)
    return OK


def train(
    config: Config,
    out_path: Path,
    device: str = "auto",
    seed: int = 0,
    overwrite: bool = False,
    annotations: Path | None = None,
) -> Path:
    """Train as the config's section `gcn` says; returns the path of the weights.

    Raises UserError for settings that cannot work, a device that is not there, and progress of
    other settings in `out_path`.
    """
    from models.gcn.annotations import load_annotations
    from models.gcn.training import Trainer
    from models.gcn.weights import save_network
    from models.hand import load_hand_model
    from models.hand.model import announce

    model = load_hand_model("right", config.hand_model).to(_device(device))
    announce([model])
    people = None if annotations is None else load_annotations(annotations, model)
    weights, progress = out_path / f"gcn_{model.kind}.pt", out_path / ".progress.pt"
    trainer = Trainer(model, config.gcn, seed, people)
    if overwrite:
        progress.unlink(missing_ok=True)
    if trainer.resume(progress):
        print(f"going on at step {trainer.steps_done}")
    start = time.perf_counter()
    try:
        _run(trainer, model, out_path / "curves.csv", progress)
    except KeyboardInterrupt:
        trainer.save(progress)
        raise
    found = trainer.judge()
    save_network(weights, trainer.average.module, model, {"seed": seed, "errors_mm": found})
    progress.unlink(missing_ok=True)
    print(f"{trainer.steps_done} steps, {(time.perf_counter() - start) / 60:.1f} min: {weights}")
    print(*_error_lines(found), sep="\n")
    return weights


def _error_lines(found: dict[str, dict[str, float]]) -> list[str]:
    return [
        f"  {name:10s} " + "  ".join(f"{k} {v:.2f} mm" for k, v in values.items())
        for name, values in found.items()
    ]


def _device(name: str) -> str:
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: PyTorch sees no CUDA device here; use --device cpu")
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name


def _run(trainer: Trainer, model: HandModel, curves: Path, progress: Path) -> None:
    """All steps that are left, with curves, progress and a bar."""
    from utils.progress_bar import ProgressBar

    total = trainer.settings["steps"]
    curves.parent.mkdir(parents=True, exist_ok=True)
    rows = _Curves(curves, trainer.steps_done)
    with ProgressBar(total, "training", "step", trainer.steps_done, leave=True) as bar:
        while not trainer.finished:
            terms = trainer.step()
            bar.advance()
            rows.add(terms)
            if trainer.steps_done % LOG_EVERY == 0:
                judged = {}
                if trainer.steps_done % JUDGE_EVERY == 0:
                    judged = trainer.judge(fast=True)
                bar.show(rows.write(trainer.steps_done, judged))
            if trainer.steps_done % SAVE_EVERY == 0:
                trainer.save(progress)


class _Curves:
    """The CSV of the loss' terms, averaged since the last row, and of errors on unseen hands."""

    def __init__(self, path: Path, steps_done: int) -> None:
        self.path, self.terms = path, []
        if steps_done == 0:
            path.unlink(missing_ok=True)

    def add(self, terms: dict[str, Any]) -> None:
        self.terms.append(terms)

    def write(self, step: int, judged: dict[str, dict[str, float]]) -> str:
        """Append a row; returns what the bar should say."""
        import torch

        from utils.steps import record_step

        means = {
            name: float(torch.stack([terms[name] for terms in self.terms]).mean())
            for name in self.terms[0]
        }
        self.terms = []
        errors = {
            f"{condition}_{name}_mm": judged.get(condition, {}).get(name, "")
            for condition in ("clean", "noise_3mm")
            for name in ("verts", "keypoints", "consistency")
        }
        row = {"step": step, **means, **errors}
        numbers = {name: value for name, value in row.items() if value != "" and name != "step"}
        record_step("training", numbers, step)
        new = not self.path.is_file()
        with open(self.path, "a", encoding="utf-8") as file:
            if new:
                file.write(",".join(row) + "\n")
            file.write(",".join(f"{v:.5g}" if v != "" else "" for v in row.values()) + "\n")
        return (
            f"vertices off by {10 * means['verts']:.1f} mm, parameters by {10 * means['posed']:.1f}"
        )


if __name__ == "__main__":
    start(main)
