"""Update: what a set holds beside what it should hold, vector by vector: check, write and diff."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from conformance import problem_file
from conformance.cases.case import Case
from conformance.golden import manifest, records, vector
from conformance.golden.digest import oracle_digest
from conformance.golden.files import GoldenError, write_file
from conformance.golden.manifest import RECORDS, Entry, Manifest
from conformance.golden.same import moved_answers, moved_bounds
from conformance.golden.sets import Set
from conformance.golden.vector import Vector
from conformance.progress import watched
from reference.formats import FORMATS
from reference.problem import Problem

NEW, WORDS = "new", "words changed"
REMOVED = "no case asks for it any more: removed"


def check(golden: Set) -> list[str]:
    """One line for each thing that is wrong: the file, what, and the command that mends it.

    Raises
    ------
    GoldenError
        If there is no manifest that can be read.
    """
    held, wanted = manifest.read(golden.folder), golden.vectors()
    digest, mend = oracle_digest(), f": {golden.command('--write')}"
    path = golden.folder / manifest.NAME
    common = [key for key in wanted if key in held.entries]
    lines = []
    for key in watched(common, "vectors compared"):
        entry = held.entries[key]
        try:
            changes, _ = _compared(golden.folder, entry, *wanted[key])
        except GoldenError as error:
            lines.append(str(error))
            continue
        if changes:
            lines.append(f"{golden.folder / entry.file}: {'; '.join(changes)}{mend}")
    for key in sorted(wanted.keys() - held.entries.keys()):
        lines.append(f"{path}: case {key} has no vector{mend}")
    for key in sorted(held.entries.keys() - wanted.keys()):
        lines.append(f"{path}: no case asks for the vector {key}{mend}")
    for file in manifest.leftovers(golden.folder, held.entries):
        lines.append(f"{file}: the manifest does not name it{mend}")
    if held.oracle != digest and not lines:
        lines.append(f"{path}: the oracle's code changed, its {len(common)} answers did not{mend}")
    return lines


def write(golden: Set) -> Mapping[str, list[str]]:
    """What changed, by vector, once the set is what its cases ask and what the oracle answers.

    New files go beside the old ones, under names of their own; then the manifest changes at once;
    then files that it no longer names go. Stopped at any moment, the folder holds the whole old
    set or the whole new one.

    Raises
    ------
    GoldenError
        If a file of the set is not what the manifest says. Nothing is lost.
    """
    old, wanted, digest = golden.held(), golden.vectors(), oracle_digest()
    entries, moved = {}, {}
    for key in watched(list(wanted), "vectors"):
        entry, is_confirmed = old.entries.get(key), old.oracle == digest
        entries[key], changes = _renewed(golden.folder, entry, *wanted[key], is_confirmed)
        if changes:
            moved[key] = changes
    moved |= {key: [REMOVED] for key in sorted(old.entries.keys() - wanted.keys())}
    new = Manifest(oracle=digest, entries=entries)
    if new != old:
        write_file(golden.folder / manifest.NAME, manifest.text_of(new).encode())
    for file in manifest.leftovers(golden.folder, entries):
        file.unlink()
    return moved


def _renewed(
    folder: Path, entry: Entry | None, case: Case, format: str, is_confirmed: bool
) -> tuple[Entry, list[str]]:
    """The entry of the vector as it should be, written if need be, and what changed.

    is_confirmed: the vector was compared with the code of today before.
    """
    if entry is None or not (folder / entry.file).exists():
        return manifest.save(folder, vector.make(case, format)), [NEW]
    if is_confirmed and entry.versions == vector.versions():
        problem = case.problem(FORMATS[format], seed=vector.SEED)
        if entry.about == vector.about(case, format, problem):
            manifest.load(folder, entry)
            return entry, []
    changes, new = _compared(folder, entry, case, format)
    return (manifest.save(folder, new), changes) if changes else (entry, [])


def _compared(folder: Path, entry: Entry, case: Case, format: str) -> tuple[list[str], Vector]:
    """What is not as it was, in phrases, and the vector as it should be.

    A vector of which only words changed keeps its tensors, bit by bit.
    """
    old, new = manifest.load(folder, entry), vector.make(case, format)
    changes = _moved(old, new)
    if not changes and old.about != new.about:
        return [WORDS], replace(old, about=new.about)
    return changes, new if changes else old


def diff(old: Path, new: Path) -> list[str]:
    """One line for each vector and each kernel's figures that two sets do not share.

    Raises
    ------
    GoldenError
        If a set is not what its manifest says.
    """
    before, after = manifest.read(old).entries, manifest.read(new).entries
    lines = []
    for key in sorted(before.keys() | after.keys()):
        if key not in after:
            lines.append(f"{key}: removed")
        elif key not in before:
            lines.append(f"{key}: new")
        elif changes := _between(old, before[key], new, after[key]):
            lines.append(f"{key}: {'; '.join(changes)}")
    return lines + _records(old / RECORDS, new / RECORDS)


def _between(old: Path, before: Entry, new: Path, after: Entry) -> list[str]:
    if before.sha256 == after.sha256:
        return []
    changes = _moved(manifest.load(old, before), manifest.load(new, after))
    return changes or ([WORDS] if before.about != after.about else [])


def _records(old: Path, new: Path) -> list[str]:
    names = sorted({path.name for folder in (old, new) for path in folder.glob("*.json")})
    lines = []
    for name in names:
        if not (old / name).exists() or not (new / name).exists():
            lines.append(f"{name}: {'removed' if (old / name).exists() else 'new'}")
            continue
        before, after = records.load(old / name), records.load(new / name)
        lines += [f"{after.kernel} on {line}" for line in records.moved(before, after)]
    return lines


def _moved(old: Vector, new: Vector) -> list[str]:
    """What is not the same in the tensors of two vectors of one name, in phrases."""
    changes = [f"{name} changed" for name in _moved_inputs(old.problem, new.problem)]
    if old.about.inputs != new.about.inputs:
        changes.append("the case changed")
    if changes:
        return changes
    differences = [
        *moved_answers(old.problem, old.answer, new.answer),
        *moved_bounds(old.bound, new.bound),
    ]
    return [f"{each} ({each.times:.2g} x rounding)" for each in differences]


def _moved_inputs(old: Problem, new: Problem) -> list[str]:
    """Tensors of the problem that are not the same bits; "scalars" for all that is no tensor."""
    (before, scalars_before), (after, scalars_after) = map(problem_file.encoded, (old, new))
    if odd := sorted(before.keys() ^ after.keys()):
        return odd
    moved = [
        name
        for name, x in before.items()
        if x.shape != after[name].shape or x.tobytes() != after[name].tobytes()
    ]
    return moved + (["scalars"] if scalars_before != scalars_after else [])
