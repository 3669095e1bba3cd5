"""Vectors on disk, as a manifest promises them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import safetensors

from conformance.golden import manifest, vector
from conformance.golden.manifest import RESTORE, Entry
from conformance.golden.refused import Refused
from conformance.golden.vector import Vector


def load(folder: Path, entry: Entry) -> Vector:
    """The vector of an entry.

    Raises
    ------
    Refused
        If its file is missing, changed, cut, or not what the manifest says.
    """
    path = folder / entry.file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Refused(f"{path} cannot be read ({error.strerror}): {RESTORE}") from None
    if len(content) != entry.bytes:
        raise Refused(
            f"{path} has {len(content)} bytes, and the manifest says {entry.bytes}: {RESTORE}"
        )
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise Refused(f"{path} has another sha256 than the manifest says: {RESTORE}")
    found = _loaded(path)
    if found.about != entry.about:
        raise Refused(f"{path} says other things of its case than the manifest: {RESTORE}")
    tensors = manifest.tensors_of(content)
    for name in sorted(tensors.keys() | entry.tensors.keys()):
        if tensors.get(name) != entry.tensors.get(name):
            raise Refused(f"{path}: tensor {name} is not what the manifest says: {RESTORE}")
    return found


def loaded(path: Path) -> tuple[Vector, Entry] | None:
    """The vector in a file that no manifest names, and its entry; None if it is unsound."""
    try:
        found = _loaded(path)
        return found, manifest.entry_of(found.about, found.versions, path.read_bytes())
    except (Refused, OSError):
        return None


def save(folder: Path, made: Vector) -> Entry:
    """Write a vector beside whatever there is; its entry. Nothing is overwritten."""
    content = vector.content(made)
    entry = manifest.entry_of(made.about, made.versions, content)
    manifest.write_file(folder / entry.file, content)
    return entry


def _loaded(path: Path) -> Vector:
    try:
        return vector.load(path)
    except (OSError, ValueError, TypeError, KeyError, safetensors.SafetensorError) as error:
        text = " ".join(str(error).split())
        raise Refused(f"{path} is no golden vector ({text:.200}): {RESTORE}") from None
