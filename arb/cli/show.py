"""Answers on stdout: one JSON document, or text for a person."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import click
import msgspec


def show(document: Any, *, as_json: bool) -> None:
    """Print `document` (dicts, lists, scalars, Decimals) as JSON or as text; instants and amounts stay exact."""
    click.echo(to_json(document) if as_json else to_text(document))


def to_json(document: Any) -> str:
    """Return one line of JSON; a Decimal becomes a plain string without exponent."""
    return msgspec.json.encode(_plain(document)).decode()


def to_text(document: Any) -> str:
    """Return `key: value` lines; nested values indented, lists of alike rows as a table."""
    return "\n".join(_lines(_plain(document), ""))


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(item) for item in value]
    if isinstance(value, msgspec.Struct):
        return _plain(msgspec.structs.asdict(value))
    return value


def _lines(value: Any, indent: str) -> list[str]:
    if isinstance(value, dict):
        return [line for key, item in value.items() for line in _entry(key, item, indent)]
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return _table(value, indent)
    if isinstance(value, list):
        return [f"{indent}{_scalar(item)}" for item in value]
    return [f"{indent}{_scalar(value)}"]


def _entry(key: str, item: Any, indent: str) -> list[str]:
    if isinstance(item, dict | list) and item:
        return [f"{indent}{key}:", *_lines(item, indent + "  ")]
    if isinstance(item, str) and "\n" in item:
        return [f"{indent}{key}:", *(f"{indent}  {line}" for line in item.split("\n"))]
    return [f"{indent}{key}: {_scalar(item)}"]


def _table(rows: list[dict[str, Any]], indent: str) -> list[str]:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [columns, *([_scalar(row.get(column, "")) for column in columns] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(columns))]
    return [
        indent + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]


def _scalar(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " ".join(_scalar(item) for item in value) or "none"
    return ("none" if not value else to_json(value)) if isinstance(value, dict) else str(value)
