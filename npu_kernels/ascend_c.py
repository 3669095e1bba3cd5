"""Our Ascend C kernel as a function of a Problem: on the emulator, or later on a device."""

from __future__ import annotations

import ctypes
import hashlib
from dataclasses import dataclass, field
from functools import cache

from npu_kernels import binding, build, device_library, on_device
from npu_kernels.asked import question_of
from npu_kernels.bits import decode
from npu_kernels.device_memory import OnDevice
from npu_kernels.dropout import bits_of
from npu_kernels.knobs import Knobs, from_environment
from reference.contract import Contract
from reference.features import FEATURES
from reference.formats import FP32
from reference.problem import Problem, Result, Unsupported

DECLINES = ("fp32", "fp64", "backward", "dlse")
SUPPORTS = tuple(word for word in FEATURES if word not in DECLINES)
MOST_HEAD_DIM = 256
BLOCK_K = 128  # keys of one tile


@dataclass(frozen=True, eq=False, kw_only=True)
class AscendKernel:
    """The kernel in a library; calling it on a Problem gives a Result.

    Attributes
    ----------
    name : str
        Says where it runs, and the knobs that are turned.
    library : a library that `binding.load` gave, or one on a device
    knobs : Knobs
    digest : str
        Which sources were compiled.
    toolchain : str
        What else decides the bits: the chip; on the emulator, no compiler and no machine does.
    """

    name: str
    library: ctypes.CDLL | OnDevice
    knobs: Knobs = field(default_factory=Knobs)
    digest: str
    toolchain: str = "emulator"

    def __call__(self, problem: Problem) -> Result:
        """Run the forward.

        Raises
        ------
        Unsupported
            If the problem is beyond this kernel.
        CheckFailed
            If the emulator refuses what the kernel does.
        """
        launch = self.launch(problem)
        return Result(
            out=decode(launch.out, problem.format),
            lse=launch.lse,
            softmax_max=launch.softmax_max,
            softmax_sum=launch.softmax_sum,
        )

    def launch(self, problem: Problem) -> binding.Launch:
        """Run the forward; what it gave in bits, with the emulator's counters and remarks."""
        problem.require_only(*SUPPORTS)
        for name in ("head_dim", "head_dim_v"):
            if (dim := getattr(problem, name)) > MOST_HEAD_DIM:
                raise Unsupported(f"{name} {dim} > {MOST_HEAD_DIM}")
        try:
            dropout = bits_of(self.library, problem, knobs=self.knobs)
            question = question_of(problem, dropout=dropout)
            return binding.flash_forward(self.library, question, knobs=self.knobs)
        except binding.Declined as error:
            raise Unsupported(str(error)) from None

    def contract(self, problem: Problem) -> Contract:
        """Weights are cast by CAST_RINT to the problem's format; the sum is of unrounded ones.

        Sums run over the keys of a tile and then over tiles, in any order and with truncation,
        since the order on the silicon is unpublished. Exp rounds once (half an ulp is one unit
        roundoff), and is then off by as many ulps as its knob says.

        tanh comes from exp: its error is absolute, as docs/numerics.md derives it in section 3.
        """
        keys = problem.max_seqlen_k
        exp_ulps = 1.0 + 2.0 * self.knobs.exp
        return Contract(
            h=min(keys, BLOCK_K) + -(-keys // BLOCK_K),
            exp_ulps=exp_ulps,
            tanh_abs=(4.0 + exp_ulps / 2) * FP32.unit_roundoff,
            rounding="even",
        )


def kernel(name: str) -> AscendKernel:
    """The kernel "emulated", "device", or "ascend": on the device if there is one, else emulated.

    "ascend" is on the device if there is one and a library was built for it, or if
    NPU_REQUIRE_DEVICE is set. Its name says where it runs.

    Raises
    ------
    Unavailable
        If something that it needs is missing; the text says what to do.
    BuildError
        If the compiler refuses its sources.
    """
    if name == "device" or (name == "ascend" and (on_device.is_insisted() or on_device.is_here())):
        return _on_device(name)
    return _emulated(name, from_environment())


@cache
def _on_device(name: str) -> AscendKernel:
    try:
        on = on_device.library()
        groups = on_device.groups(on)
    except build.Unavailable as missing:
        insisted = name == "ascend" and on_device.is_insisted()
        raise build.Unavailable(
            f"{on_device.INSISTED} is set, and {missing}" if insisted else str(missing)
        ) from None
    return AscendKernel(
        name=f"{name}[{device_library.soc(on.library)}]",
        library=on,
        knobs=Knobs(cores=groups),
        digest=hashlib.sha256(device_library.path().read_bytes()).hexdigest(),
        toolchain=device_library.soc(on.library),
    )


@cache
def _emulated(name: str, knobs: Knobs) -> AscendKernel:
    words = ("emulated", *knobs.words()) if name == "ascend" else knobs.words()
    return AscendKernel(
        name=f"{name}[{','.join(words)}]" if words else name,
        library=binding.load(build.library()),
        knobs=knobs,
        digest=build.digest(build.PACKAGE, build.EMULATOR, build.FLASH_ATTENTION),
    )
