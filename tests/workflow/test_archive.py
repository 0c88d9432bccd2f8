"""Archives: nothing is lost, nothing foreign is taken, nothing newer is overwritten."""

import tarfile

import pytest

from tests.scenes.workflow import made_up_stage, make_scans
from tests.utils.stage.test_job import job_of
from utils.errors import UserError
from utils.io.files import save_text
from workflow import archive
from workflow.archive import archive_scan, extract_scan, files_of, main


@pytest.fixture
def out(tmp_path):
    """Results of scans 1 and 10."""
    from dataclasses import replace

    data = make_scans(tmp_path / "data", ["1", "10"])
    for scan in ("1", "10"):
        job = replace(job_of(tmp_path), data_path=data, scan_id=scan, records=[])
        made_up_stage(job, "pose_optim")
        save_text(job.out_path / "demo_sfs" / scan / "rerender" / "00.png", f"picture of {scan}")
        save_text(job.out_path / "demo_sfs" / scan / "report.html", f"report of {scan}")
    return tmp_path / "out"


def content(out):
    files = (path for path in out.rglob("*") if path.is_file() and path.suffix != ".tar")
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def test_a_scan_goes_into_one_file_and_comes_back(out, capsys):
    before = content(out)
    assert main([str(out), "--remove"]) == 0
    assert "2 scans, 8 files archived and removed" in capsys.readouterr().out
    assert [path.name for path in out.iterdir()] == ["archive"]
    assert sorted(path.name for path in (out / "archive").iterdir()) == ["1.tar", "10.tar"]
    assert main([str(out), "--extract"]) == 0
    assert content(out) == before


def test_scans_whose_names_begin_alike_are_told_apart(out):
    names = {str(path.relative_to(out)) for path in files_of(out, "1", "demo_sfs")}
    assert names == {
        "runs/1_pose_optim.json",
        "pose_optim/1.txt",
        "demo_sfs/1/rerender/00.png",
        "demo_sfs/1/report.html",
    }


def test_files_that_change_meanwhile_are_not_removed(out, monkeypatch):
    compare = archive._compare

    def changed(path, out_path, files):
        save_text(out_path / "pose_optim" / "1.txt", "changed")
        compare(path, out_path, files)

    monkeypatch.setattr(archive, "_compare", changed)
    with pytest.raises(UserError, match="changed while they were archived"):
        archive_scan(out, "1", "demo_sfs", remove=True)
    assert (out / "pose_optim" / "1.txt").read_text() == "changed"
    assert not (out / "archive" / "1.tar").exists()


def test_a_newer_file_is_not_overwritten(out):
    archive_scan(out, "1", "demo_sfs")
    save_text(out / "pose_optim" / "1.txt", "newer")
    with pytest.raises(UserError, match=r"1.txt is another than .*1.tar holds; move one away"):
        extract_scan(out, "1")


@pytest.mark.parametrize("name", ["../outside.txt", "/outside.txt"])
def test_an_archive_that_leads_out_is_refused(out, name):
    (out / "archive").mkdir()
    with tarfile.open(out / "archive" / "1.tar", "w") as made:
        made.addfile(tarfile.TarInfo(name))
    with pytest.raises(UserError, match=r"1.tar is no whole archive of a scan"):
        extract_scan(out, "1")


def test_mistakes(out, capsys):
    assert main([str(out), "--scans", "7"]) == 2
    assert "has no results of 7" in capsys.readouterr().err
    assert main([str(out), "--extract"]) == 2
    assert "has no archives of any scan" in capsys.readouterr().err
    (out / "archive").mkdir()
    (out / "archive" / "1.tar").write_text("no archive")
    assert main([str(out), "--extract"]) == 2
    assert "is no whole archive of a scan" in capsys.readouterr().err
