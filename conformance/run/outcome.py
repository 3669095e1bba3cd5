"""Outcome: what a test of the suite leaves behind while it runs; the fixture `outcome` gives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from conformance.run.record import Benchmark
from conformance.verdict.diagnose import diagnose
from conformance.verdict.explain import explain
from conformance.verdict.verdict import Verdict
from reference.problem import Problem


@dataclass(kw_only=True)
class Outcome:
    """What a test leaves for the report and for the end of the run.

    Attributes
    ----------
    verdict : Verdict, or None
    likely : str
        The likely cause of a failure; empty where there is no evidence.
    benchmark : Benchmark, or None
    remarks : list of str
        Lines for the end of the run.
    pictures : list of str
        SVG files, by their path in the report's folder.
    """

    verdict: Verdict | None = None
    likely: str = ""
    benchmark: Benchmark | None = None
    remarks: list[str] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)

    def conclude(
        self,
        verdict: Verdict,
        problem: Problem,
        *,
        strict: bool,
        headline: str = "",
        notes: Sequence[str] = (),
    ) -> None:
        """Keep a verdict on an answer to `problem`; fail the test if it does not pass.

        Parameters
        ----------
        strict : bool
            A suspicious tensor fails, too.
        headline, notes : str
            Lines of the failure's text before and after what `explain` says.
        """
        self.verdict = verdict
        if not verdict.passes(strict=strict):
            self.likely = diagnose(verdict, problem)
            text = explain(verdict, problem, likely=self.likely)
            lines = [*filter(None, [headline]), text, *notes]
            pytest.fail("\n".join(lines), pytrace=False)
