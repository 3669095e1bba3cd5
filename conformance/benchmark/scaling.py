"""Which kernel is timed on what: workloads, sized down where the device is a CPU or an emulator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from conformance.benchmark.workloads import WORKLOADS, Workload
from conformance.kernel import LoadedKernel


@dataclass(frozen=True)
class Limit:
    """What a device is asked at most.

    Attributes
    ----------
    layer : int
        Multiplications of q k. Beyond it sequences are left out, then heads.
    values : int
        The same for elements of k.
    head : int
        Multiplications beyond which the length of one key head is halved, until they fit.
    """

    layer: int
    values: int
    head: int


LIMITS = {
    "cpu": Limit(layer=2**32, values=2**24, head=2**33),
    "emulator": Limit(layer=2**30, values=2**22, head=2**31),
}
"""CPU: 2 heads of 4096, or one of 8192. Emulator: 8 heads of 1024, or one of 4096."""


def sized(workload: Workload, device: str, *, shrink: int = 1) -> Workload:
    """The workload as it is timed on `device`, and by how much less it multiplies.

    Batch goes first, then heads, so that each head has its real work; of a group of query heads
    all stay. Lengths shrink only where one key head alone is too much; packed ones never.

    Parameters
    ----------
    device : str
        As LoadedKernel.device; what is not in LIMITS is an accelerator, and asked the whole.
    shrink : int
        Makes the limits smaller.
    """
    if device not in LIMITS:
        return workload
    limit = LIMITS[device]
    timed = _fewer(workload, limit, shrink)
    while timed.work > limit.head // shrink and timed.lens is None and timed.seqlen_q > 1:
        timed = replace(timed, seqlen_q=timed.seqlen_q // 2)
    return replace(timed, real=workload)


def _fewer(workload: Workload, limit: Limit, shrink: int) -> Workload:
    """Fewer sequences, then fewer heads, as far as the limits of a layer ask for it."""
    heads_k = workload.heads_k or workload.heads_q
    units = workload.batch * heads_k
    values = sum(workload.case.seqlens_k) * heads_k * workload.head_dim
    most = min(limit.layer * units // workload.work, limit.values * units // values) // shrink
    batch = min(workload.batch, max(1, most // heads_k))
    heads = min(heads_k, max(1, most // batch))
    return replace(
        workload,
        batch=batch,
        heads_q=heads * workload.heads_q // heads_k,
        heads_k=None if workload.heads_k is None else heads,
    )


def trials(kernels: Sequence[LoadedKernel], *, forward: bool, shrink: int) -> list[Any]:
    """Pytest's parameters: each variant for every kernel; without gradients if `forward`."""
    return [
        pytest.param(
            kernel,
            sized(variant, kernel.device, shrink=shrink),
            id=f"{kernel.name}-{variant.name}{_suffix(kernel.device, shrink)}",
            marks=[getattr(pytest.mark, mark) for mark in variant.marks],
        )
        for workload in WORKLOADS
        for variant in workload.variants()
        for kernel in kernels
        if variant.pass_ == "forward" or not forward
    ]


def _suffix(device: str, shrink: int) -> str:
    """The end of a name, so that saved times of another size are not compared with its."""
    return f"-shrink-{shrink}" if device in LIMITS and shrink > 1 else ""
