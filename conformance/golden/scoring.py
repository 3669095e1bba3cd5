"""What a kernel scores on the vectors of a set, and whether its record still speaks of it."""

from __future__ import annotations

from conformance.cases.saved import SavedProblem
from conformance.golden import manifest, records
from conformance.golden.files import GoldenError
from conformance.golden.manifest import Entry
from conformance.golden.records import Record, RecordedRatios
from conformance.golden.sets import Set
from conformance.kernel import KernelRaised, LoadedKernel
from conformance.progress import watched
from conformance.verdict.ask import ask
from conformance.verdict.expected import Expected
from conformance.verdict.verdict import Verdict
from reference.problem import Unsupported

SHOWN = 3


def write_record(golden: Set, kernel: LoadedKernel) -> tuple[Record, list[str]]:
    """Ask a kernel every vector and write its record; old -> new where it moved.

    Raises
    ------
    GoldenError
        If the kernel fails on a vector, declines all, or does not say which code it is. The old
        record stays.
    """
    if kernel.digest is None:
        raise GoldenError(
            f"{kernel.spec} does not say which code it is, so that its record would never be out "
            "of date: give it an attribute `digest`"
        )
    entries = list(manifest.read(golden.folder).entries.values())
    old = records.read(golden.folder, kernel)
    scores, declined, failed = {}, {}, []
    for entry in watched(entries, kernel.name):
        answer = _ask(golden, kernel, entry)
        if isinstance(answer, Unsupported):
            declined[entry.key] = str(answer)
        elif isinstance(answer, Verdict) and answer.passes():
            scores[entry.key] = RecordedRatios(
                vector=entry.content, tensors=records.figures(answer)
            )
        else:
            failed.append(f"{entry.key} ({_why(answer)})")
    if failed or not scores:
        why = f"fails on {_listed(failed)}" if failed else "declines every vector"
        raise GoldenError(f"{kernel.spec} {why}: no record was written")
    new = Record(
        kernel=kernel.name,
        spec=kernel.spec,
        toolchain=kernel.toolchain,
        digest=kernel.digest,
        scores=scores,
        declined=declined,
    )
    records.save(golden.folder, kernel, new)
    return new, records.moved(old, new)


def _ask(golden: Set, kernel: LoadedKernel, entry: Entry) -> Verdict | Exception:
    """A verdict on the whole question; on its forward, if gradients are declined."""
    vector = manifest.load(golden.folder, entry)
    saved = SavedProblem(entry.key, vector.problem, answer=vector.answer)
    try:
        try:
            return ask(kernel, _expected(saved))
        except Unsupported:
            if not saved.backward:
                raise
            return ask(kernel, _expected(saved.without_gradients()))
    except Exception as error:
        return error


def _expected(saved: SavedProblem) -> Expected:
    return Expected(problem=saved.saved, known=saved.answer)


def _why(answer: Verdict | Exception) -> str:
    if isinstance(answer, Verdict):
        return "; ".join(f"{score.name}: {score.reason}" for score in answer.failures)
    error = answer.__cause__ if isinstance(answer, KernelRaised) else answer
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def check_record(golden: Set, kernel: LoadedKernel) -> list[str]:
    """One line for each thing that makes a kernel's record out of date.

    Raises
    ------
    GoldenError
        If the record or the manifest cannot be read.
    """
    path = records.path_of(golden.folder, kernel)
    heal = f": {golden.command('--kernel', kernel.spec, '--write')}"
    record = records.read(golden.folder, kernel)
    if record is None:
        return [f"{path}: {kernel.name} has no record{heal}"]
    if record.digest != kernel.digest:
        codes = f"{record.digest:.12} -> {kernel.digest or 'none':.12}"
        return [f"{path}: the code of {kernel.name} changed since it was recorded, {codes}{heal}"]
    entries = manifest.read(golden.folder).entries
    stale = sorted(entries.keys() ^ (record.scores.keys() | record.declined.keys()))
    stale += [
        key
        for key, score in sorted(record.scores.items())
        if key in entries and score.vector != entries[key].content
    ]
    if not stale:
        return []
    which = _listed(stale)
    return [f"{path}: vectors changed since {kernel.name} was recorded, {which}{heal}"]


def _listed(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if names[SHOWN:] else "")
