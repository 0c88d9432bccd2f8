"""HOCON configs, checked against the shipped one, which documents every key where it stands."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from utils.errors import UserError
from utils.paths import ROOT
from utils.stage.hocon import parse_file, parse_text
from utils.stage.ranges import check_ranges
from utils.stage.reference_config import RETIRED_KEYS, without_foreign_keys

DEFAULT_CONFIG = ROOT / "conf" / "demo_sfs.conf"


class Config(dict):
    """A resolved config: a dict whose keys are also attributes, and that knows which were read.

    A stage's record compares what the stage read (`reads`), so no list of keys is kept by hand. A
    key that is read in one branch only is safe: which branch a run takes follows from the keys and
    files that it read before, so with all of these unchanged, the key is not read again either.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._read: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        self._read.add(key)
        return value

    def __getattr__(self, key: str) -> Any:
        try:
            return self[key]
        except KeyError:
            raise AttributeError(key) from None

    def __iter__(self) -> Iterator[str]:
        # Defined, though it is dict's own: else `{**config}` copies values without __getitem__.
        return super().__iter__()

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, which counts as read, or `default`."""
        self._read.add(key)
        return super().get(key, default)

    def items(self) -> Any:
        """All keys and values, which count as read."""
        self._read.update(self)
        return super().items()

    def values(self) -> Any:
        """All values, which count as read."""
        self._read.update(self)
        return super().values()

    def plain(self) -> dict[str, Any]:
        """The whole config as plain dicts and lists; nothing counts as read."""
        return {key: _plain(value) for key, value in super().items()}

    def unread(self) -> Config:
        """A copy of which nothing has been read yet."""
        return _wrap(self.plain())

    def reads(self) -> dict[str, Any]:
        """Dotted names and plain values of all keys read so far.

        Taking a section reads nothing of it; a list, such as `ham_levels`, is read as a whole.
        """
        found: dict[str, Any] = {}
        for key, value in super().items():
            if isinstance(value, Config):
                found.update({f"{key}.{name}": each for name, each in value.reads().items()})
            elif key in self._read:
                found[key] = _plain(value)
        return found

    def agrees(self, reads: Mapping[str, Any]) -> bool:
        """Whether all keys of `reads`, as that method gives them, have these values here."""
        own = dict(flattened(self.plain()))
        return all(name in own and own[name] == value for name, value in reads.items())

    def note(self, reads: Iterable[str]) -> None:
        """Count the keys of these dotted names as read."""
        for name in reads:
            key, _, rest = name.partition(".")
            if rest:
                super().__getitem__(key).note([rest])
            else:
                self._read.add(key)


def load_config(path: str | Path | None = None, overrides: Iterable[str] = ()) -> Config:
    """Read `path` (the shipped config when None) and apply `key=value` overrides.

    Keys that `path` leaves out take the shipped values. Dotted names reach into sections
    (`mano_optim.mask_weight=0`). Raises UserError on unknown keys, naming the nearest valid one,
    on values of the wrong type or outside of their range (conf/ranges.txt), and on files that do
    not parse.
    """
    config = _schema()
    if path is not None and Path(path).resolve() != DEFAULT_CONFIG:
        own = without_foreign_keys(_parse_file(Path(path)), str(path))
        config = _merged(config, own, str(path))
    for override in overrides:
        name, sep, _ = override.partition("=")
        if not sep or not name.strip():
            raise UserError(f"--set {override}: expected key=value, such as --set lap_weight=0.5")
        config = _merged(config, parse_text(override, f"--set {override}"), f"--set {override}")
    return _wrap(config)


@cache
def _schema() -> dict[str, Any]:
    return _parse_file(DEFAULT_CONFIG)


def _parse_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        shipped = ", ".join(sorted(str(p) for p in DEFAULT_CONFIG.parent.glob("*.conf")))
        raise UserError(f"--conf {path}: no such file; shipped configs: {shipped}")
    return parse_file(path)


def _merged(base: dict[str, Any], new: dict[str, Any], source: str) -> dict[str, Any]:
    """`base` with the keys of `new`, all of which are checked."""
    merged = _merged_section(base, new, source)
    check_ranges(merged, source)
    return merged


def _merged_section(base: dict[str, Any], new: dict[str, Any], source: str) -> dict[str, Any]:
    merged = dict(base)
    for key, value in new.items():
        _check_key(key, base, source)
        if isinstance(base[key], dict) and isinstance(value, dict):
            merged[key] = _merged_section(base[key], value, source)
        else:
            merged[key] = _converted(key, value, base[key], source)
    return merged


def _check_key(key: str, base: dict[str, Any], source: str) -> None:
    if key in base:
        return
    if key in RETIRED_KEYS:
        raise UserError(f"{source}: key '{key}' is retired: {RETIRED_KEYS[key]}; delete the line")
    near = difflib.get_close_matches(key, base, n=1, cutoff=0.0)
    meant = f"; did you mean '{near[0]}'?" if near else ""
    raise UserError(f"{source}: unknown key '{key}'{meant}")


def _converted(key: str, value: Any, default: Any, source: str) -> Any:
    """`value` as the number type that `default` has; sections and lists of sections checked."""
    if isinstance(default, dict) and not isinstance(value, dict):
        raise UserError(f"{source}: key '{key}' is {value!r}; expected a section")
    if isinstance(default, list) and isinstance(value, list):
        return _checked_items(key, value, default, source)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if isinstance(default, float):
        return float(value)
    return int(value) if float(value).is_integer() else value


def _checked_items(key: str, items: list, defaults: list, source: str) -> list:
    """Items of a list of sections may use only keys that some default item has."""
    known: dict[str, Any] = {}
    for item in defaults:
        known.update(item if isinstance(item, dict) else {})
    if not known:
        return [_converted(key, item, defaults[0] if defaults else "", source) for item in items]
    for item in items:
        if not isinstance(item, dict):
            raise UserError(f"{source}: key '{key}' holds {item!r}; expected sections {{...}}")
        for name in item:
            _check_key(name, known, f"{source}: {key}")
    return [
        {name: _converted(name, value, known[name], source) for name, value in item.items()}
        for item in items
    ]


def _plain(data: Any) -> Any:
    if isinstance(data, Config):
        return data.plain()
    return [_plain(item) for item in data] if isinstance(data, list) else data


def _wrap(data: Any) -> Any:
    if isinstance(data, dict):
        return Config({key: _wrap(value) for key, value in data.items()})
    if isinstance(data, list):
        return [_wrap(item) for item in data]
    return data


def flattened(config: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values of a config, in order."""
    for key, value in config.items():
        if isinstance(value, dict):
            yield from flattened(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
