"""Set: a folder of vectors and what it should hold; the committed one, as the suite judges it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from conformance.cases.case import Case
from conformance.cases.golden import CASES
from conformance.cases.saved import SavedProblem
from conformance.golden import manifest, records
from conformance.golden.manifest import Manifest
from conformance.golden.records import Figure, Record
from conformance.golden.vector import key
from conformance.kernel import LoadedKernel

FOLDER = Path(__file__).parents[2] / "golden_data"
"""Beside the package, in a checkout and where it is installed."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Set:
    """A folder, and the vectors that it should hold.

    Attributes
    ----------
    folder : Path
    cases : tuple of Case
        Each in all of its formats.
    """

    folder: Path
    cases: tuple[Case, ...]

    def held(self) -> Manifest:
        """What the folder holds; nothing, if there is no manifest.

        Raises
        ------
        GoldenError
            If the manifest cannot be read.
        """
        if not (self.folder / manifest.NAME).exists():
            return Manifest(oracle="")
        return manifest.read(self.folder)

    def vectors(self) -> dict[str, tuple[Case, str]]:
        """Case and format of each vector that should be there, by its name."""
        return {
            key(case.id, format): (case, format) for case in self.cases for format in case.formats
        }

    def command(self, *words: str) -> str:
        """The command that does `words` to this set."""
        chosen = ["--folder", str(self.folder)] if self.folder.resolve() != FOLDER else []
        return shlex.join(["python", "-m", "conformance.golden", *chosen, *words])


def committed(folder: Path | None = None) -> Set:
    """The set under version control, or its copy in `folder`; seen from here, if it is below."""
    here = Path.cwd()
    if folder is None:
        folder = FOLDER.relative_to(here) if FOLDER.is_relative_to(here) else FOLDER
    return Set(folder=folder, cases=CASES)


def saved_problems() -> tuple[SavedProblem, ...]:
    """The committed vectors with their answers; none where there is no set.

    Raises
    ------
    GoldenError
        If a file is not what the manifest says.
    """
    if not (FOLDER / manifest.NAME).exists():
        return ()
    loaded = [manifest.load(FOLDER, entry) for entry in manifest.read(FOLDER).entries.values()]
    return tuple(
        SavedProblem(one.about.id, one.problem, why=one.about.why, answer=one.answer)
        for one in loaded
    )


def recorded(record: Record | None, id: str, format: str) -> Mapping[str, Mapping[str, Figure]]:
    """What a kernel's record says of a vector, by tensor; nothing if there is none."""
    ratios = None if record is None else record.scores.get(key(id, format))
    return {} if ratios is None else ratios.tensors


def record_of(kernel: LoadedKernel) -> Record | None:
    """The committed record of a kernel; None if there is none.

    Raises
    ------
    GoldenError
        If the record cannot be read.
    """
    return records.read(FOLDER, kernel)
