"""Torch's generators, seeded by a problem's dropout for one call and then as they were."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from reference.problem import Problem


@contextmanager
def seeded(problem: Problem, device: str, *, torch: Any) -> Iterator[None]:
    """All of torch's generators as the seed and the offset of a problem's dropout say.

    Their 128 bits are hashed to the 64 that torch takes. A problem without dropout leaves the
    generators alone.

    Parameters
    ----------
    device : str
        Its generator is put back afterwards, and the CPU's.
    torch : the module
    """
    dropout = problem.dropout if problem.drops else None
    if dropout is None:
        yield
        return
    kind = torch.device(device).type
    here = [] if kind == "cpu" else [torch.get_device_module(kind).current_device()]
    both = struct.pack("<QQ", dropout.seed, dropout.offset)
    with torch.random.fork_rng(here, device_type="cuda" if kind == "cpu" else kind):
        torch.manual_seed(int.from_bytes(hashlib.sha256(both).digest()[:8], "little"))
        yield
