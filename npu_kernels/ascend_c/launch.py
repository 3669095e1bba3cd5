"""The Ascend C kernel, ready to be launched again and again; what `AscendKernel.prepare` gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from npu_kernels.ascend_c.backward import BackwardAnswer, BackwardCall, prepare_backward
from npu_kernels.ascend_c.binding import CoreCounters, Declined, PreparedCall
from npu_kernels.ascend_c.bits16 import encode
from npu_kernels.ascend_c.encoded import EncodedProblem
from npu_kernels.ascend_c.forward import ForwardAnswer, ForwardCall, prepare_forward
from npu_kernels.emulator.options import EmulatorOptions
from npu_kernels.on_device.memory import OnDevice, place_for
from npu_kernels.performance.chips import CHIPS
from npu_kernels.performance.model import on_every_chip
from reference.problem import Problem, Result, Unsupported


@dataclass(frozen=True, eq=False, kw_only=True)
class AscendLaunch:
    """A forward and, where the problem has a dout, a backward on what it leaves in memory.

    Attributes
    ----------
    library : Any
    problem : Problem
    encoded : EncodedProblem
    options : EmulatorOptions
    forward : ForwardCall
    backward : BackwardCall, or None
    decoded : function (problem, forward's answer, backward's or None) -> Result
    """

    library: Any
    problem: Problem
    encoded: EncodedProblem
    options: EmulatorOptions
    forward: ForwardCall
    backward: BackwardCall | None
    decoded: Callable[[Problem, ForwardAnswer, BackwardAnswer | None], Result]

    def launch(self) -> None:
        """Launch the kernels, one after the other in one stream.

        Raises
        ------
        Unsupported
            If the library declines the problem.
        """
        try:
            for call in self._calls():
                call.launch()
        except Declined as error:
            raise Unsupported(str(error)) from None

    def synchronize(self) -> None:
        """Wait for the device; the emulator is done when a call returns."""
        if isinstance(self.library, OnDevice):
            self.library.synchronize()

    def result(self) -> Result:
        """What the last launch gave.

        Raises
        ------
        binding.CheckFailed
            If a kernel wrote where it may not.
        """
        gradients = None if self.backward is None else self.backward.answer()
        return self.decoded(self.problem, self.forward.answer(), gradients)

    def device_bytes(self) -> int:
        """What a device holds beside the inputs: results and workspaces."""
        return sum(one.array.nbytes for call in self._calls() for one in call.writes)

    @property
    def modelled(self) -> Callable[[], dict[str, dict[str, Any]]] | None:
        """A model's times by chip; on a device there is none, since there time is measured."""
        return None if isinstance(self.library, OnDevice) else self._modelled

    def _modelled(self) -> dict[str, dict[str, Any]]:
        sizes = {chip.groups for chip in CHIPS.values()}
        return on_every_chip({n: self._counters(n) for n in sizes}, self.hbm_bytes())

    def counters(self) -> Sequence[CoreCounters]:
        """What the last launch did, by kernel, group and core; on a device nothing is counted."""
        return [core for call in self._calls() for core in call.finish().counters]

    def _counters(self, groups: int) -> Sequence[CoreCounters]:
        """Counters of a launch on so many groups: the last launch, if it was, else one more."""
        if groups == self.options.cores:
            return self.counters()
        options = replace(self.options, cores=groups, fast=True)
        again = prepare_launch(self.library, self.problem, self.encoded, options, self.decoded)
        again.launch()
        return again._counters(groups)

    def hbm_bytes(self) -> int:
        """Each tensor that a call reads or writes, once; its workspace stays in L2."""
        moved = 0
        for call in self._calls():
            read = [array for array in call.reads.values() if array is not None]
            written = [one.array for one in call.writes[:-1]]
            moved += sum(array.nbytes for array in (*read, *written))
        return moved

    def _calls(self) -> list[PreparedCall]:
        both = (self.forward, self.backward)
        return [one.call for one in both if one is not None]


def prepare_launch(
    library: Any,
    problem: Problem,
    encoded: EncodedProblem,
    options: EmulatorOptions,
    decoded: Callable[[Problem, ForwardAnswer, BackwardAnswer | None], Result],
) -> AscendLaunch:
    """Encode, allocate and, for a device, upload, so that nothing of it is left to a launch."""
    place = place_for(library)
    encoded = encoded.placed_by(place)
    forward = prepare_forward(library, encoded, options=options)
    backward = None
    if problem.dout is not None:
        backward = prepare_backward(
            library,
            encoded,
            out=forward.out,
            dout=place(encode(problem.dout, problem.format)),
            lse=forward.lse,
            dlse=None if problem.dlse is None else place(np.ascontiguousarray(problem.dlse)),
            options=options,
            after=forward.call,
        )
    return AscendLaunch(
        library=library,
        problem=problem,
        encoded=encoded,
        options=options,
        forward=forward,
        backward=backward,
        decoded=decoded,
    )
