"""The committed vectors: the bound as ever, and for a kernel with a record twice its budget."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conformance.kernel import Subject
from conformance.verdict.ask import ask
from conformance.verdict.expected import Question
from conformance.verdict.verdict import Verdict

Conclude = Callable[[Verdict], None]


@pytest.mark.golden
def test_vector(kernel: Subject, question: Question, conclude: Conclude, ratchet: Conclude) -> None:
    verdict = ask(kernel, question)
    conclude(verdict)
    ratchet(verdict)
