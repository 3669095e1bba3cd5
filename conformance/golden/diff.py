"""--diff OLD: what changed between two sets, vector by vector and record by record."""

from __future__ import annotations

from pathlib import Path

from conformance.golden import manifest, records, stored
from conformance.golden.examine import WORDS, moved
from conformance.golden.manifest import RECORDS, Entry


def diff(old: Path, new: Path) -> list[str]:
    """One line for each vector and each kernel's score that is not the same.

    Raises
    ------
    Refused
        If a set is not what its manifest says.
    """
    before, after = manifest.read(old).entries, manifest.read(new).entries
    lines = []
    for key in sorted(before.keys() | after.keys()):
        if key not in after:
            lines.append(f"{key}: removed")
        elif key not in before:
            lines.append(f"{key}: new")
        elif changed := _changed(old, before[key], new, after[key]):
            lines.append(f"{key}: {'; '.join(changed)}")
    return lines + _scores(old / RECORDS, new / RECORDS)


def _changed(old: Path, before: Entry, new: Path, after: Entry) -> list[str]:
    if before.sha256 == after.sha256:
        return []
    found = moved(stored.load(old, before), stored.load(new, after))
    return found or ([WORDS] if before.about != after.about else [])


def _scores(old: Path, new: Path) -> list[str]:
    names = sorted({path.name for folder in (old, new) for path in folder.glob("*.json")})
    lines = []
    for name in names:
        if not (old / name).exists() or not (new / name).exists():
            lines.append(f"{name}: {'removed' if (old / name).exists() else 'new'}")
            continue
        before, after = records.load(old / name), records.load(new / name)
        lines += [f"{after.kernel} on {line}" for line in records.moved(before, after)]
    return lines
