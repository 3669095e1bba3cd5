"""One vector: whether it still is what its case asks and what the oracle answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from conformance import problem_file
from conformance.cases.case import Case
from conformance.golden import about as text
from conformance.golden import stored, vector
from conformance.golden.digest import oracle_digest
from conformance.golden.manifest import VECTORS, Entry
from conformance.golden.same import moved_answers, moved_bounds
from conformance.golden.vector import Vector
from reference.formats import FORMATS
from reference.problem import Problem

NEW, WORDS = "new", "words changed"


@dataclass(frozen=True, eq=False, kw_only=True)
class Task:
    """A vector that a set should have.

    Attributes
    ----------
    folder : of the set
    case, format, seed : what it asks
    entry : of the manifest, or None
    is_confirmed : bool
        The vector was compared with the code of today before.
    threads : of the oracle
    """

    folder: Path
    case: Case
    format: str
    seed: int
    entry: Entry | None
    is_confirmed: bool
    threads: int | None

    @property
    def key(self) -> str:
        """The vector's name."""
        return text.key(self.case.id, self.format, self.seed)

    def of(self, entry: Entry | None) -> Task:
        """The same task for a vector that has this entry."""
        return replace(self, entry=entry)


def changes(task: Task) -> tuple[list[str], Vector]:
    """What is not as it was, in phrases, and the vector as it should be.

    A vector of which only words changed keeps its tensors, bit by bit.

    Raises
    ------
    Refused
        If the file is not what the manifest says.
    """
    assert task.entry is not None
    old = stored.load(task.folder, task.entry)
    new = vector.make(task.case, task.format, task.seed, threads=task.threads)
    found = moved(old, new, threads=task.threads)
    if not found and old.about != new.about:
        return [WORDS], replace(old, about=new.about)
    return found, new if found else old


def moved(old: Vector, new: Vector, *, threads: int | None = None) -> list[str]:
    """What is not the same in the tensors of two vectors of one name, in phrases."""
    found = [f"{name} changed" for name in _moved_inputs(old.problem, new.problem)]
    if old.about.inputs != new.about.inputs:
        found.append("the case changed")
    if found:
        return found
    differences = [
        *moved_answers(old.problem, old.answer, new.answer, threads=threads),
        *moved_bounds(old.bound, new.bound),
    ]
    return [f"{each} ({each.times:.2g} x rounding)" for each in differences]


def _moved_inputs(old: Problem, new: Problem) -> list[str]:
    """Tensors of the problem that are not the same bits; "scalars" for all that is no tensor."""
    tensors, others = problem_file.encoded(old), problem_file.encoded(new)
    if odd := sorted(tensors[0].keys() ^ others[0].keys()):
        return odd
    moved = [
        name
        for name, x in tensors[0].items()
        if x.shape != others[0][name].shape or x.tobytes() != others[0][name].tobytes()
    ]
    return moved + (["scalars"] if tensors[1] != others[1] else [])


def renew(task: Task) -> tuple[Entry, list[str]]:
    """The entry of the vector as it should be, written if need be, and what changed.

    Raises
    ------
    Refused
    """
    entry = task.entry
    if entry is None or not (task.folder / entry.file).exists():
        return _resumed(task) or (_made(task), [NEW])
    is_same = task.is_confirmed and entry.versions == text.versions()
    if is_same and entry.about == _about(task):
        stored.load(task.folder, entry)
        return entry, []
    found, new = changes(task)
    return (stored.save(task.folder, new), found) if found else (entry, [])


def _made(task: Task) -> Entry:
    new = vector.make(task.case, task.format, task.seed, threads=task.threads)
    return stored.save(task.folder, new)


def _resumed(task: Task) -> tuple[Entry, list[str]] | None:
    """A vector that an interrupted run has left, if the code of today made it."""
    about = None
    for path in sorted((task.folder / VECTORS).glob(f"{task.key}.*.safetensors")):
        about = about or _about(task)
        found = stored.loaded(path)
        if found and found[0].oracle == oracle_digest() and found[0].about == about:
            return found[1], [NEW]
    return None


def _about(task: Task) -> text.About:
    problem = task.case.problem(FORMATS[task.format], seed=task.seed)
    return text.about(task.case, task.format, task.seed, problem)
