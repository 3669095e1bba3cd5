"""How fast the oracle is beside torch's flash kernel in float64, and how much memory it takes.

Run it as ``python tests/oracle/benchmark_oracle.py [repeats]``, on a machine that does nothing
else. Both run forward and backward in one process, by turns, on two threads. The table has the best
wall time of each, and ratios of the best wall times (of the CPU times). OPENBLAS_CORETYPE must not
be set: it makes NumPy take another processor's kernels, which are slower.
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_info
from torch.nn.attention import SDPBackend, sdpa_kernel

from reference import blockwise
from reference.bounds import error_bound
from reference.dropout import Dropout
from reference.formats import BF16, FP64
from reference.mask import Mask
from reference.problem import Problem, Result

THREADS = 2
SHAPES = [(4, 4096, 128), (8, 2048, 128)]  # heads, seqlen, head_dim
LONG = (1, 16384, 128)
ASKED_LONG = {
    "fp64": {},
    "bf16": {"format": BF16},
    "bf16 softcap": {"format": BF16, "softcap": 20.0},
    "bf16 dropout": {"format": BF16, "dropout": Dropout(p=0.1)},
}
MB = 1e6  # bytes


def problem_of(heads: int, seqlen: int, head_dim: int, **asked: Any) -> Problem:
    """One sequence of normal numbers, with gradients."""
    asked = {"format": FP64} | asked
    rng = np.random.default_rng(0)
    shape = (1, seqlen, heads, head_dim)
    q, k, v, dout = (asked["format"].round(rng.standard_normal(shape)) for _ in range(4))
    return Problem(q=q, k=k, v=v, dout=dout, **asked)


def torch_flash(problem: Problem, *, causal: bool) -> Callable[[], object]:
    """The flash CPU kernel of torch on the same problem, in its own layout."""
    tensors = (problem.q, problem.k, problem.v, problem.dout)
    q, k, v, dout = (torch.tensor(np.ascontiguousarray(x.swapaxes(1, 2))) for x in tensors)
    inputs = [x.requires_grad_() for x in (q, k, v)]

    def call() -> object:
        with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
            out = torch.nn.functional.scaled_dot_product_attention(*inputs, is_causal=causal)
        return torch.autograd.grad(out, inputs, dout)

    return call


def seconds(call: Callable[[], object]) -> tuple[float, float]:
    """Wall time and CPU time of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


def compare(heads: int, seqlen: int, head_dim: int, *, causal: bool, repeats: int) -> str:
    """One line of the table."""
    mask = Mask(window=(None, 0 if causal else None))
    problem = problem_of(heads, seqlen, head_dim, mask=mask)
    narrow = problem_of(heads, seqlen, head_dim, mask=mask, format=BF16)
    answer = blockwise.attention(narrow, threads=THREADS)
    calls = {
        "flash": torch_flash(problem, causal=causal),
        "oracle": lambda: blockwise.attention(problem, threads=THREADS),
        "bf16 oracle": lambda: blockwise.attention(narrow, threads=THREADS),
        "bf16 bound": lambda: error_bound(narrow, result=answer, threads=THREADS),
    }
    times = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            times[name].append(seconds(call))
    best = {name: np.min(each, axis=0) for name, each in times.items()}
    median = {name: np.median(each, axis=0) for name, each in times.items()}
    oracle, middle = best["oracle"] / best["flash"], median["oracle"] / median["flash"]
    bound = best["bf16 bound"] / best["bf16 oracle"]
    return (
        f"{heads:5} {seqlen:6} {head_dim:8}  {'causal' if causal else 'full':6} "
        f"{best['flash'][0]:8.3f} {best['oracle'][0]:8.3f}  "
        + "  ".join(f"{wall:4.2f} ({cpu:4.2f})" for wall, cpu in (oracle, middle, bound))
    )


def kernels() -> str:
    """Whose products of matrices were timed."""
    blas = ", ".join(
        f"{pool['internal_api']} {pool['version']} for {pool['architecture']}"
        for pool in threadpool_info()
        if pool["user_api"] == "blas" and "numpy" in pool["filepath"]
    )
    capability = torch.backends.cpu.get_cpu_capability()
    return f"NumPy {np.__version__}: {blas}; torch {torch.__version__}: {capability}"


def peak(call: Callable[[], object]) -> float:
    """Largest memory of a call beyond the tensors it returns, in MB: NumPy tells tracemalloc."""
    tracemalloc.start()
    answer = call()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    results = (answer,) if isinstance(answer, Result) else (answer.worst, answer.sigma)
    returned = sum(tensor.nbytes for result in results for _, tensor in result.tensors())
    return (most - returned) / MB


def main(repeats: int) -> None:
    """Print both tables."""
    torch.set_num_threads(THREADS)
    print(kernels())
    print(
        "                                               oracle / flash, wall (CPU)  bf16: bound /"
    )
    print(
        "heads seqlen head_dim  mask    flash s oracle s         best       median         oracle"
    )
    for shape in SHAPES:
        for causal in (False, True):
            print(compare(*shape, causal=causal, repeats=repeats), flush=True)
    for name, asked in ASKED_LONG.items():
        problem = problem_of(*LONG, **asked)
        answer = blockwise.attention(problem, threads=THREADS)
        oracle = peak(lambda problem=problem: blockwise.attention(problem, threads=THREADS))
        print(f"peak memory at {LONG}, {name}: oracle {oracle:.1f} MB", end="", flush=True)
        both = peak(
            lambda problem=problem, answer=answer: error_bound(
                problem, result=answer, threads=THREADS
            )
        )
        print(f", bound {both:.1f} MB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
