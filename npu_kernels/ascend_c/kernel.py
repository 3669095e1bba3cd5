"""Our Ascend C kernel as a function of a Problem: on the emulator, or later on a device."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from npu_kernels.ascend_c import binding
from npu_kernels.ascend_c.backward import BackwardAnswer, flash_backward
from npu_kernels.ascend_c.bits16 import decode, encode
from npu_kernels.ascend_c.dropout_bits import bits_of
from npu_kernels.ascend_c.encode import encode_problem
from npu_kernels.ascend_c.encoded import EncodedProblem
from npu_kernels.ascend_c.forward import ForwardAnswer
from npu_kernels.ascend_c.launch import AscendLaunch, prepare_launch
from npu_kernels.emulator.options import EmulatorOptions
from npu_kernels.on_device.memory import OnDevice
from reference.contract import Contract
from reference.formats import FP32, Array
from reference.problem import Problem, Result, Unsupported
from reference.problem.features import FEATURES

DECLINES = ("fp32", "fp64")
SUPPORTS = tuple(word for word in FEATURES if word not in DECLINES)
MOST_HEAD_DIM = 256
WIDE = 128  # a head_dim above it takes half the keys at once
STEPS = (512, 256)  # keys that the cube sums up at once: for out, and for dq


@dataclass(frozen=True, eq=False, kw_only=True)
class AscendKernel:
    """The kernel in a library; calling it on a Problem gives a Result.

    Attributes
    ----------
    name : str
        It shows where the kernel runs, and the emulator's options that differ from the defaults.
    library : a library that `loading.load` gave, or one on a device
    options : EmulatorOptions
    digest : str
        Which sources ran: those that were compiled, and what stands between them and a Problem.
    toolchain : str
        What else decides the bits: the chip; on the emulator, no compiler and no machine does.
    """

    name: str
    library: ctypes.CDLL | OnDevice
    options: EmulatorOptions = field(default_factory=EmulatorOptions)
    digest: str
    toolchain: str = "emulator"

    def __call__(self, problem: Problem) -> Result:
        """Run the forward and, where the problem has a dout, the backward on what it gave.

        Raises
        ------
        Unsupported
            If the problem is beyond this kernel.
        CheckFailed
            If the emulator refuses what the kernel does.
        """
        ready = self.prepare(problem)
        ready.launch()
        return ready.result()

    def prepare(self, problem: Problem) -> AscendLaunch:
        """All that a launch needs, on the device where this is one's kernel.

        Raises
        ------
        Unsupported
            If the problem is beyond this kernel; what only the library sees, the launch declines.
        """
        encoded = self._encoded(problem)
        return prepare_launch(self.library, problem, encoded, self.options, _result)

    @property
    def device(self) -> str:
        """Where it runs: "npu", or "emulator"."""
        return "npu" if isinstance(self.library, OnDevice) else "emulator"

    @property
    def for_benchmarks(self) -> AscendKernel:
        """The kernel to be timed: emulated fast, which gives the same bits; itself on a device."""
        if self.device == "npu":
            return self
        options = replace(self.options, fast=True)
        return replace(
            self, name=emulated_name(self.name.partition("[")[0], options), options=options
        )

    def backward(self, problem: Problem, out: Array, lse: Array) -> Result:
        """Gradients by the backward alone, on statistics that the caller gives.

        Parameters
        ----------
        out : like the forward's, exact in problem.format
        lse : of problem.shape_lse, float32

        Raises
        ------
        Unsupported
            If the problem has no dout, or is beyond this kernel.
        ValueError
            If out or lse has another shape, or lse holds a NaN.
        CheckFailed
            If the emulator refuses what the kernel does.
        """
        if problem.dout is None:
            raise Unsupported("no dout: the problem asks for no gradients")
        encoded = self._encoded(problem)
        with _declining():
            answer = flash_backward(
                self.library,
                encoded,
                out=encode(out.astype(np.float32, copy=False), problem.format),
                dout=encode(problem.dout, problem.format),
                lse=np.ascontiguousarray(lse, np.float32),
                dlse=None if problem.dlse is None else np.ascontiguousarray(problem.dlse),
                options=self.options,
            )
        return Result(**_decoded(problem, answer))

    def _encoded(self, problem: Problem) -> EncodedProblem:
        problem.require_only(*SUPPORTS)
        for name in ("head_dim", "head_dim_v"):
            if (dim := getattr(problem, name)) > MOST_HEAD_DIM:
                raise Unsupported(f"{name} {dim} > {MOST_HEAD_DIM}")
        with _declining():
            dropout = bits_of(self.library, problem, options=self.options)
        return encode_problem(problem, dropout=dropout)

    def contract(self, problem: Problem) -> Contract:
        """Weights are cast by CAST_RINT to the problem's format; the sum is of unrounded ones.

        Sums run over the keys of a step and then over steps, in any order and with truncation,
        since the order on the silicon is unpublished. Exp rounds once (half an ulp is one unit
        roundoff), and is then off by as many ulps as its knob says.

        tanh comes from exp: its error is absolute, as docs/numerics.md derives it in section 3.

        The backward makes the weights again from lse, adds up dq, dk and dv in fp32 and rounds
        them once. dbias is made in fp32 and rounded here.
        """
        keys = problem.max_seqlen_k
        halves = 1 if max(problem.head_dim, problem.head_dim_v) <= WIDE else 2
        steps = [step // halves for step in STEPS]
        exp_ulps = 1.0 + 2.0 * self.options.exp
        return Contract(
            longest_sum=max(min(keys, step) + -(-keys // step) for step in steps),
            exp_ulps=exp_ulps,
            tanh_abs=(4.0 + exp_ulps / 2) * FP32.unit_roundoff,
            rounding="even",
        )


@contextmanager
def _declining() -> Iterator[None]:
    try:
        yield
    except binding.Declined as error:
        raise Unsupported(str(error)) from None


def _result(problem: Problem, answer: ForwardAnswer, gradients: BackwardAnswer | None) -> Result:
    result = Result(
        out=decode(answer.out, problem.format),
        lse=answer.lse,
        softmax_max=answer.softmax_max,
        softmax_sum=answer.softmax_sum,
    )
    return result if gradients is None else replace(result, **_decoded(problem, gradients))


def _decoded(problem: Problem, gradients: BackwardAnswer) -> dict[str, Array | None]:
    dbias = gradients.dbias
    return {
        **{name: decode(getattr(gradients, name), problem.format) for name in ("dq", "dk", "dv")},
        "dbias": None
        if dbias is None or problem.bias is None
        else problem.format.round(dbias.reshape(problem.bias.shape)),
        "dsink": gradients.dsink,
    }


def emulated_name(name: str, options: EmulatorOptions) -> str:
    """The name of an emulated kernel, which says how the emulator runs it."""
    words = ("emulated", *options.words()) if name == "ascend" else options.words()
    return f"{name}[{','.join(words)}]" if words else name
