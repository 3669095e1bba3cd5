"""Which kernel is timed on what: workloads, sized down where the device is a CPU or an emulator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from conformance.kernel import Subject
from conformance.workloads import WORKLOADS, Workload


@dataclass(frozen=True)
class Limit:
    """What a device is asked at most, in multiplications of q k.

    Attributes
    ----------
    layer : int
        Beyond it sequences are left out, then heads.
    head : int
        Beyond it one key head's sequence is halved, until it fits.
    """

    layer: int
    head: int


LIMITS = {"cpu": Limit(layer=2**33, head=2**35), "emulator": Limit(layer=2**30, head=2**31)}
"""CPU: 4 heads of 4096, or one of 16384. Emulator: 8 heads of 1024, or one of 4096."""


def sized(workload: Workload, device: str, *, shrink: int = 1) -> Workload:
    """The workload as it is timed on `device`, and by how much less it multiplies.

    Batch goes first, then heads, so that each head has its real work; of a group of query heads
    all stay. Lengths shrink only where one key head alone is too much; packed ones never.

    Parameters
    ----------
    device : str
        As Subject.device; what is not in LIMITS is an accelerator, and asked the whole.
    shrink : int
        Makes the limits smaller.
    """
    if device not in LIMITS:
        return workload
    limit = LIMITS[device]
    timed = _fewer(workload, limit.layer // shrink)
    while timed.work > limit.head // shrink and timed.lens is None and timed.seqlen_q > 1:
        timed = replace(timed, seqlen_q=timed.seqlen_q // 2)
    return replace(timed, scaled_down=workload.work / timed.work)


def _fewer(workload: Workload, most: int) -> Workload:
    """Fewer sequences, then fewer heads, while there is more work than `most`."""
    heads_k = workload.heads_k or workload.heads_q
    group = workload.heads_q // heads_k
    of_sequence = workload.work // workload.batch
    batch = min(workload.batch, max(1, most // of_sequence))
    heads = min(heads_k, max(1, most // (of_sequence * batch // heads_k)))
    return replace(
        workload,
        batch=batch,
        heads_q=heads * group,
        heads_k=None if workload.heads_k is None else heads,
    )


def trials(kernels: Sequence[Subject], *, forward: bool, shrink: int) -> list[Any]:
    """Pytest's parameters: each variant for every kernel; without gradients if `forward`."""
    return [
        pytest.param(
            kernel,
            sized(variant, kernel.device, shrink=shrink),
            id=f"{kernel.name}-{variant.name}",
            marks=[getattr(pytest.mark, mark) for mark in variant.marks],
        )
        for workload in WORKLOADS
        for variant in workload.variants()
        for kernel in kernels
        if variant.pass_ == "forward" or not forward
    ]
