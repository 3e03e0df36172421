"""Write a choice of symbols into an existing config.toml.

Only the value of one key is replaced; comments and order stay. The file is read back before it replaces the old one: all
other keys must have their old meaning, and the settings must be valid.
"""

import codecs
import contextlib
import os
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from arb.config import load_settings
from arb.config.loader import key_at, lines_of_keys
from arb.errors import ConfigError
from arb.files import whole

PER_LINE = 6
"""How many symbols share a line of the file."""
_LAST = re.compile(r"""[]"'](?=[ \t]*(?:\#.*)?\r?$)""", re.MULTILINE)
_ONE_LINE = 100
"""The longest array that is written on one line."""


def wrapped(symbols: Sequence[str]) -> list[str]:
    quoted = [f'"{symbol}",' for symbol in symbols]
    return [f"    {' '.join(quoted[start : start + PER_LINE])}" for start in range(0, len(quoted), PER_LINE)]


def write_symbols(path: Path, symbols: Sequence[str]) -> None:
    """Set `[run] symbols` of the file to `symbols`, durably; its mode stays, and a link continues to point to it.

    Raises `ConfigError` and keeps the file as it was: where it is none, cannot be written, or would not start then.
    """
    target = path.resolve()
    try:
        raw = whole(target)
        text = raw.decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: no such file: make one with `arb init`, or name another with --config PATH"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}): give a readable UTF-8 text file") from None
    changed = with_symbols(text, symbols, str(path))
    beside = target.with_name(f".{target.name}.new")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        hint = (
            f"another writes it, or did: remove {beside}"
            if isinstance(error, FileExistsError)
            else "nothing is changed"
        )
        raise ConfigError(f"{path}: cannot be written: {beside.name}: {error.strerror}: {hint}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write((codecs.BOM_UTF8 if raw.startswith(codecs.BOM_UTF8) else b"") + changed.encode())
            os.fchmod(descriptor, target.stat().st_mode & 0o7777)
            file.flush()
            os.fsync(descriptor)
        _require_settings(beside, path)
        beside.replace(target)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}: nothing is changed") from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            beside.unlink()


def with_symbols(text: str, symbols: Sequence[str], name: str) -> str:
    """Return a TOML text with `[run] symbols` replaced; raises `ConfigError` with `name` where its form allows none."""
    before = _parsed(text, name)
    wanted = {**before, "run": {**before.get("run", {}), "symbols": list(symbols)}}
    newline = "\r\n" if "\r\n" in text else "\n"
    places = lines_of_keys(text)
    lines = text.splitlines(keepends=True)
    if (line := places.get(("run", "symbols"))) is not None:
        begin = sum(map(len, lines[: line - 1])) + key_at(lines[line - 1])
        changed = text[:begin] + _array(symbols, newline) + text[_end_of_value(text, begin) :]
    elif (line := places.get(("run",))) is not None and lines[line - 1].lstrip().startswith("["):
        begin = sum(map(len, lines[:line]))
        glue = "" if text[:begin].endswith("\n") else newline
        changed = f"{text[:begin]}{glue}symbols = {_array(symbols, newline)}{newline}{text[begin:]}"
    elif "run" not in before:
        glue = "" if not text or text.endswith("\n") else newline
        changed = f"{text}{glue}{newline}[run]{newline}symbols = {_array(symbols, newline)}{newline}"
    else:
        changed = ""
    if not changed or _parsed(changed, name) != wanted:
        raise ConfigError(f"{name}: [run] symbols cannot be replaced in this form: write [run] as a separate table")
    return changed


def _parsed(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{name}: not valid TOML: {error}") from None


def _array(symbols: Sequence[str], newline: str) -> str:
    quoted = [f'"{symbol}"' for symbol in symbols]
    short = f"[{', '.join(quoted)}]"
    return short if len(short) <= _ONE_LINE else newline.join(["[", *wrapped(symbols), "]"])


def _end_of_value(text: str, begin: int) -> int:
    """Return where the value that begins at `begin` ends: at the first end of a line up to which it is valid."""
    for end in _LAST.finditer(text, begin):
        with contextlib.suppress(ValueError):
            tomllib.loads(f"value = {text[begin : end.end()]}")
            return end.end()
    return len(text)


def _require_settings(written: Path, path: Path) -> None:
    try:
        load_settings(written)
    except ConfigError as error:
        said = str(error).replace(str(written), str(path))
        raise ConfigError(f"{said}: with these symbols it would not start, so nothing is written") from None
