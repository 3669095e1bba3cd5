"""The problems from whose answers a kernel's masks are recovered, and the stream of a run."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any, Protocol

from conformance.cases.inputs import Stream
from conformance.dropout.recovery.recover import Recovered, recover, require_seeded
from conformance.dropout.recovery.slips import declared
from conformance.dropout.shape import Shape
from conformance.kernel import LoadedKernel
from reference.dropout import Dropout
from reference.formats import FORMATS
from reference.mask import Mask
from reference.problem import Problem, Unsupported

P = 0.35
"""Not half, where keeping and dropping look alike; its roundings are numbers of their own."""
P_ROUNDED = 0.99
"""Its roundings to bf16, fp16 and 8 bits change 1 / (1 - p) by more than any bound of out."""

PROBED_FORMATS = ("fp16", "bf16", "fp32")

CAUSAL = Mask(window=(None, 0))
SHAPES = {
    "one-call": Shape(seqlens_q=(31, 31), seqlens_k=(31, 31)),
    "odd": Shape(seqlens_q=(97, 97), seqlens_k=(97, 97)),
    "causal": Shape(seqlens_q=(70, 70), seqlens_k=(91, 91), mask=CAUSAL),
    "window": Shape(seqlens_q=(90, 90), seqlens_k=(77, 77), mask=Mask(window=(20, 7))),
    "packed": Shape(seqlens_q=(17, 1, 64, 0, 40), seqlens_k=(33, 9, 70, 5, 129), packed=True),
    "gqa": Shape(seqlens_q=(31, 31), seqlens_k=(67, 67), heads_q=6, heads_k=2),
}
"""Several sequences, heads and, but for the first, tiles of keys; lengths no tile divides.

The first two are what every kernel can be asked: the lengths of queries and keys are equal.
"""


@lru_cache(maxsize=1)
def stream(seed: int) -> Dropout:
    """The dropout that a run asks for: all 128 bits of seed and offset are drawn."""
    first, second = (int(word) for word in Stream(f"{seed}/dropout").words("stream", 2))
    return Dropout(p=P, seed=first, offset=second)


def recovered(
    kernel: LoadedKernel, shape: Shape, format: str, dropout: Dropout, *, backward: bool
) -> Recovered:
    """What a kernel's answers tell of its decisions; without the backward's if it has none.

    Raises
    ------
    Unsupported
        If it declines even the forward, or cannot be seeded and one call does not tell all.
    """
    problem = shape.zeros(FORMATS[format], dropout, backward=backward)
    try:
        return recover(kernel, problem)
    except Unsupported as declined:
        if not backward or "not testable" in str(declined):
            raise
        return recover(kernel, problem.replace(dout=None))


class Recover(Protocol):
    """`recovered`, or a form of it that keeps what it gave."""

    def __call__(
        self, kernel: LoadedKernel, shape: Shape, format: str, dropout: Dropout, *, backward: bool
    ) -> Recovered:
        """Masks read off a kernel's answers: see `recovered`."""
        ...


class Drops(Protocol):
    """Asks one kernel for the masks of a shape: `asking` makes it."""

    def __call__(
        self,
        shape: Shape,
        format: str,
        *,
        backward: bool = True,
        seeded: bool = False,
        **changes: Any,
    ) -> Recovered:
        """The masks; `changes` of the run's Dropout; `seeded` declines without a seed."""
        ...


def asking(
    kernel: LoadedKernel, *, seed: int, gradients: bool = True, recover: Recover = recovered
) -> Drops:
    """What asks a kernel in the stream of a run; without `gradients`, for the forward alone."""

    def ask(
        shape: Shape, format: str, *, backward: bool = True, seeded: bool = False, **changes: Any
    ) -> Recovered:
        dropout = replace(stream(seed), **changes) if changes else stream(seed)
        masks = recover(kernel, shape, format, dropout, backward=backward and gradients)
        if seeded:
            require_seeded(kernel, masks.problem)
        return masks

    return ask


def is_declared(kernel: LoadedKernel, seed: int, *, recover: Recover = recovered) -> bool:
    """Whether masks of dense problems are proved to be those of the problem's own stream.

    Raises
    ------
    Unsupported
        If the kernel declines every format.
    """
    declined: list[Unsupported] = []
    for format in PROBED_FORMATS:
        try:
            masks = recover(kernel, SHAPES["odd"], format, stream(seed), backward=False)
        except Unsupported as why:
            declined.append(why)
        else:
            kind = kernel.contract(masks.problem).dropout
            if kind != "problem" or (masks.keep != declared(masks.problem)).any():
                return False
    if len(declined) == len(PROBED_FORMATS):
        raise declined[0]
    return True


def with_values(problem: Problem) -> Problem:
    """The same problem with random tensors."""
    draw = Stream("dropout/values").normal
    return problem.replace(
        **{
            name: problem.format.round(draw(name, tensor.shape))
            for name in ("q", "k", "v", "dout")
            if (tensor := getattr(problem, name)) is not None
        }
    )
