"""What every stage script shares: command line, config, records, progress."""

from utils.stage.job import Job, run_stage, stage_parser
from utils.stage.record import StageRecord

__all__ = ["Job", "StageRecord", "run_stage", "stage_parser"]
