"""--write: makes a set what its cases ask and what the oracle answers, and says what moved."""

from __future__ import annotations

from collections.abc import Mapping

from conformance.golden import manifest
from conformance.golden.digest import oracle_digest
from conformance.golden.examine import renew
from conformance.golden.manifest import Manifest
from conformance.golden.sets import Set
from conformance.golden.work import run

REMOVED = "no case asks for it any more: removed"


def write(golden: Set, *, jobs: int) -> Mapping[str, list[str]]:
    """What changed, by vector.

    New files go beside the old ones, under names of their own; then the manifest changes at once;
    then files that it no longer names go. Stopped at any moment, the folder holds the whole old
    set or the whole new one, and what is finished of a new one is not made again.

    Raises
    ------
    Refused
        If a file of the set is not what the manifest says. Nothing is lost.
    """
    old, digest = golden.old(), oracle_digest()
    tasks = golden.tasks(old, digest=digest, threads=1 if jobs > 1 else None)
    results = run(renew, tasks, jobs=jobs, title="vectors")
    entries, moved = {}, {}
    for task, (entry, changed) in zip(tasks, results, strict=True):
        entries[task.key] = entry
        if changed:
            moved[task.key] = changed
    moved |= {key: [REMOVED] for key in sorted(old.entries.keys() - entries.keys())}
    new = Manifest(set=golden.name, oracle=digest, entries=entries)
    if new != old:
        text = manifest.text_of(new).encode()
        manifest.write_file(golden.folder / manifest.NAME, text)
    for left in manifest.leftovers(golden.folder, entries):
        left.unlink()
    return moved
