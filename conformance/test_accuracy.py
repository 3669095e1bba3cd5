"""Every case against the oracle: Case -> Problem -> kernel -> judge -> Verdict."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conformance.kernel import LoadedKernel
from conformance.verdict.ask import ask, ask_backward
from conformance.verdict.expected import Expected
from conformance.verdict.verdict import Verdict

Conclude = Callable[[Verdict], None]


def test_case(kernel: LoadedKernel, expected: Expected, conclude: Conclude) -> None:
    conclude(ask(kernel, expected))


@pytest.mark.backward_alone
def test_backward_alone(kernel: LoadedKernel, expected: Expected, conclude: Conclude) -> None:
    conclude(ask_backward(kernel, expected))
