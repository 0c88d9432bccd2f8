"""HOCON text as plain dicts and lists: with includes, and with errors that name the line."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from utils.errors import UserError
from utils.io.files import load_record, load_text, save_json
from utils.paths import ROOT

INCLUDE = re.compile(r"\s*include\b(?P<what>.*)")
QUOTED = re.compile(r'(?:required\s*\()?\s*(?:file\s*\()?\s*"(?P<name>[^"]+)"[\s)]*$')
DECIMAL_COMMA = re.compile(r"=\s*-?\d+,\d+\s*$")
HINT = "see conf/demo_sfs.conf"
SHIPPED = ROOT / "conf"


def parse_file(path: Path, including: Sequence[Path] = ()) -> dict[str, Any]:
    """A HOCON file with what it includes; `including` are the files that led here.

    `include "other.conf"`, relative to the file, stands before the file's own settings, which win
    over it. Raises UserError where a file is missing, is no text, does not parse, includes itself
    or something from a network.
    """
    source = f"--conf {path}"
    try:
        text = load_text(path)
    except FileNotFoundError:
        raise UserError(f"{source}: no such file") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{source}: not a text file in UTF-8; {HINT}") from error
    except OSError as error:
        raise UserError(f"{source}: cannot be read ({error.strerror})") from error
    own = _kept_parse(_without_includes(text), path)
    merged: dict[str, Any] = {}
    for included in _includes(text, path):
        if included.resolve() in [each.resolve() for each in (*including, path)]:
            raise UserError(f"{path}: includes itself by way of {included}; take that line out")
        merged = merge(merged, parse_file(included, (*including, path)))
    return merge(merged, own)


def _kept_parse(text: str, path: Path) -> dict[str, Any]:
    """What `parse_text` makes of a file's text without includes.

    That of a shipped file is kept in `__pycache__` beside it by the text's digest, as Python keeps
    compiled modules: pyhocon takes half a second for it. Where that is damaged or cannot be
    written, the text is parsed.
    """
    if path.resolve().parent != SHIPPED:  # other folders are their owners'
        return parse_text(text, str(path))
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    kept = SHIPPED / "__pycache__" / f"{path.name}.{digest}.json"
    if settings := load_record(kept):
        return settings
    parsed = parse_text(text, str(path))
    with contextlib.suppress(OSError, UserError):
        save_json(kept, parsed)
    return parsed


def parse_text(text: str, source: str) -> dict[str, Any]:
    """HOCON text without includes. Raises UserError, naming `source` and the line."""
    import pyhocon
    import pyparsing

    try:
        tree = pyhocon.ConfigFactory.parse_string(text)
        if not isinstance(tree, pyhocon.ConfigTree):
            raise UserError(f"{source}: not valid HOCON: expected keys and values; {HINT}")
        return plain(tree.as_plain_ordered_dict())
    except (pyhocon.exceptions.ConfigException, pyparsing.ParseBaseException) as error:
        raise UserError(f"{source}{_where(str(error), text)}; {HINT}") from error
    except RecursionError as error:
        raise UserError(f"{source}: not valid HOCON: nested too deeply; {HINT}") from error


def plain(data: Any) -> Any:
    """Dicts with plain keys, and lists."""
    if isinstance(data, dict):
        return {str(key).strip('"'): plain(value) for key, value in data.items()}
    return [plain(item) for item in data] if isinstance(data, list) else data


def merge(base: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """`base` with the keys of `new`, section by section."""
    merged = dict(base)
    for key, value in new.items():
        both = isinstance(merged.get(key), dict) and isinstance(value, dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def _where(message: str, text: str) -> str:
    """The line that the parser stumbled over, in words."""
    if match := re.search(r"Cannot resolve variable (\S+)", message):
        return f": not valid HOCON: {match[1]} stands for nothing"
    match = re.search(r"line:\s*(\d+)", message)
    lines = text.splitlines()
    number = min(int(match[1]) if match else len(lines), len(lines))
    while number > 1 and (not lines[number - 1].strip() or _no_setting(lines[number - 2])):
        number -= 1  # the parser reads on over lines that say nothing to it
    line = lines[number - 1].strip() if lines else ""
    reason = "a decimal comma? write a point" if DECIMAL_COMMA.search(line) else "key = value?"
    return f", line {number}: not valid HOCON: '{line[:80]}' ({reason})"


def _no_setting(line: str) -> bool:
    """Whether a line with text in it holds neither a key's value nor brackets."""
    text = line.partition("#")[0].strip()
    return bool(text) and not any(sign in text for sign in "=:{}[],")


def _without_includes(text: str) -> str:
    return "\n".join("" if INCLUDE.fullmatch(line) else line for line in text.splitlines())


def _includes(text: str, path: Path) -> list[Path]:
    """The files that a text includes, which must stand before its settings."""
    found, settings = [], False
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.fullmatch(line)
        if match is None:
            settings = settings or bool(line.partition("#")[0].partition("//")[0].strip())
            continue
        where, name = f"{path}, line {number}", QUOTED.match(match["what"].strip())
        if name is None or "://" in name["name"]:
            raise UserError(
                f"{where}: '{line.strip()}': only files can be included: include \"other.conf\""
            )
        if settings:
            raise UserError(f"{where}: an include stands before all settings; move it up")
        included = path.parent / name["name"]
        if not included.is_file():
            raise UserError(f"{where}: {included} is missing")
        found.append(included)
    return found
