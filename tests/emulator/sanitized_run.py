"""Runs our kernel in a library compiled with sanitizers, from shapes to refusals.

A program of its own: the sanitizers' library must be loaded before Python is.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from kernels.refusals import LEGAL, REFUSED, Altered
from support import every_feature

from conformance.laws.assertions import CAUSAL, make_problem
from npu_kernels.ascend_c import loading
from npu_kernels.ascend_c.kernel import AscendKernel
from npu_kernels.emulator.options import EmulatorOptions
from reference.problem import Problem, Unsupported

SHAPES = ((1, 1, 1), (129, 200, 72), (65, 257, 200), (200, 100, 136), (0, 7, 16), (7, 0, 16))


def problems(format: str) -> list[Problem]:
    """Every shape, and all features together: packed in the one format, dense in the other."""
    shapes = [
        make_problem(
            format,
            batch=1,
            heads_k=1,
            mask=CAUSAL,
            seqlen_q=seqlen_q,
            seqlen_k=seqlen_k,
            head_dim=head_dim,
        )
        for seqlen_q, seqlen_k, head_dim in SHAPES
    ]
    everything = every_feature.everything(format, packed=format == "fp16")
    return [*shapes, everything.replace(dout=np.ones_like(everything.q)[..., :24])]


def main() -> None:
    """Launch every problem in either mode."""
    library = loading.load(Path(sys.argv[1]))
    for format, fast in (("fp16", False), ("bf16", True)):
        kernel = AscendKernel(
            name="sanitized",
            library=library,
            options=EmulatorOptions(fast=fast, cores=2),
            digest="",
        )
        for problem in problems(format):
            answer = kernel(problem)
            assert np.isfinite(answer.out).all()
            assert np.isfinite(answer.dq).all()
    for change in (REFUSED | LEGAL).values():
        with suppress(ValueError, Unsupported):
            replace(kernel, library=Altered(library, change))(every_feature.everything("bf16"))


if __name__ == "__main__":
    main()
