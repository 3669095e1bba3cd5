"""SavedProblem: a problem from a file, in the place of a case."""

from __future__ import annotations

from dataclasses import dataclass, replace

from conformance.cases.case import Case
from reference.formats import Format
from reference.problem import Problem, Result


@dataclass(frozen=True, eq=False)
class SavedProblem:
    """A problem from a file, judged like a case; with its exact answer, if the file has that."""

    id: str
    saved: Problem
    why: str = "it was saved in a file"
    tier: str = "default"
    answer: Result | None = None
    catches: tuple[str, ...] = ()

    @property
    def formats(self) -> tuple[str, ...]:
        """The one format it has."""
        return (self.saved.format.name,)

    @property
    def backward(self) -> bool:
        """Whether it needs gradients."""
        return self.saved.dout is not None

    def without_gradients(self) -> SavedProblem:
        """The same problem, forward only."""
        saved, answer = self.saved.replace(dout=None, dlse=None), self.answer
        if answer is not None:
            answer = replace(answer, dq=None, dk=None, dv=None, dbias=None, dsink=None)
        return replace(self, saved=saved, answer=answer)

    def problem(self, format: Format, *, seed: int = 0) -> Problem:
        """The problem itself, whatever the seed."""
        return self.saved


AnyCase = Case | SavedProblem
