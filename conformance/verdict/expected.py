"""Expected: a problem with the oracle's answer and what a contract allows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

from reference import blockwise
from reference.bounds import Allowed, error_bound
from reference.contract import Contract
from reference.problem import Problem, Result


@dataclass(frozen=True, eq=False, kw_only=True)
class Expected:
    """A problem, its exact answer, and what a contract allows; each made when it is first read.

    Attributes
    ----------
    problem : Problem
    known : Result, or None
        The oracle's answer, if it is known already.
    threads : int, or None
        Threads of the oracle and the bound; None for one on each core.
    """

    problem: Problem
    known: Result | None = None
    threads: int | None = None
    _bounds: dict[tuple[Contract, bool], Allowed] = field(default_factory=dict, repr=False)

    @cached_property
    def answer(self) -> Result:
        """The oracle's Result, in float64."""
        if self.known is not None:
            return self.known
        return blockwise.attention(self.problem, threads=self.threads)

    @cached_property
    def in_format(self) -> Result:
        """The answer of a kernel that rounds as the default Contract says, in the format."""
        return blockwise.attention(self.problem, contract=Contract(), threads=self.threads)

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
                threads=self.threads,
            )
        return self._bounds[key]
