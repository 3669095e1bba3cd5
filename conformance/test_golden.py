"""The committed vectors: the bound as ever, and for a kernel with a record twice its ratio."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conformance.kernel import LoadedKernel
from conformance.verdict.ask import ask
from conformance.verdict.expected import Expected
from conformance.verdict.verdict import Verdict

Conclude = Callable[[Verdict], None]


@pytest.mark.golden
def test_vector(
    kernel: LoadedKernel, expected: Expected, conclude: Conclude, ratchet: Conclude
) -> None:
    verdict = ask(kernel, expected)
    conclude(verdict)
    ratchet(verdict)
