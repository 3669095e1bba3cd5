"""Files of a golden set: JSON that a schema describes, written whole or not at all; GoldenError."""

from __future__ import annotations

import json
import os
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import jsonschema

FORMAT_VERSION = 1
RESTORE = "restore it from version control, or remove it and run --write"


class GoldenError(Exception):
    """A set, a file or a record is not as it must be.

    One line: which file or kernel, what is wrong with it, and what mends it.
    """


def read_json(path: Path, schema: Path) -> dict[str, Any]:
    """A JSON file of this suite's version that a schema describes.

    Raises
    ------
    GoldenError
        If the file cannot be read, is no JSON, has another version, or breaks the schema.
    """
    try:
        text = path.read_text()
        document = json.loads(text)
    except OSError as error:
        raise GoldenError(
            f"{path} cannot be read ({error.strerror}): run --write to make it"
        ) from None
    except ValueError as error:
        raise GoldenError(f"{path} is no JSON ({error}): {RESTORE}") from None
    version = document.get("format_version") if isinstance(document, dict) else None
    if version != FORMAT_VERSION:
        raise GoldenError(
            f"{path} has format_version {version!r}, this suite reads {FORMAT_VERSION}: "
            "take the suite that wrote it"
        )
    if fault := _fault(text, schema):
        raise GoldenError(f"{path}, {fault}: {RESTORE}")
    checked: dict[str, Any] = document
    return checked


@lru_cache(maxsize=8)
def _fault(text: str, schema: Path) -> str:
    """The first thing in a JSON text that is not as its schema says; empty if all is."""
    validator = jsonschema.Draft202012Validator(json.loads(schema.read_text()))
    errors = sorted(validator.iter_errors(json.loads(text)), key=lambda error: error.json_path)
    return f"{errors[0].json_path}: {' '.join(errors[0].message.split()):.200}" if errors else ""


def json_lines(value: Any, *, depth: int, indent: int = 0) -> str:
    """JSON in which objects of objects are opened `depth` levels deep, the rest in one line."""
    has_parts = isinstance(value, dict | list) and any(
        isinstance(part, dict | list)
        for part in (value.values() if isinstance(value, dict) else value)
    )
    if depth == 0 or not has_parts:
        return json.dumps(value, allow_nan=False)
    inner, outer = " " * (indent + 1), " " * indent
    if isinstance(value, dict):
        parts = [
            f"{json.dumps(name)}: {json_lines(part, depth=depth - 1, indent=indent + 1)}"
            for name, part in value.items()
        ]
        return "{\n" + ",\n".join(inner + part for part in parts) + f"\n{outer}}}"
    parts = [json_lines(part, depth=depth - 1, indent=indent + 1) for part in value]
    return "[\n" + ",\n".join(inner + part for part in parts) + f"\n{outer}]"


def write_file(path: Path, content: bytes) -> None:
    """Write a file at once: whoever looks sees the old one, or all of the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.", suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(partial).chmod(0o644)
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
