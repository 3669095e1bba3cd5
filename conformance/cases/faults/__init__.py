"""The catalogue of known faults: what each case may say that it catches."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.cases.faults.backward import BACKWARD
from conformance.cases.faults.dropout import DROPOUT
from conformance.cases.faults.fault import Fault
from conformance.cases.faults.layout import LAYOUT
from conformance.cases.faults.misread import MISREAD
from conformance.cases.faults.softmax import SOFTMAX

__all__ = ["FAULTS", "Fault", "caught"]

SHOWN = 3  # faults in the text of a failure

FAULTS: dict[str, Fault] = {
    fault.id: fault for fault in (*SOFTMAX, *MISREAD, *DROPOUT, *LAYOUT, *BACKWARD)
}


def caught(ids: Sequence[str]) -> list[str]:
    """Lines of a failure's text: the faults that a case is there for, at most SHOWN of them."""
    lines = [f"this case catches: {FAULTS[id].what}; seen: {FAULTS[id].seen}" for id in ids[:SHOWN]]
    return [*lines, f"and {len(ids) - SHOWN} more"] if len(ids) > SHOWN else lines
