"""Manifest: which vectors a set has, and the sha256 of all that is in them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import safetensors

from conformance.golden.files import (
    FORMAT_VERSION,
    RESTORE,
    GoldenError,
    json_lines,
    read_json,
    write_file,
)
from conformance.golden.vector import About, Vector, content_of, load_vector

NAME, VECTORS, RECORDS = "manifest.json", "vectors", "records"
DIGITS = 12  # of a file's sha256, in its name
SCHEMA = Path(__file__).with_name("manifest_schema.json")


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
        """sha256 of the tensors alone, hexadecimal."""
        return hashlib.sha256(json.dumps(self.tensors, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a set's folder holds.

    Attributes
    ----------
    oracle : str
        Digest of the code with which all vectors were last compared.
    entries : by the vectors' names
    """

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
    GoldenError
        If there is none, or it is of another version, malformed, or leads out of the folder.
    """
    path = folder / NAME
    document = read_json(path, SCHEMA)
    entries = {}
    for one in document["vectors"]:
        about = {field.name: one.pop(field.name) for field in fields(About)}
        entry = Entry(about=About(**about), **one)
        if not (folder / entry.file).resolve().is_relative_to((folder / VECTORS).resolve()):
            raise GoldenError(f"{path}: file {entry.file!r} leads out of {VECTORS}/: {RESTORE}")
        if entry.key in entries:
            raise GoldenError(f"{path}: {entry.key} is there twice: {RESTORE}")
        entries[entry.key] = entry
    return Manifest(oracle=document["oracle"], entries=entries)


def text_of(manifest: Manifest) -> str:
    """The manifest as it is written: one line to a tensor, so that a diff can be read."""
    vectors = []
    for entry in (manifest.entries[name] for name in sorted(manifest.entries)):
        own = {one.name: getattr(entry, one.name) for one in fields(entry) if one.name != "about"}
        vectors.append(entry.about.plain() | own)
    document = {
        "format_version": FORMAT_VERSION,
        "set": "committed",
        "oracle": manifest.oracle,
        "vectors": vectors,
    }
    return json_lines(document, depth=4) + "\n"


def leftovers(folder: Path, entries: Mapping[str, Entry]) -> list[Path]:
    """Files in a set's folder that this suite wrote, and that `entries` do not name."""
    ours = re.compile(rf"[a-z0-9.-]+\.[0-9a-f]{{{DIGITS}}}\.safetensors(\..*\.partial)?")
    named = {Path(entry.file).name for entry in entries.values()}
    files = sorted((folder / VECTORS).glob("*"))
    return [path for path in files if ours.fullmatch(path.name) and path.name not in named]


def load(folder: Path, entry: Entry) -> Vector:
    """The vector of an entry.

    Raises
    ------
    GoldenError
        If its file is missing, changed, cut, or not what the manifest says.
    """
    path = folder / entry.file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise GoldenError(f"{path} cannot be read ({error.strerror}): {RESTORE}") from None
    if len(content) != entry.bytes:
        raise GoldenError(
            f"{path} has {len(content)} bytes, and the manifest says {entry.bytes}: {RESTORE}"
        )
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise GoldenError(f"{path} has another sha256 than the manifest says: {RESTORE}")
    vector = _load(path)
    if vector.about != entry.about:
        raise GoldenError(f"{path} says other things of its case than the manifest: {RESTORE}")
    tensors = tensors_of(content)
    for name in sorted(tensors.keys() | entry.tensors.keys()):
        if tensors.get(name) != entry.tensors.get(name):
            raise GoldenError(f"{path}: tensor {name} is not what the manifest says: {RESTORE}")
    return vector


def save(folder: Path, made: Vector) -> Entry:
    """Write a vector beside whatever there is; its entry. Nothing is overwritten."""
    content = content_of(made)
    entry = entry_of(made.about, made.versions, content)
    write_file(folder / entry.file, content)
    return entry


def _load(path: Path) -> Vector:
    try:
        return load_vector(path)
    except (OSError, ValueError, TypeError, KeyError, safetensors.SafetensorError) as error:
        text = " ".join(str(error).split())
        raise GoldenError(f"{path} is no golden vector ({text:.200}): {RESTORE}") from None
