"""The index over all scans, and reports that are broken."""

import json
import re
import subprocess
import sys

import pytest

from models.report import index
from models.report.index import read_summary, write_index
from tests.conftest import ROOT
from utils.errors import UserError
from utils.io.files import save_json
from utils.stage.outcomes import failure_path


def write_page(out, scan, level="good", psnr=30.0, end="</html>\n", summary=None):
    path = out / "demo_sfs" / scan / "report.html"
    path.parent.mkdir(parents=True)
    said = summary or {"scan": scan, "level": level, "warnings": 2, "numbers": {"psnr": psnr}}
    head = f'<script type="application/json" id="summary">{json.dumps(said)}</script>'
    path.write_text(f"<!doctype html><html><head>{head}</head>{end}", encoding="utf-8")
    return path


def order_in(page: str) -> list[str]:
    return re.findall(r'href="demo_sfs/([^/]+)/report.html">[^<]', page)


def test_worst_first(tmp_path):
    write_page(tmp_path, "1", psnr=33.0)
    write_page(tmp_path, "2", psnr=21.5)
    write_page(tmp_path, "10", "failed", 35.0)
    write_page(tmp_path, "take 3", "doubtful", 36.0)
    page = write_index(tmp_path, "demo_sfs").read_text(encoding="utf-8")
    assert order_in(page) == ["10", "take%203", "2", "1"]
    assert "21.50" in page and "neural dB" not in page  # columns that nobody fills are left out


def test_scans_without_numbers_come_before_the_good_ones(tmp_path):
    write_page(tmp_path, "1", psnr=20.0)
    write_page(tmp_path, "2", psnr=None)
    page = write_index(tmp_path, "demo_sfs").read_text(encoding="utf-8")
    assert order_in(page) == ["2", "1"]


@pytest.mark.parametrize(
    "broken",
    [
        {"end": "<body>"},  # cut short
        {"summary": {"level": "superb", "numbers": {}}},
        {"summary": {"level": "good", "numbers": [1]}},
        {"summary": ["good"]},
    ],
)
def test_a_broken_report_is_named_and_the_index_stays(tmp_path, broken):
    write_page(tmp_path, "1")
    before = write_index(tmp_path, "demo_sfs").read_bytes()
    path = write_page(tmp_path, "2", **broken)
    with pytest.raises(UserError, match=r"2/report.html is no complete report.*report.py on scan"):
        write_index(tmp_path, "demo_sfs")
    assert (tmp_path / "index.html").read_bytes() == before
    assert path.exists()


def test_a_page_of_somebody_else(tmp_path):
    path = tmp_path / "demo_sfs" / "1" / "report.html"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\xff\xfe nothing")
    with pytest.raises(UserError, match="no complete report"):
        read_summary(path)


def test_a_folder_of_that_name(tmp_path):
    path = tmp_path / "demo_sfs" / "1" / "report.html"
    path.mkdir(parents=True)
    with pytest.raises(UserError, match="cannot be read"):
        read_summary(path)


def test_a_failed_scan_is_a_red_row_with_its_cause(tmp_path):
    write_page(tmp_path, "1")
    write_page(tmp_path, "2")
    for scan, stage in (("2", "neural_render"), ("3", "pose_optim")):
        note = {"scan_id": scan, "stage": stage, "kind": "input", "cause": "03.png <is> broken"}
        save_json(failure_path(tmp_path, scan, stage), note)
    page = write_index(tmp_path, "demo_sfs").read_text()
    assert page.count('class="failed">failed<small>') == 2
    assert "pose_optim: 03.png &lt;is&gt; broken" in page
    assert re.findall(r'<tr><td></td>\n<td data-value="(\d)">', page) == ["3", "2", "1"]
    failure_path(tmp_path, "3", "pose_optim").unlink()
    assert order_in(write_index(tmp_path, "demo_sfs").read_text()) == ["2", "1"]


def test_a_report_that_comes_while_the_index_is_written_is_in_it(tmp_path, monkeypatch):
    """As another process's does, whose own index this one would otherwise replace."""
    write_page(tmp_path, "1")
    write = index.save_text

    def slow(path, text):
        if not (tmp_path / "demo_sfs" / "2").is_dir():
            write_page(tmp_path, "2")
        write(path, text)

    monkeypatch.setattr(index, "save_text", slow)
    assert order_in(write_index(tmp_path, "demo_sfs").read_text()) == ["1", "2"]


PROCESS = """
import sys
from pathlib import Path
from models.report.index import write_index
from tests.models.report.test_index import write_page
out = Path(sys.argv[1])
for scan in sys.argv[2:]:
    write_page(out, scan)
    write_index(out, "demo_sfs")
"""


def test_several_processes_leave_a_whole_index(tmp_path):
    scans = [[f"{process}_{number}" for number in range(8)] for process in "abc"]
    running = [
        subprocess.Popen([sys.executable, "-c", PROCESS, str(tmp_path), *each], cwd=ROOT)
        for each in scans
    ]
    assert [process.wait() for process in running] == [0, 0, 0]
    page = (tmp_path / "index.html").read_text()
    assert page.rstrip().endswith("</html>")
    assert set(order_in(page)) == {scan for each in scans for scan in each}
