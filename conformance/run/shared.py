"""Shared: what the tests of one run have in common, each worked out once and owned by the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING

from conformance.cases.saved import AnyCase, SavedProblem
from conformance.kernel import LoadedKernel
from conformance.verdict.again import MOST, again
from conformance.verdict.conventions import statistics
from conformance.verdict.expected import Expected
from conformance.verdict.verdict import Verdict
from reference.formats import FORMATS
from reference.problem import Problem, Result

if TYPE_CHECKING:
    from conformance.dropout.recovery.probes import Recover
    from conformance.dropout.statistics.findings import Findings
    from conformance.golden.records import Record as GoldenRecord


class Shared:
    """Answers of the oracle and of kernels that several tests of one run need.

    Attributes
    ----------
    seed : int
    tier : str
    threads : int, or None
        Threads of the oracle and the bound; None for one on each core.
    """

    def __init__(self, *, seed: int, tier: str, threads: int | None) -> None:
        self.seed = seed
        self.tier = tier
        self.threads = threads
        self._expected = lru_cache(maxsize=2)(self._expect)
        self._asked_again: Counter[LoadedKernel] = Counter()
        self._golden = lru_cache(maxsize=16)(self._golden_record)

    def expected(self, case: AnyCase, format: str) -> Expected:
        """The problem of a case in a format, with the oracle's answer.

        The plugin orders tests so that all kernels meet a problem in turn: two are kept.
        """
        return self._expected(case, format)

    def forget_problems(self) -> None:
        """Drop the problems kept: a kernel wrote into the tensors of one."""
        self._expected.cache_clear()

    def again(
        self, kernel: LoadedKernel, expected: Expected, verdict: Verdict, *, backward_alone: bool
    ) -> list[str]:
        """The line of `again` on a failed verdict; none after the first MOST of a kernel."""
        self._asked_again[kernel] += 1
        if self._asked_again[kernel] > MOST:
            return []
        call: Callable[[Problem], Result] = kernel
        if backward_alone and (backward := kernel.backward) is not None:
            out, lse = statistics(expected.problem, expected.answer, verdict.contract)
            call = partial(backward, out=out, lse=lse)
        return [again(call, expected.problem, verdict.got)]

    def golden_record(self, kernel: LoadedKernel) -> GoldenRecord | None:
        """The committed record of a kernel; None if there is none."""
        return self._golden(kernel)

    @cached_property
    def recover(self) -> Recover:
        """`probes.recovered`, which keeps a kernel's last 64 masks: several laws read each."""
        from conformance.dropout.recovery.probes import recovered

        return lru_cache(maxsize=64)(recovered)

    @cached_property
    def findings_of_the_stream(self) -> Findings:
        """The statistics of the declared stream, for all kernels whose masks are that stream."""
        from conformance.dropout.statistics import sources

        return sources.of_the_stream(self.tier, self.seed)

    def _expect(self, case: AnyCase, format: str) -> Expected:
        return Expected(
            problem=case.problem(FORMATS[format], seed=self.seed),
            known=case.answer if isinstance(case, SavedProblem) else None,
            threads=self.threads,
        )

    def _golden_record(self, kernel: LoadedKernel) -> GoldenRecord | None:
        from conformance.golden.sets import record_of

        return record_of(kernel)
