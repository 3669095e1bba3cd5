"""--check: whether a set is what its cases ask and what the oracle answers."""

from __future__ import annotations

from conformance.golden import manifest
from conformance.golden.digest import oracle_digest
from conformance.golden.examine import Task, changes
from conformance.golden.refused import Refused
from conformance.golden.sets import Set
from conformance.golden.work import run


def check(golden: Set, *, jobs: int) -> list[str]:
    """One line for each thing that is wrong: the file, what, and the command that mends it.

    Raises
    ------
    Refused
        If there is no manifest that can be read.
    """
    held = manifest.read(golden.folder)
    digest, heal = oracle_digest(), f": {golden.command('--write')}"
    tasks = golden.tasks(held, digest=digest, threads=1 if jobs > 1 else None)
    known = [task for task in tasks if task.entry is not None]
    results = run(_found, known, jobs=jobs, title="vectors compared")
    found = [
        line if is_refusal else f"{golden.folder / task.entry.file}: {line}{heal}"
        for task, (lines, is_refusal) in zip(known, results, strict=True)
        if task.entry is not None
        for line in lines
    ]
    path = golden.folder / manifest.NAME
    wanted = {task.key for task in tasks}
    for key in sorted(wanted - held.entries.keys()):
        found.append(f"{path}: case {key} has no vector{heal}")
    for key in sorted(held.entries.keys() - wanted):
        found.append(f"{path}: no case asks for the vector {key}{heal}")
    for left in manifest.leftovers(golden.folder, held.entries):
        found.append(f"{left}: the manifest does not name it{heal}")
    if held.oracle != digest and not found:
        found.append(f"{path}: the oracle's code changed, its {len(known)} answers did not{heal}")
    return found


def _found(task: Task) -> tuple[list[str], bool]:
    """Lines, and whether the file was refused."""
    try:
        found, _ = changes(task)
    except Refused as error:
        return [str(error)], True
    return (["; ".join(found)], False) if found else ([], False)
