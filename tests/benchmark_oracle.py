"""How fast the oracle is beside torch's flash kernel in float64, and how much memory it takes.

Run it as ``python tests/benchmark_oracle.py [repeats]``, on a machine that does nothing else. Both
run forward and backward in one process, by turns, on two threads.
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from reference import blockwise
from reference.bounds import error_bound
from reference.formats import BF16, FP64, Format
from reference.mask import Mask
from reference.problem import Problem, Result

THREADS = 2
SHAPES = [(4, 4096, 128), (8, 2048, 128)]  # heads, seqlen, head_dim
LONG = (1, 16384, 128)
MB = 1e6  # bytes


def problem_of(
    heads: int, seqlen: int, head_dim: int, *, causal: bool, format: Format = FP64
) -> Problem:
    """One sequence of normal numbers, with gradients."""
    rng = np.random.default_rng(0)
    shape = (1, seqlen, heads, head_dim)
    q, k, v, dout = (format.round(rng.standard_normal(shape)) for _ in range(4))
    mask = Mask(window=(None, 0 if causal else None))
    return Problem(q=q, k=k, v=v, dout=dout, format=format, mask=mask)


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


def seconds(call: Callable[[], object]) -> float:
    """Time of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compare(heads: int, seqlen: int, head_dim: int, *, causal: bool, repeats: int) -> str:
    """One line of the table."""
    problem = problem_of(heads, seqlen, head_dim, causal=causal)
    narrow = problem_of(heads, seqlen, head_dim, causal=causal, format=BF16)
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
    best = {name: min(each) for name, each in times.items()}
    median = {name: float(np.median(each)) for name, each in times.items()}
    return (
        f"{heads:5} {seqlen:6} {head_dim:8}  {'causal' if causal else 'full':6} "
        f"{best['flash']:8.3f} {best['oracle']:8.3f} "
        f"{best['oracle'] / best['flash']:8.2f} {median['oracle'] / median['flash']:8.2f} "
        f"{best['bf16 bound'] / best['bf16 oracle']:8.2f}"
    )


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
    print("heads seqlen head_dim  mask    flash s oracle s    ratio   median  bound/oracle (bf16)")
    for shape in SHAPES:
        for causal in (False, True):
            print(compare(*shape, causal=causal, repeats=repeats), flush=True)
    for format in (FP64, BF16):
        problem = problem_of(*LONG, causal=False, format=format)
        answer = blockwise.attention(problem, threads=THREADS)
        oracle = peak(lambda problem=problem: blockwise.attention(problem, threads=THREADS))
        print(f"peak memory at {LONG}, {format.name}: oracle {oracle:.1f} MB", end="", flush=True)
        both = peak(
            lambda problem=problem, answer=answer: error_bound(
                problem, result=answer, threads=THREADS
            )
        )
        print(f", bound {both:.1f} MB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
