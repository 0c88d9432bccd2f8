"""The index over all scans, and reports that are broken."""

import json
import re

import pytest

from models.report.index import read_summary, write_index
from utils.errors import UserError


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
