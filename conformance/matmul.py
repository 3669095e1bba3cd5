"""A matrix product of a workload's size on the same device: what attention is measured against."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from conformance.torch_bridge import dtype_of, import_torch
from conformance.workloads import FORMAT
from reference.formats import FORMATS
from reference.problem import Problem

ROUNDS = 5
LARGEST = 2**27
"""Products that are held at once: 256 MiB of 16 bits."""


def gflops(problem: Problem, device: str) -> float | None:
    """GFLOP/s of q k^T, dense, of as many heads as fit; None on an emulator, which has no other.

    By torch in the problem's format where there is torch, else by NumPy in float32.
    """
    if device == "emulator":
        return None
    seqlen_q, seqlen_k = problem.max_seqlen_q, problem.max_seqlen_k
    heads = max(1, min(problem.heads_q * problem.batch, LARGEST // (seqlen_q * seqlen_k)))
    return _measured(heads, seqlen_q, problem.head_dim, seqlen_k, device)


@lru_cache
def _measured(heads: int, m: int, k: int, n: int, device: str) -> float:
    multiply = _torch(heads, m, k, n, device) if find_spec("torch") else _numpy(heads, m, k, n)
    multiply()
    seconds = statistics.median(_time(multiply) for _ in range(ROUNDS))
    return 2 * heads * m * k * n / seconds / 1e9


def _time(multiply: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    multiply()
    return time.perf_counter() - begin


def _torch(heads: int, m: int, k: int, n: int, device: str) -> Callable[[], Any]:
    torch = import_torch(device)
    dtype = dtype_of(FORMATS[FORMAT])
    a = torch.ones(heads, m, k, dtype=dtype, device=device)
    b = torch.ones(heads, n, k, dtype=dtype, device=device).transpose(1, 2)
    c = torch.empty(heads, m, n, dtype=dtype, device=device)

    def multiply() -> None:
        torch.bmm(a, b, out=c)
        if device != "cpu":
            getattr(torch, device.partition(":")[0]).synchronize()

    return multiply


def _numpy(heads: int, m: int, k: int, n: int) -> Callable[[], Any]:
    a = np.ones((heads, m, k), np.float32)
    b = np.ones((heads, n, k), np.float32).swapaxes(1, 2)
    c = np.empty((heads, m, n), np.float32)
    return lambda: np.matmul(a, b, out=c)
