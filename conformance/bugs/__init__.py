"""The catalogue of known faults: what each case may say that it catches."""

from __future__ import annotations

from conformance.bugs.asked import ASKED
from conformance.bugs.backward import BACKWARD
from conformance.bugs.bug import Bug
from conformance.bugs.dropout import DROPOUT
from conformance.bugs.layout import LAYOUT
from conformance.bugs.softmax import SOFTMAX

__all__ = ["BUGS", "Bug"]

BUGS: dict[str, Bug] = {bug.id: bug for bug in (*SOFTMAX, *ASKED, *DROPOUT, *LAYOUT, *BACKWARD)}
