"""What a device reaches, measured in the same run: a matrix product of a size, and a copy."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from conformance.benchmark.workloads import FORMAT
from conformance.torch_bridge import dtype_of, import_torch
from reference.formats import FORMATS
from reference.problem import Problem

ROUNDS = 5
LARGEST = 2**27
"""Products that are held at once: 256 MiB of 16 bits."""

COPIED = 2**27
"""Bytes of a copy: far beyond any cache."""


@lru_cache
def is_reached(device: str) -> bool:
    """Whether something can be run there without the kernel: on a CPU, or where torch does."""
    if device in ("cpu", "emulator"):
        return device == "cpu"
    if find_spec("torch") is None:
        return False
    try:
        import_torch(device).empty(1, device=device)
    except (RuntimeError, AssertionError, ImportError):  # torch does not know it, or it is absent
        return False
    return True


def gflops(problem: Problem, device: str) -> float | None:
    """GFLOP/s of q k^T, dense, of as many heads as fit; None where none can be measured.

    By torch in the problem's format where there is torch, else by NumPy in float32.
    """
    if not is_reached(device):
        return None
    seqlen_q, seqlen_k = problem.max_seqlen_q, problem.max_seqlen_k
    heads = max(1, min(problem.heads_q * problem.batch, LARGEST // (seqlen_q * seqlen_k)))
    return _measured(heads, seqlen_q, problem.head_dim, seqlen_k, device)


@lru_cache
def gbytes(device: str) -> float | None:
    """GB/s of a copy, each byte read and written; None where none can be measured."""
    if not is_reached(device):
        return None
    copy = _torch_copy(device) if find_spec("torch") else _numpy_copy()
    return 2 * COPIED / _seconds(copy) / 1e9


@lru_cache
def _measured(heads: int, m: int, k: int, n: int, device: str) -> float:
    multiply = _torch(heads, m, k, n, device) if find_spec("torch") else _numpy(heads, m, k, n)
    return 2 * heads * m * k * n / _seconds(multiply) / 1e9


def _seconds(call: Callable[[], Any]) -> float:
    """Median of some calls, after one that is not counted."""
    call()
    return statistics.median(_time(call) for _ in range(ROUNDS))


def _time(call: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def _waiting(call: Callable[[], Any], device: str) -> Callable[[], None]:
    """The call, and the wait for its end."""

    def both() -> None:
        call()
        if device != "cpu":
            getattr(import_torch(device), device.partition(":")[0]).synchronize()

    return both


def _torch(heads: int, m: int, k: int, n: int, device: str) -> Callable[[], None]:
    torch = import_torch(device)
    dtype = dtype_of(FORMATS[FORMAT])
    a = torch.ones(heads, m, k, dtype=dtype, device=device)
    b = torch.ones(heads, n, k, dtype=dtype, device=device).transpose(1, 2)
    c = torch.empty(heads, m, n, dtype=dtype, device=device)
    return _waiting(lambda: torch.bmm(a, b, out=c), device)


def _numpy(heads: int, m: int, k: int, n: int) -> Callable[[], Any]:
    a = np.ones((heads, m, k), np.float32)
    b = np.ones((heads, n, k), np.float32).swapaxes(1, 2)
    c = np.empty((heads, m, n), np.float32)
    return lambda: np.matmul(a, b, out=c)


def _torch_copy(device: str) -> Callable[[], None]:
    torch = import_torch(device)
    there, here = (torch.ones(COPIED, dtype=torch.uint8, device=device) for _ in range(2))
    return _waiting(lambda: here.copy_(there), device)


def _numpy_copy() -> Callable[[], Any]:
    there, here = (np.ones(COPIED, np.uint8) for _ in range(2))
    return lambda: np.copyto(here, there)
