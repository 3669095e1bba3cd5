"""Every case against the oracle: Case -> Problem -> kernel -> judge -> Verdict."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conformance.kernel import Subject
from conformance.verdict.ask import ask, ask_backward
from conformance.verdict.expected import Question
from conformance.verdict.verdict import Verdict

Conclude = Callable[[Verdict], None]


def test_case(kernel: Subject, question: Question, conclude: Conclude) -> None:
    conclude(ask(kernel, question))


@pytest.mark.backward_alone
def test_backward_alone(kernel: Subject, question: Question, conclude: Conclude) -> None:
    conclude(ask_backward(kernel, question))
