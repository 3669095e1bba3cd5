"""One fault put into a copy of our kernel's sources, and the kernel compiled from it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.laws.assertions import CAUSAL, make_problem
from npu_kernels.ascend_c import kernel, loading
from npu_kernels.emulator import build
from npu_kernels.emulator.options import EmulatorOptions
from reference.problem import Problem

SHAPE = {"batch": 1, "heads_q": 1, "heads_k": 1, "seqlen_q": 200, "seqlen_k": 300, "head_dim": 40}


@dataclass(frozen=True, kw_only=True)
class Injection:
    """One fault.

    Attributes
    ----------
    file, old, new : str
        In this source, `old` stands once and becomes `new`.
    says : tuple of str
        What the emulator's report holds, or the tensors that the judge rejects.
    by : "emulator" or "judge"
        Who must notice.
    asked : what differs from SHAPE, causal, in fp16
    format : str
    made_by : what makes a problem of these
    backward : bool
        It is asked for gradients, too.
    """

    file: str
    old: str
    new: str
    says: tuple[str, ...]
    by: str = "emulator"
    asked: dict[str, Any] = field(default_factory=dict)
    format: str = "fp16"
    made_by: Callable[..., Problem] = make_problem
    backward: bool = False

    def problem(self) -> Problem:
        """What the faulty kernel is asked."""
        asked = {**SHAPE, "mask": CAUSAL, **self.asked}
        problem = self.made_by(self.format, **asked)
        return problem if self.backward else problem.replace(dout=None)


def faulty(injection: Injection, folder: Path) -> kernel.AscendKernel:
    """The kernel with this fault, compiled from a copy of its sources in `folder`.

    Raises
    ------
    ValueError
        If the replacement does not apply.
    """
    copy = folder / build.FLASH_ATTENTION.name
    shutil.copytree(build.FLASH_ATTENTION, copy)
    shutil.copy(build.PACKAGE / "abi.h", folder)
    file = copy / injection.file
    text = file.read_text()
    if (found := text.count(injection.old)) != 1:
        raise ValueError(
            f"{injection.file} has {found} times {injection.old!r}: make the injection like the "
            "source again"
        )
    file.write_text(text.replace(injection.old, injection.new))
    _unite(copy / "kernels")
    library = loading.load(build.library(kernel=copy, kernel_options=("-O0",)))
    return kernel.AscendKernel(
        name="faulty", library=library, options=EmulatorOptions(cores=1), digest=build.digest(copy)
    )


def _unite(kernels: Path) -> None:
    """Make one source of all kernels: most of compiling one is reading what all include."""
    names = [source.with_suffix(".h").name for source in sorted(kernels.glob("*.cpp"))]
    for source in sorted(kernels.glob("*.cpp")):
        source.rename(source.with_suffix(".h"))
    (kernels / "every.cpp").write_text("".join(f'#include "{name}"\n' for name in names))
