"""The sets of vectors, and what each should hold: Set."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from conformance import cases
from conformance.cases.case import Case
from conformance.cases.golden import CASES
from conformance.golden.examine import Task
from conformance.golden.manifest import NAME, Manifest, read

HERE = Path(__file__).parents[2]
COMMITTED, LARGE = "committed", "large"
FOLDER = HERE / "golden_data"
"""Beside the package, in a checkout and where it is installed."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Set:
    """A folder, and the vectors that it should hold.

    Attributes
    ----------
    name : "committed" or "large"
    folder : Path
    cases : tuple of Case
        Each in all of its formats.
    seeds : int
        Each with the seeds 0 ... seeds - 1.
    """

    name: str
    folder: Path
    cases: tuple[Case, ...]
    seeds: int = 1

    def old(self) -> Manifest:
        """What the folder holds; nothing, if there is no manifest.

        Raises
        ------
        Refused
        """
        if not (self.folder / NAME).exists():
            return Manifest(set=self.name, oracle="")
        return read(self.folder)

    def tasks(self, old: Manifest, *, digest: str, threads: int | None) -> list[Task]:
        """One for each vector that should be there."""
        chosen_cases = (
            (case, format, seed)
            for seed in range(self.seeds)
            for case in self.cases
            for format in case.formats
        )
        tasks = [
            Task(
                folder=self.folder,
                case=case,
                format=format,
                seed=seed,
                entry=None,
                is_confirmed=old.oracle == digest,
                threads=threads,
            )
            for case, format, seed in chosen_cases
        ]
        return [task.of(old.entries.get(task.key)) for task in tasks]

    def command(self, *words: str) -> str:
        """The command that does `words` to this set."""
        chosen = ["--set", self.name] if self.name != COMMITTED else []
        if self.folder.resolve() != FOLDER:
            chosen += ["--folder", str(self.folder)]
        if self.seeds != 1:
            chosen += ["--seeds", str(self.seeds)]
        return shlex.join(["python", "-m", "conformance.golden", *chosen, *words])


def committed(folder: Path | None = None) -> Set:
    """The set under version control; seen from here, if it is below."""
    here = Path.cwd()
    if folder is None:
        folder = FOLDER.relative_to(here) if FOLDER.is_relative_to(here) else FOLDER
    return Set(name=COMMITTED, folder=folder, cases=CASES)


def large(folder: Path, *, seeds: int = 1) -> Set:
    """Every case of the suite, at its own size."""
    return Set(name=LARGE, folder=folder, cases=cases.all_cases(), seeds=seeds)
