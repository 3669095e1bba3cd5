"""attention_kernel: a function of a problem, with what it supports and promises beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reference.contract import Contract
from reference.formats import Array
from reference.problem import Problem, Result
from reference.problem.features import FEATURES

Backward = Callable[[Problem, Array, Array], Result]


@dataclass(frozen=True, eq=False, kw_only=True)
class AttentionKernel:
    """A kernel whose declarations are typed; calling it on a Problem gives a Result.

    Attributes
    ----------
    function : (problem) -> Result
    name : str
    supports : tuple of words of reference.problem.features.FEATURES
        Problems that need any other are declined.
    contract : Contract, or a function of the problem
    backward : (problem, out, lse) -> Result, or None
    prepare : (problem) -> conformance.kernel.launch.Launch, or None
    device : str
    """

    function: Callable[[Problem], Result]
    name: str
    supports: tuple[str, ...]
    contract: Contract | Callable[[Problem], Contract]
    backward: Backward | None
    prepare: Callable[[Problem], Any] | None
    device: str

    def __call__(self, problem: Problem) -> Result:
        """The function's answer.

        Raises
        ------
        Unsupported
            If the problem needs a feature that `supports` does not name.
        """
        problem.require_only(*self.supports)
        return self.function(problem)


def attention_kernel(
    *,
    supports: tuple[str, ...],
    contract: Contract | Callable[[Problem], Contract] | None = None,
    backward: Backward | None = None,
    prepare: Callable[[Problem], Any] | None = None,
    name: str | None = None,
    device: str = "cpu",
) -> Callable[[Callable[[Problem], Result]], AttentionKernel]:
    """A decorator that makes a kernel of a function from a Problem to its Result.

    Parameters
    ----------
    supports : tuple of words of reference.problem.features.FEATURES
        All that the function can do; problems that need more are declined.
    contract : Contract, or a function of the problem, optional
        Where the kernel rounds. Default: ``Contract()``.
    backward : (problem, out, lse) -> Result, optional
        The gradients alone, from out and lse that the suite gives it.
    prepare : (problem) -> conformance.kernel.launch.Launch, optional
        For benchmarks: what is done once before launches are timed.
    name : str, optional
        Default: the function's own name.
    device : str
        "cpu", "emulator", or an accelerator, for reports.

    Raises
    ------
    ValueError
        If `supports` has a word that is no feature.

    Examples
    --------
    >>> from conformance import attention_kernel
    >>> from reference import dense
    >>> @attention_kernel(supports=("fp32", "causal"), contract=Contract(exp_rel=2**-20))
    ... def mine(problem: Problem) -> Result:
    ...     return dense.attention(problem)
    >>> mine.name
    'mine'
    """
    if unknown := [word for word in supports if word not in FEATURES]:
        raise ValueError(
            f"supports has {', '.join(map(repr, unknown))}: the words are {', '.join(FEATURES)}"
        )

    def declare(function: Callable[[Problem], Result]) -> AttentionKernel:
        return AttentionKernel(
            function=function,
            name=name or name_of(function),
            supports=supports,
            contract=contract or Contract(),
            backward=None if backward is None else _declining(backward, supports),
            prepare=prepare,
            device=device,
        )

    return declare


def _declining(backward: Backward, supports: tuple[str, ...]) -> Backward:
    """`backward`, which declines problems that need a feature that `supports` does not name."""

    def call(problem: Problem, out: Array, lse: Array) -> Result:
        problem.require_only(*supports)
        return backward(problem, out, lse)

    return call


def name_of(function: object) -> str:
    """A function's own name; that of its class where it has none, as functools.partial."""
    return str(getattr(function, "__name__", type(function).__name__))
