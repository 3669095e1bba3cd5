"""One broken kernel to each fault of the catalogue: the host kernel with a step replaced."""

from __future__ import annotations

from collections.abc import Callable

from faults.backward import BACKWARD
from faults.dropout import DROPOUT
from faults.layout import LAYOUT, STATE
from faults.misread import ASKED
from faults.misreading import Kernel
from faults.softmax import SOFTMAX

STATELESS = {**SOFTMAX, **ASKED, **DROPOUT, **LAYOUT, **BACKWARD}

MUTANTS: dict[str, Callable[[], Kernel]] = {
    **{id: (lambda kernel=kernel: kernel) for id, kernel in STATELESS.items()},
    **STATE,
}
"""What makes each kernel, anew: some remember their first call."""
