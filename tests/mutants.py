"""One broken kernel to each fault of the catalogue: the host kernel with a step replaced."""

from __future__ import annotations

from collections.abc import Callable

from misreading import Kernel
from mutants_asked import ASKED
from mutants_backward import BACKWARD
from mutants_dropout import DROPOUT
from mutants_layout import LAYOUT, STATE
from mutants_softmax import SOFTMAX

STATELESS = {**SOFTMAX, **ASKED, **DROPOUT, **LAYOUT, **BACKWARD}

MUTANTS: dict[str, Callable[[], Kernel]] = {
    **{id: (lambda kernel=kernel: kernel) for id, kernel in STATELESS.items()},
    **STATE,
}
"""What makes each kernel, anew: some remember their first call."""
