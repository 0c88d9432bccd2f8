"""What every stage script shares: process, command line, scans, config, records, progress."""

from utils.stage.job import Job, run_stage, stage_parser
from utils.stage.process import start
from utils.stage.record import StageRecord

__all__ = ["Job", "StageRecord", "run_stage", "stage_parser", "start"]
