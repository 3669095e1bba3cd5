"""LoadedKernel: somebody's function from Problem to Result, called with care."""

from __future__ import annotations

import platform
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from conformance.kernel.calling import BadAnswer, InputChanged, KernelRaised, call
from reference.contract import Contract
from reference.formats import Array
from reference.problem import Problem, Result, Unsupported

PROBLEM_TENSORS = ("q", "k", "v", "bias", "slopes", "sink", "dout", "dlse")


class Kernel(Protocol):
    """What is judged: a function that answers a problem, or raises Unsupported.

    It may have attributes:

    name : str
    contract : Contract, or a function of the problem that returns one
        Where the kernel rounds; the default Contract if it says nothing.
    backward : function (problem, out, lse) -> Result
        The gradients alone: dq, dk, dv, and dbias and dsink where the problem has a bias or a sink.
        out (like q, with head_dim_v channels) and lse (problem.shape_lse) are the oracle's, rounded
        as the contract says; what is wrong in them cannot be the forward's fault then.
    digest : str
        Which code runs.
    toolchain : str
        What else decides its bits.
    prepare : function (problem) -> launch.Launch
        For benchmarks: what is done once before launches are timed.
    device : str
        "cpu", "emulator", or an accelerator.
    for_benchmarks : Kernel
        The kernel that is timed instead: the same bits with fewer checks.
    """

    def __call__(self, problem: Problem, /) -> Result:
        """The answer to `problem`."""
        ...


KernelCall = Callable[..., Result]


@dataclass(frozen=True, eq=False, kw_only=True)
class LoadedKernel:
    """A kernel that was loaded, and the name it goes by.

    Attributes
    ----------
    spec : str
        How it was asked for: "module:attribute" or "path/to/file.py:attribute".
    name : str
        The kernel's own name, or the attribute's.
    function : Kernel
    isolated : function (method, problem, *statistics) -> Result, or None
        Runs the call elsewhere; None calls `function` here. See conformance.kernel.isolate.
    doubts : tuple of str
        What looks like a slip in its declarations, one line each.
    """

    spec: str
    name: str
    function: Kernel
    isolated: KernelCall | None = None
    doubts: tuple[str, ...] = ()

    def __call__(self, problem: Problem) -> Result:
        """The kernel's answer.

        Raises
        ------
        Unsupported
            The kernel declines the problem.
        BadAnswer
            It returned something else than a complete Result of NumPy arrays: see `checked`.
        InputChanged
            It wrote into the problem's tensors.
        KernelRaised
            It raised anything else.
        """
        if self.isolated is not None:
            return self.isolated("forward", problem)
        return _call(self.function, problem)

    @property
    def backward(self) -> KernelCall | None:
        """``backward(problem, out, lse) -> Result`` for gradients alone; None if there is none."""
        function = getattr(self.function, "backward", None)
        if function is None:
            return None
        if self.isolated is not None:
            isolated = self.isolated
            return lambda problem, out, lse: isolated("backward", problem, out, lse)
        return lambda problem, out, lse: _call(function, problem, out, lse)

    def contract(self, problem: Problem) -> Contract:
        """What the kernel promises for `problem`; the default Contract if it says nothing."""
        declared = getattr(self.function, "contract", None)
        if declared is None:
            return Contract()
        contract = call(declared, problem) if callable(declared) else declared
        if not isinstance(contract, Contract):
            raise TypeError(
                f"kernel {self.name}: its contract is {contract!r:.60}: "
                "give a reference.contract.Contract, or a function of the problem that returns one"
            )
        return contract

    @property
    def digest(self) -> str | None:
        """Which code runs, in the kernel's own words."""
        digest = getattr(self.function, "digest", None)
        return None if digest is None else str(digest)

    @property
    def toolchain(self) -> str:
        """What decides the bits of its answers besides its code; by default, this machine."""
        declared = getattr(self.function, "toolchain", None)
        return (
            f"{platform.machine()}, numpy {np.__version__}" if declared is None else str(declared)
        )

    @property
    def device(self) -> str:
        """Where it runs, in the kernel's own words; "cpu" if it says nothing."""
        return str(getattr(self.function, "device", "cpu"))

    @property
    def prepare(self) -> Callable[..., Any] | None:
        """``prepare(problem)`` of a kernel that can be timed; None if there is none."""
        prepare: Callable[..., Any] | None = getattr(self.function, "prepare", None)
        return prepare


def _call(function: KernelCall, problem: Problem, *statistics: Array) -> Result:
    with unchanged(problem):
        result = call(function, problem, *statistics)
    return checked(result, problem, gradients_alone=bool(statistics))


@contextmanager
def unchanged(problem: Problem) -> Iterator[None]:
    """Watch over a problem's tensors.

    Raises
    ------
    InputChanged
        Somebody wrote into one, also if it raised afterwards.
    """
    before = _fingerprints(problem)
    raised = ""
    try:
        yield
    except (KernelRaised, Unsupported) as error:
        raised = f"\nafter that: {error}"
        raise
    finally:
        after = _fingerprints(problem)
        if changed := [name for name, print in before.items() if after[name] != print]:
            raise InputChanged(
                f"the kernel changed its input {', '.join(changed)}: work on a copy of it{raised}"
            )


def checked(result: object, problem: Problem, *, gradients_alone: bool = False) -> Result:
    """What a kernel returned for `problem`, if it is a complete Result of NumPy arrays.

    Parameters
    ----------
    result : object
    problem : Problem
    gradients_alone : bool
        It was a call of ``backward(problem, out, lse)``, which gives no out.

    Raises
    ------
    BadAnswer
        It is no Result, a tensor is no array, or one that the problem needs is missing: out, and
        with a dout each gradient. lse may be missing: a kernel need not give it.
    """
    if not isinstance(result, Result):
        raise BadAnswer(
            f"the kernel returned a {type(result).__name__}: give a reference.problem.Result"
        )
    for name, tensor in result.tensors():
        if not isinstance(tensor, np.ndarray):
            raise BadAnswer(
                f"the kernel returned {name} as a {type(tensor).__name__}: give a NumPy array"
            )
    if missing := [
        name
        for name in _needed(problem, gradients_alone=gradients_alone)
        if getattr(result, name) is None
    ]:
        raise BadAnswer(
            f"the kernel returned no {', '.join(missing)}: the problem asks for it; "
            "a kernel that cannot give it raises reference.problem.Unsupported"
        )
    return result


def _needed(problem: Problem, *, gradients_alone: bool) -> list[str]:
    """Names of the tensors that every answer to `problem` has."""
    gradients = ["dq", "dk", "dv"]
    gradients += ["dbias"] if problem.bias is not None else []
    gradients += ["dsink"] if problem.sink is not None else []
    return [
        *(() if gradients_alone else ("out",)),
        *(gradients if problem.dout is not None else ()),
    ]


def _fingerprints(problem: Problem) -> dict[str, int]:
    tensors = {name: getattr(problem, name) for name in PROBLEM_TENSORS}
    tensors["mask keep"] = problem.mask.keep
    return {
        name: zlib.crc32(np.ascontiguousarray(tensor).data)
        for name, tensor in tensors.items()
        if tensor is not None and tensor.size
    }
