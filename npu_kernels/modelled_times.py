"""The modelled times of docs/performance_model.md; ``python -m npu_kernels model`` prints them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from npu_kernels.ascend_c import loading
from npu_kernels.ascend_c.binding import CoreCounters
from npu_kernels.ascend_c.kernel import AscendKernel
from npu_kernels.emulator import build
from npu_kernels.emulator.options import EmulatorOptions
from npu_kernels.performance.chips import CHIPS
from npu_kernels.performance.model import FITTED, READS, WRITES, Modelled, modelled
from reference.formats import FP16
from reference.mask import Mask
from reference.problem import Problem

CHIP = "910B2"
HEAD_DIM = 128
ONE_HEAD = {
    1024: (21.0, 58.5),
    2048: (32.5, 70.8),
    4096: (88.9, 118.3),
    8192: (292.6, 353.1),
    16384: (909.0, 1118.0),
    32768: (3263.0, 3646.0),
}
"""Microseconds by length: of the published kernel and of torch_npu there, both measured."""

LLAMA_HEADS, LLAMA_SEQLEN = 40, 4096
EMULATED_HEADS = 8
"""Heads that are emulated of them: enough tasks for all groups, as the whole has."""


def lines(*, longest: int) -> Iterator[str]:
    """Lines of text: one head of each published length up to `longest`, then a causal layer."""
    yield f"model, not measurement: {CHIP}, head_dim {HEAD_DIM}, fp16"
    yield " seqlen  model us  unfitted us  published us  torch_npu us"
    for seqlen, (published, torch_npu) in ONE_HEAD.items():
        if seqlen > longest:
            continue
        times, _ = _times(_problem(1, seqlen, Mask(), backward=False))
        unfitted = f"{1e6 * times.unfitted_seconds:.4g} {times.bound_by}"
        yield f"{seqlen:7} {1e6 * times.seconds:9.4g} {unfitted:>12} {published:13} {torch_npu:13}"
    yield f"llama-13b-{LLAMA_SEQLEN}-causal, {LLAMA_HEADS} heads, from {EMULATED_HEADS}"
    for backward in (False, True):
        problem = _problem(EMULATED_HEADS, LLAMA_SEQLEN, Mask(window=(None, 0)), backward=backward)
        times, counters = _times(problem)
        name = "forward+backward" if backward else "forward"
        pairs = EMULATED_HEADS * LLAMA_SEQLEN * (LLAMA_SEQLEN + 1) / 2
        yield f"{name}: {1e3 * _whole(times):.4g} ms; {_counts(counters, pairs)}"


def _problem(heads: int, seqlen: int, mask: Mask, *, backward: bool) -> Problem:
    draw = np.random.default_rng(0)
    shape = (1, seqlen, heads, HEAD_DIM)
    drawn = (draw.standard_normal(shape).astype(np.float16) for _ in range(4))
    q, k, v, dout = (tensor.astype(np.float32) for tensor in drawn)
    return Problem(q=q, k=k, v=v, dout=dout if backward else None, mask=mask, format=FP16)


def _times(problem: Problem) -> tuple[Modelled, Sequence[CoreCounters]]:
    chip = CHIPS[CHIP]
    options = EmulatorOptions(fast=True, cores=chip.groups)
    library = loading.load(build.library())
    launch = AscendKernel(name="", library=library, options=options, digest="").prepare(problem)
    launch.launch()
    counters = launch.counters()
    return modelled(counters, launch.hbm_bytes(), chip, FITTED), counters


def _whole(times: Modelled) -> float:
    """Seconds of all heads: their tasks keep every group busy."""
    balanced = times.balance * (times.seconds - times.launch_seconds)
    part = max(balanced, times.l2_seconds, times.hbm_seconds)
    return times.launch_seconds + part * LLAMA_HEADS / EMULATED_HEADS


def _counts(counters: Sequence[CoreCounters], pairs: float) -> str:
    read, written = (
        sum(core.bytes[path] for core in counters for path in paths) / pairs
        for paths in (READS, WRITES)
    )
    vector = [core for core in counters if core.core != "AIC"]
    instructions, repeats = (
        1000 * sum(getattr(core, counted)["V"] for core in vector) / pairs
        for counted in ("instructions", "repeats")
    )
    return (
        f"{read:.3g} B read, {written:.3g} B written for each score; for 1000 scores "
        f"{instructions:.3g} vector instructions, {repeats:.4g} repeats"
    )
