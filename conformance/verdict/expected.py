"""The oracle's answer to a question, worked out once for every kernel of a run."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

from conformance.cases.case import Case
from reference import blockwise
from reference.bounds import Allowed, error_bound
from reference.contract import Contract
from reference.formats import FORMATS, Format
from reference.problem import Problem, Result


@dataclass(frozen=True, eq=False)
class SavedProblem:
    """A problem from a file, asked like a case; with its exact answer, if the file has that."""

    id: str
    saved: Problem
    why: str = "it was saved in a file"
    tier: str = "default"
    answer: Result | None = None

    @property
    def formats(self) -> tuple[str, ...]:
        """The one format it has."""
        return (self.saved.format.name,)

    @property
    def backward(self) -> bool:
        """Whether it asks for gradients."""
        return self.saved.dout is not None

    def without_gradients(self) -> SavedProblem:
        """The same question, forward only."""
        saved, answer = self.saved.replace(dout=None, dlse=None), self.answer
        if answer is not None:
            answer = replace(answer, dq=None, dk=None, dv=None, dbias=None, dsink=None)
        return replace(self, saved=saved, answer=answer)

    def problem(self, format: Format, *, seed: int = 0) -> Problem:
        """The problem itself, whatever the seed."""
        return self.saved


AnyCase = Case | SavedProblem


@dataclass(frozen=True, eq=False, kw_only=True)
class Expected:
    """A problem, its exact answer, and what a contract allows; each made when it is first read.

    Attributes
    ----------
    problem : Problem
    known : Result, or None
        The oracle's answer, if it need not be asked again.
    """

    problem: Problem
    known: Result | None = None
    _bounds: dict[tuple[Contract, bool], Allowed] = field(default_factory=dict, repr=False)

    @cached_property
    def answer(self) -> Result:
        """The oracle's Result, in float64."""
        if self.known is not None:
            return self.known
        return blockwise.attention(self.problem, threads=_threads())

    @cached_property
    def in_format(self) -> Result:
        """The answer of a kernel that rounds as the default Contract says, in the format."""
        return blockwise.attention(self.problem, contract=Contract(), threads=_threads())

    @cached_property
    def gradients(self) -> Result:
        """The answer without out and lse: what a backward alone is asked for."""
        return replace(self.answer, out=None, lse=None, softmax_max=None, softmax_sum=None)

    def allowed(self, contract: Contract, *, exact_statistics: bool = False) -> Allowed:
        """How far a kernel with `contract` may be from the answer.

        With `exact_statistics`: a backward that was given the oracle's own out and lse.
        """
        key = (contract, exact_statistics)
        if key not in self._bounds:
            self._bounds[key] = error_bound(
                self.problem,
                contract,
                result=self.answer,
                exact_statistics=exact_statistics,
                threads=_threads(),
            )
        return self._bounds[key]


@lru_cache(maxsize=2)
def expect(case: AnyCase, format: str, seed: int) -> Expected:
    """The question that `case` asks in a format; the last two are kept.

    Kernels stand side by side in the order of tests, so one answer and bound serve them all.
    """
    known = case.answer if isinstance(case, SavedProblem) else None
    return Expected(problem=case.problem(FORMATS[format], seed=seed), known=known)


def forget() -> None:
    """Drop the questions kept: a kernel wrote into one."""
    expect.cache_clear()


def _threads() -> int | None:
    """Every core, shared among the workers of pytest-xdist."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return None if workers == 1 else max(1, len(os.sched_getaffinity(0)) // workers)
