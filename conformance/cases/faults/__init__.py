"""The catalogue of known faults: what each case may say that it catches."""

from __future__ import annotations

from conformance.cases.faults.backward import BACKWARD
from conformance.cases.faults.dropout import DROPOUT
from conformance.cases.faults.fault import Fault
from conformance.cases.faults.layout import LAYOUT
from conformance.cases.faults.misread import ASKED
from conformance.cases.faults.softmax import SOFTMAX

__all__ = ["FAULTS", "Fault"]

FAULTS: dict[str, Fault] = {
    fault.id: fault for fault in (*SOFTMAX, *ASKED, *DROPOUT, *LAYOUT, *BACKWARD)
}
