"""Two reports beside each other: what got worse, what got better, what is there no longer."""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from conformance.golden.records import TIMES
from conformance.report.document import NAME, SCHEMA_VERSION

WORSE = ("newly failing", "newly declined", "vanished", "ratio grew")
BETTER = ("fails no more", "declined no more", "ratio shrank", "appeared")
KINDS = (*WORSE, *BETTER)
SETTINGS = ("seed", "tier", "strict", "forward")
USAGE = 2  # exit code
HELP = "usage: python -m conformance.report compare OLD NEW (each a report.json, or its folder)"

Report = Mapping[str, Any]
Key = tuple[str, str, str]  # test, case, format


@dataclass(frozen=True, kw_only=True)
class Change:
    """A test, or a tensor of it, that is not as it was.

    Attributes
    ----------
    kind : one of KINDS
    at : kernel, test, case, format, tensor
        As far as the change is about one: a kernel that vanished has only its name.
    was, became : str
        What the two reports say: outcomes or ratios; empty where there is nothing.
    size : float
        Of two changes of a kind, the one with the larger size comes first.
    """

    kind: str
    at: tuple[str, ...]
    was: str = ""
    became: str = ""
    size: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What changed between two reports.

    Attributes
    ----------
    notes : one line for each thing, other than a result, in which the runs differ
    changes : worst first
    both : how many tests are in both reports
    """

    notes: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    both: int = 0

    @property
    def worse(self) -> bool:
        """Whether something got worse."""
        return any(change.kind in WORSE for change in self.changes)

    def totals(self) -> str:
        """How many changes there are of each kind, in one line."""
        count = Counter(change.kind for change in self.changes)
        counts = [f"{count[kind]} {kind}" for kind in KINDS if count[kind]]
        return f"tests in both reports: {self.both}; {', '.join(counts) or 'no change'}"


@dataclass(frozen=True)
class _Test:
    outcome: str
    why: str
    ratios: Mapping[str, float]

    @property
    def worst(self) -> float:
        return max(self.ratios.values(), default=0.0)

    def described(self) -> str:
        """The outcome, with the first line of why."""
        return f"{self.outcome}: {self.why.splitlines()[0]}" if self.why else self.outcome


def compare(old: Report, new: Report) -> Comparison:
    """What changed, per kernel, test and case.

    Kernels are matched by name; where each report has one, those two.

    Parameters
    ----------
    old, new : what report.json holds

    Raises
    ------
    ValueError
        If one of them is no report of this version; one line.
    """
    before, after = _tests(old, "old"), _tests(new, "new")
    notes = []
    if len(before) == len(after) == 1 and before.keys() != after.keys():
        (was,), (name,) = before, after
        before = {name: before[was]}
        notes.append(f"one kernel in each report, so these are compared: {was} and {name}")
    notes += [
        f"{setting}: {old.get(setting)} and {new.get(setting)}"
        for setting in SETTINGS
        if old.get(setting) != new.get(setting)
    ]
    changes: list[Change] = []
    both = 0
    for kernel in dict.fromkeys([*before, *after]):
        tests = before.get(kernel, {}), after.get(kernel, {})
        both += len(tests[0].keys() & tests[1].keys())
        changes += _of_kernel(kernel, *tests)
    changes.sort(key=lambda change: (KINDS.index(change.kind), -change.size))
    return Comparison(notes=tuple(notes), changes=tuple(changes), both=both)


def _tests(report: Report, which: str) -> dict[str, dict[Key, _Test]]:
    """Kernel -> its tests."""
    version = report.get("schema_version") if isinstance(report, Mapping) else None
    if version is None:
        raise ValueError(f"the {which} one is no report: it has no schema_version")
    if version != SCHEMA_VERSION:
        raise ValueError(
            f"the {which} report has schema_version {version!r}, and this suite reads "
            f"{SCHEMA_VERSION}: compare them with the suite that wrote it"
        )
    try:
        tests: dict[str, dict[Key, _Test]] = {one["name"]: {} for one in report["kernels"]}
        for test in report["tests"]:
            key = (test["test"], test["case"], test.get("format", ""))
            ratios = {one["name"]: _number(one["ratio"]) for one in test["tensors"]}
            why = test["failed"] or test["declined"]
            tests[test["kernel"]][key] = _Test(test["outcome"], why, ratios)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        fault = f"{type(error).__name__}: {error}"
        raise ValueError(f"the {which} one is no report, or a damaged one ({fault})") from None
    return tests


def _number(ratio: float | str) -> float:
    """A ratio; NaN is as bad as infinity."""
    number = float(ratio)
    return math.inf if math.isnan(number) else number


def _of_kernel(
    kernel: str, before: Mapping[Key, _Test], after: Mapping[Key, _Test]
) -> Iterator[Change]:
    if before and not after:
        yield Change(kind="vanished", at=(kernel,), was=f"{len(before)} tests", size=math.inf)
        return
    if after and not before:
        yield Change(kind="appeared", at=(kernel,), became=f"{len(after)} tests", size=math.inf)
    for key in sorted(before.keys() | after.keys()):
        at, old, new = (kernel, *key), before.get(key), after.get(key)
        kind = _kind(old, new)
        if kind and not (kind == "appeared" and not before):
            was, became = (one.described() if one else "" for one in (old, new))
            yield Change(kind=kind, at=at, was=was, became=became, size=new.worst if new else 0.0)
        if old and new and not kind:
            yield from _tensors(at, old.ratios, new.ratios)


def _kind(old: _Test | None, new: _Test | None) -> str:
    """What became of a test; empty if its outcome is the same."""
    if new is None:
        return "vanished"
    if new.outcome == "failed" and (old is None or old.outcome != "failed"):
        return "newly failing"
    if old is None:
        return "appeared"
    if old.outcome == new.outcome:
        return ""
    if new.outcome == "declined":
        return "newly declined"
    return "fails no more" if old.outcome == "failed" else "declined no more"


def _tensors(
    at: tuple[str, ...], before: Mapping[str, float], after: Mapping[str, float]
) -> Iterator[Change]:
    """Budgets beyond twice what they were, or below half of it: the golden ratchet's factor."""
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        was, became = ("" if one is None else f"{one:.3g}" for one in (old, new))
        if old is None or new is None:
            kind, size = "vanished" if new is None else "appeared", 0.0
        elif new > TIMES * old:
            kind, size = "ratio grew", _ratio(new, old)
        elif TIMES * new < old:
            kind, size = "ratio shrank", _ratio(old, new)
        else:
            continue
        yield Change(kind=kind, at=(*at, name), was=was, became=became, size=size)


