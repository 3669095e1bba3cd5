"""The committed vectors as the suite asks them, and the records that it holds kernels to."""

from __future__ import annotations

from collections.abc import Mapping

from conformance.cases.saved import SavedProblem
from conformance.golden import manifest, records, stored
from conformance.golden.about import key
from conformance.golden.records import Figure, Record
from conformance.golden.sets import FOLDER
from conformance.kernel import LoadedKernel


def vectors() -> tuple[SavedProblem, ...]:
    """The committed vectors with their answers; none where there is no set.

    Raises
    ------
    Refused
        If a file is not what the manifest says.
    """
    if not (FOLDER / manifest.NAME).exists():
        return ()
    entries = manifest.read(FOLDER).entries.values()
    loaded = [stored.load(FOLDER, entry) for entry in entries]
    return tuple(
        SavedProblem(one.about.id, one.problem, why=one.about.why, answer=one.answer)
        for one in loaded
    )


def recorded(record: Record | None, id: str, format: str) -> Mapping[str, Mapping[str, Figure]]:
    """What a kernel's record says of a vector, by tensor; nothing if there is none."""
    score = None if record is None else record.scores.get(key(id, format))
    return {} if score is None else score.tensors


def record_of(kernel: LoadedKernel) -> Record | None:
    """The committed record of a kernel; None if there is none.

    Raises
    ------
    Refused
        If the record cannot be read.
    """
    return records.read(FOLDER, kernel)
