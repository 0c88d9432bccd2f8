"""The report beside a stage's results: useful, and never a reason to stop."""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO

from utils.stage import Job


def update_report(job: Job) -> None:
    """Write the scan's report and the index anew as a stage ends, unless `report = off`.

    Where that fails, it is said in one line; an older report stays as it is.
    """
    if job.config.report == "off":
        return
    try:
        from models.report.index import write_index
        from models.report.pages import write_report

        own = job.nested()
        with redirect_stdout(StringIO()):  # what is read again has been announced before
            path = write_report(own)
        print(f"report: {path}")
        write_index(own.out_path, own.config.out_mesh_dire)
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        print(f"note: the report was not written: {reason}")