def _ratio(larger: float, smaller: float) -> float:
    return larger / smaller if smaller else math.inf


def show(comparison: Comparison, console: Console) -> None:
    """What differs, a table worst first, and totals; plain where the console is no terminal."""
    for note in comparison.notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    if comparison.changes:
        console.print(_grid(comparison.changes))
    console.print(comparison.totals(), markup=False, highlight=False, soft_wrap=True)


def _grid(changes: Sequence[Change]) -> Table:
    kernels = {change.at[0] for change in changes}
    one = len(kernels) == 1  # in the header, then, and not in every line
    grid = Table(box=box.SIMPLE, pad_edge=False)
    grid.add_column("change", no_wrap=True)
    grid.add_column(escape(f"where, in {kernels.pop()}" if one else "where"), overflow="fold")
    grid.add_column("old -> new", overflow="fold")
    for change in changes:
        kind = Text(change.kind, style="red" if change.kind in WORSE else "green")
        where = " ".join(part for part in change.at[one:] if part) or "everything"
        grid.add_row(kind, Text(where), Text(f"{change.was or '-'} -> {change.became or '-'}"))
    return grid


def main(argv: Sequence[str]) -> int:
    """``compare OLD NEW``, each a report.json or the folder that holds one.

    Exit code: 0 if nothing got worse, 1 if something did, 2 for a request that makes no sense.
    """
    if "-h" in argv or "--help" in argv:
        print(HELP)
        return 0
    try:
        if len(argv) != 2:
            raise ValueError(f"{len(argv)} arguments instead of 2; {HELP}")
        comparison = compare(*(_read(Path(path)) for path in argv))
    except ValueError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return USAGE
    show(comparison, Console())
    return 1 if comparison.worse else 0


def _read(path: Path) -> Report:
    file = path
    try:
        file = path / NAME if path.is_dir() else path
        report: Report = json.loads(file.read_text())
    except OSError as error:
        raise ValueError(
            f"{file} cannot be read ({error.strerror}): give a report.json that "
            "--kernel-report wrote, or its folder"
        ) from None
    except ValueError as error:
        raise ValueError(f"{file} is no JSON ({error}): give a report.json") from None
    return report
