"""Manifest: which vectors a set has, and the sha256 of all that is in them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import jsonschema
import safetensors

from conformance.golden.about import About
from conformance.golden.refused import Refused

FORMAT_VERSION = 1
NAME, VECTORS, RECORDS = "manifest.json", "vectors", "records"
DIGITS = 12  # of a file's sha256, in its name
SCHEMA = Path(__file__).with_name("manifest_schema.json")
RESTORE = "restore it from version control, or remove it and run --write"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One vector of a set.

    Attributes
    ----------
    about : About
    file : str
        Path within the set; the name ends with the first digits of the sha256.
    sha256 : str
    bytes : int
    versions : of the libraries that made it
    tensors : name -> {"dtype", "shape", "sha256"}, types in the words of safetensors
    """

    about: About
    file: str
    sha256: str
    bytes: int
    versions: dict[str, str]
    tensors: dict[str, dict[str, Any]]

    @property
    def key(self) -> str:
        """The vector's name."""
        return self.about.key

    @property
    def content(self) -> str:
        """sha256 of the tensors, whatever is said of them."""
        return hashlib.sha256(json.dumps(self.tensors, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A set.

    Attributes
    ----------
    set : "committed" or "large"
    oracle : str
        Digest of the code with which all vectors were last compared.
    entries : by the vectors' names
    """

    set: str
    oracle: str
    entries: Mapping[str, Entry] = field(default_factory=dict)


def entry_of(about: About, versions: dict[str, str], content: bytes) -> Entry:
    """The entry of a vector whose file has this content."""
    sha256 = hashlib.sha256(content).hexdigest()
    return Entry(
        about=about,
        file=f"{VECTORS}/{about.key}.{sha256[:DIGITS]}.safetensors",
        sha256=sha256,
        bytes=len(content),
        versions=versions,
        tensors=tensors_of(content),
    )


def tensors_of(content: bytes) -> dict[str, dict[str, Any]]:
    """Type, shape and sha256 of each tensor in a safetensors file."""
    flat = dict(safetensors.deserialize(content))  # type: ignore[no-untyped-call]
    return {
        name: {
            "dtype": flat[name]["dtype"],
            "shape": flat[name]["shape"],
            "sha256": hashlib.sha256(flat[name]["data"]).hexdigest(),
        }
        for name in sorted(flat)
    }


def read(folder: Path) -> Manifest:
    """The manifest of the set in `folder`.

    Raises
    ------
    Refused
        If there is none, or it is of another version, malformed, or leads out of the folder.
    """
    path = folder / NAME
    document = read_json(path, SCHEMA)
    entries = {}
    for one in document["vectors"]:
        about = {field.name: one.pop(field.name) for field in fields(About)}
        entry = Entry(about=About(**about), **one)
        if not (folder / entry.file).resolve().is_relative_to((folder / VECTORS).resolve()):
            raise Refused(f"{path}: file {entry.file!r} leads out of {VECTORS}/: {RESTORE}")
        if entry.key in entries:
            raise Refused(f"{path}: {entry.key} is there twice: {RESTORE}")
        entries[entry.key] = entry
    return Manifest(set=document["set"], oracle=document["oracle"], entries=entries)


def read_json(path: Path, schema: Path) -> dict[str, Any]:
    """A JSON file of this suite's version that a schema describes.

    Raises
    ------
    Refused
    """
    try:
        text = path.read_text()
        document = json.loads(text)
    except OSError as error:
        raise Refused(f"{path} cannot be read ({error.strerror}): run --write to make it") from None
    except ValueError as error:
        raise Refused(f"{path} is no JSON ({error}): {RESTORE}") from None
    version = document.get("format_version") if isinstance(document, dict) else None
    if version != FORMAT_VERSION:
        raise Refused(
            f"{path} has format_version {version!r}, this suite reads {FORMAT_VERSION}: "
            "take the suite that wrote it"
        )
    if fault := _fault(text, schema):
        raise Refused(f"{path}, {fault}: {RESTORE}")
    checked: dict[str, Any] = document
    return checked


@lru_cache(maxsize=8)
def _fault(text: str, schema: Path) -> str:
    """The first thing in a JSON text that is not as its schema says; empty if all is."""
    validator = jsonschema.Draft202012Validator(json.loads(schema.read_text()))
    found = sorted(validator.iter_errors(json.loads(text)), key=lambda error: error.json_path)
    return f"{found[0].json_path}: {' '.join(found[0].message.split()):.200}" if found else ""


def text_of(manifest: Manifest) -> str:
    """The manifest as it is written: one line to a tensor, so that a diff can be read."""
    vectors = []
    for entry in (manifest.entries[name] for name in sorted(manifest.entries)):
        own = {one.name: getattr(entry, one.name) for one in fields(entry) if one.name != "about"}
        vectors.append(entry.about.plain() | own)
    document = {
        "format_version": FORMAT_VERSION,
        "set": manifest.set,
        "oracle": manifest.oracle,
        "vectors": vectors,
    }
    return lines(document, depth=4) + "\n"


def lines(value: Any, *, depth: int, indent: int = 0) -> str:
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
            f"{json.dumps(name)}: {lines(part, depth=depth - 1, indent=indent + 1)}"
            for name, part in value.items()
        ]
        return "{\n" + ",\n".join(inner + part for part in parts) + f"\n{outer}}}"
    parts = [lines(part, depth=depth - 1, indent=indent + 1) for part in value]
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


def leftovers(folder: Path, entries: Mapping[str, Entry]) -> list[Path]:
    """Files in a set's folder that this suite wrote, and that `entries` do not name."""
    ours = re.compile(rf"[a-z0-9.-]+\.[0-9a-f]{{{DIGITS}}}\.safetensors(\..*\.partial)?")
    named = {Path(entry.file).name for entry in entries.values()}
    found = sorted((folder / VECTORS).glob("*"))
    return [path for path in found if ours.fullmatch(path.name) and path.name not in named]
