"""Where elements stand in a tensor: the names of its axes, and indices in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.intp]

RUNS = 6  # written out before a summary stops


def axes(name: str, rank: int, *, packed: bool = False) -> tuple[str, ...]:
    """Names of the axes of the tensor called `name`, in its order.

    Parameters
    ----------
    name : "out", "lse", "dq", "dk", "dv", "dbias" or "dsink"
    rank : how many axes it has; a packed tensor has no batch axis
    packed : whether the problem is packed: the first axis of dbias is a sequence there
    """
    names: tuple[str, ...]
    if name in ("out", "dq"):
        names = ("batch", "row", "head", "channel")
    elif name in ("dk", "dv"):
        names = ("batch", "key", "key head", "channel")
    elif name == "dbias":
        names = ("sequence" if packed else "batch", "head", "row", "key")
    elif name == "dsink":
        names = ("head",)
    else:
        names = ("batch", "head", "row")
    return names[-rank:] if rank else ()


def place(names: Sequence[str], index: Sequence[int]) -> str:
    """One element in words: "batch 0, row 29, head 1, channel 0"."""
    return ", ".join(f"{name} {at}" for name, at in zip(names, index, strict=True))


def where(failing: NDArray[np.bool_], names: Sequence[str]) -> str:
    """Which indices of each axis have a failing element; axes of one index are left out."""
    parts = []
    for axis, (name, size) in enumerate(zip(names, failing.shape, strict=True)):
        if size > 1:
            parts.append(f"{plural(name)} {summary(indices(failing, axis), size)}")
    return "; ".join(parts) or "the only element"


def indices(failing: NDArray[np.bool_], axis: int) -> Index:
    """The indices of one axis at which any element is failing, ascending."""
    others = tuple(other for other in range(failing.ndim) if other != axis)
    return np.flatnonzero(failing.any(axis=others))


def summary(indices: Index, size: int) -> str:
    """Indices below `size` as runs: "all 4", "128-256 of 257", "0-126 (every 2nd) of 128"."""
    if len(indices) == size:
        return f"all {size}"
    steps = np.unique(np.diff(indices))
    if len(indices) > 2 and len(steps) == 1 and steps[0] > 1:
        return f"{indices[0]}-{indices[-1]} (every {_ordinal(int(steps[0]))}) of {size}"
    all_runs = runs(indices)
    shown = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in all_runs[:RUNS])
    more = f", ... ({len(all_runs)} runs, {len(indices)} in all)" if len(all_runs) > RUNS else ""
    return f"{shown}{more} of {size}"


def runs(indices: Index) -> list[tuple[int, int]]:
    """First and last index of each run of neighbours among ascending indices."""
    breaks = np.flatnonzero(np.diff(indices) != 1) + 1
    return [(int(run[0]), int(run[-1])) for run in np.split(indices, breaks)]


def plural(name: str) -> str:
    """The name of an axis for several of its indices."""
    return "batches" if name == "batch" else f"{name}s"


def _ordinal(number: int) -> str:
    return {2: "2nd", 3: "3rd"}.get(number, f"{number}th")
