"""The table of scans: from patterns, a file with tabs, or the sequences of InterHand2.6M."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from utils.errors import UserError
from utils.io.files import load_text, natural_order
from utils.paths import ROOT
from utils.stage.config import Config, load_config
from utils.stage.job import Job, own_out_path
from utils.stage.scans import chosen_scans

COLUMNS = ("scan", "data_path", "out_path", "conf", "set")
INTERHAND_CONFIG = ROOT / "conf" / "ih_sfs.conf"


@dataclass(frozen=True)
class Source:
    """What the scans of one results folder have in common; conf "": the shipped one."""

    data_path: str
    out_path: str
    conf: str
    set: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain data, from which `Source.of` makes it again."""
        return {**asdict(self), "set": list(self.set)}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Source:
        """What `as_dict` gave."""
        return cls(plain["data_path"], plain["out_path"], plain["conf"], tuple(plain["set"]))

    def config(self) -> Config:
        """The stages' config. Raises UserError as `load_config`."""
        return load_config(self.conf or None, self.set)

    def job(self, scan_id: str, config: Config, seed: int) -> Job:
        """The job of a stage on one scan; it asks for no device."""
        paths = Path(self.data_path), scan_id, Path(self.out_path)
        return Job(*paths, config.unread(), "cpu", seed, False, argparse.Namespace())


def read_table(settings: Mapping[str, Any]) -> dict[Source, list[str]]:
    """The scans that the workflow's settings name, by source, each once, in natural order.

    Raises UserError where the settings contradict each other, a table cannot be read, and where it
    has a scan twice.
    """
    given = [key for key in ("table", "interhand") if settings[key]]
    if len(given) > 1:
        raise UserError("table and interhand are both given; give one of them")
    if settings["table"]:
        return _from_file(Path(settings["table"]), settings)
    if settings["interhand"]:
        return dict(_sequences(Path(settings["interhand"]), settings))
    if not settings["data_path"]:
        raise UserError("no scans: give data_path, table or interhand (--config data_path=my_data)")
    source = _source(settings, settings["out_path"])
    return {source: _scans_of(source, list(settings["scans"]))}


def _source(row: Mapping[str, Any], out_path: str, overrides: tuple[str, ...] = ()) -> Source:
    """A source with the folder of its results, where `out_path` is "" as the stages name it."""
    given = row["set"].split() if isinstance(row["set"], str) else row["set"]
    source = Source(str(row["data_path"]), "", str(row["conf"]), (*given, *overrides))
    config, data_path = source.config(), Path(source.data_path)
    named = out_path or own_out_path(data_path, config)
    return Source(source.data_path, str(named), source.conf, source.set)


def _scans_of(source: Source, names: list[str]) -> list[str]:
    from utils.captures import list_scans

    def present() -> list[str]:
        return list(list_scans(Path(source.data_path), config))

    config = source.config()
    args = argparse.Namespace(range=None, scans=[str(name) for name in names], scans_from=None)
    return sorted(chosen_scans(args, present), key=natural_order)


def _from_file(path: Path, settings: Mapping[str, Any]) -> dict[Source, list[str]]:
    """The scans that a file with tabs names."""
    found: dict[Source, list[str]] = {}
    lines: dict[tuple[str, str], int] = {}  # of results folder and scan
    sources: dict[tuple[str, ...], Source] = {}
    for number, row in _rows(path):
        row = {**{key: settings[key] for key in COLUMNS[1:]}, **row}
        key = tuple(str(row[name]) for name in COLUMNS[1:])
        if key not in sources:
            sources[key] = _source(row, row["out_path"])
        source = sources[key]
        for scan in _scans_of(source, [row["scan"]]):
            place = str(Path(source.out_path).resolve()), scan
            if place in lines:
                raise UserError(
                    f"{path}, line {number}: scan {scan} of {source.out_path} stands in line "
                    f"{lines[place]}, too; delete one, or give another out_path"
                )
            lines[place] = number
            found.setdefault(source, []).append(scan)
    return {source: sorted(scans, key=natural_order) for source, scans in found.items()}


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line numbers and what stands in them, by column; empty fields are left out."""
    try:
        lines = load_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"table: {path}: not a readable text file ({error})") from error
    head = lines[0].split("\t") if lines else []
    unknown = [name for name in head if name not in COLUMNS]
    if "scan" not in head or unknown:
        raise UserError(
            f"table: {path}: its first line must name the columns, with tabs between: scan and any "
            f"of {', '.join(COLUMNS[1:])}; it is '{lines[0][:80] if lines else ''}'"
        )
    count = 0
    for number, fields in enumerate(csv.reader(lines[1:], delimiter="\t"), 2):
        if not any(field.strip() for field in fields) or fields[0].startswith("#"):
            continue
        row = {name: field.strip() for name, field in zip(head, fields) if field.strip()}
        if "scan" not in row or len(fields) > len(head):
            raise UserError(f"table: {path}, line {number}: expected a scan in {len(head)} columns")
        count += 1
        yield number, row
    if not count:
        raise UserError(f"table: {path}: names no scan")


def _sequences(root: Path, settings: Mapping[str, Any]) -> Iterator[tuple[Source, list[str]]]:
    """All sequences of InterHand2.6M, and their frames."""
    folders = sorted(p for p in root.glob("images/*/Capture*/*") if p.is_dir())
    if not folders:
        raise UserError(
            f"interhand: {root / 'images'} holds no SPLIT/CaptureN/SEQUENCE; give the data set's "
            "folder"
        )
    row = {**settings, "data_path": str(root), "conf": settings["conf"] or str(INTERHAND_CONFIG)}
    for folder in folders:
        split, capture, sequence = folder.parts[-3:]
        names = (f"split={split}", f"capture_name={capture}", f"data_name={sequence}")
        out_path = settings["out_path"]
        out_path = str(Path(out_path) / f"{capture}_{sequence}") if out_path else ""
        source = _source(row, out_path, names)
        yield source, _scans_of(source, ["*"])[:: int(settings["every"])]
