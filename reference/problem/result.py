"""Result: what a kernel answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from reference.formats import Array


class Unsupported(Exception):
    """A kernel declines a problem; the text says which part of it."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """The tensors that a kernel gives for a Problem; None where it gives none.

    Attributes
    ----------
    out : (batch, seqlen_q, heads_q, head_dim_v), packed (total_q, heads_q, head_dim_v)
    lse : (batch, heads_q, seqlen_q), packed (heads_q, total_q)
        Logarithm of the sum of exp over visible scores and the sink.
    softmax_max, softmax_sum : like lse
        Any pair with ``softmax_max + log(softmax_sum) == lse``; a stale maximum is legal.
    dq, dk, dv, dbias, dsink : like q, k, v, bias, sink
        Gradients, where the problem has a dout.
    """

    out: Array | None = None
    lse: Array | None = None
    softmax_max: Array | None = None
    softmax_sum: Array | None = None
    dq: Array | None = None
    dk: Array | None = None
    dv: Array | None = None
    dbias: Array | None = None
    dsink: Array | None = None

    def tensors(self) -> Iterator[tuple[str, Array]]:
        """Name and array of each tensor that is not None, in the order of the fields."""
        for field in fields(self):
            if (tensor := getattr(self, field.name)) is not None:
                yield field.name, tensor
