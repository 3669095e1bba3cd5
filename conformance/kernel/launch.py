"""Launch: one problem, ready to be run again and again, with nothing else inside the timing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from conformance.kernel import LoadedKernel, call
from reference.problem import Problem, Result


class Launch(Protocol):
    """What `prepare(problem)` of a kernel gives.

    It may have ``modelled() -> Mapping``: time on chips that are not here, by chip, with the fields
    of "modelled" in schema.json; and ``device_bytes() -> int``: what a device would hold
    beside the inputs.
    """

    def launch(self) -> None:
        """Run the forward and, where the problem has a dout, the backward."""
        ...

    def synchronize(self) -> None:
        """Return when the device has done all that was launched."""
        ...

    def result(self) -> Result:
        """What the last launch gave."""
        ...


@dataclass(eq=False)
class Called:
    """A kernel without `prepare`: each launch is a whole call, conversions included."""

    kernel: LoadedKernel
    problem: Problem
    last: Any = None

    def launch(self) -> None:
        """Call the kernel."""
        self.last = call(self.kernel.function, self.problem)

    def synchronize(self) -> None:
        """A call returns when it is done."""

    def result(self) -> Result:
        """What the last call gave, whatever it is."""
        given: Result = self.last
        return given


def launch_of(kernel: LoadedKernel, problem: Problem) -> Launch:
    """What the kernel prepared, or whole calls."""
    if kernel.prepare is None:
        return Called(kernel, problem)
    launch: Launch = call(kernel.prepare, problem)
    return launch


def run(launch: Launch) -> None:
    """Launch, and wait until it is done.

    Raises
    ------
    KernelRaised
        If the kernel raises.
    """
    call(launch.launch)
    call(launch.synchronize)
