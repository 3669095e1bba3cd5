"""Case: a named problem, why it is asked, and which faults it exists to catch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, Literal

import numpy as np

from conformance.cases import patterns
from conformance.cases.inputs import Sizes, Stream, draw
from reference.dropout import Dropout
from reference.formats import FP32, Format
from reference.mask import Anchor, Mask
from reference.problem import Problem

Tier = Literal["smoke", "default", "full"]


@dataclass(frozen=True, eq=False)
class Case:
    """One problem in each of its formats.

    Attributes
    ----------
    id, why : str
        The id never changes; `why` says what the case would show.
    batch, seqlen_q, seqlen_k : int
        seqlen_k None: seqlen_q.
    lens_q, lens_k : tuple of int, or None
        Lengths of packed sequences, instead of batch and seqlens. lens_k None: lens_q.
    heads_q, heads_k, head_dim, head_dim_v : int
        heads_k None: heads_q; head_dim_v None: head_dim.
    family : str
        A key of conformance.cases.inputs.FAMILIES.
    scale, softcap, window, anchor, prefix
        As in Problem and Mask.
    keep, bias : str, or None
        A pattern and its axes, such as "random b1qk": conformance.cases.patterns.
    alibi : "h", "bh" or None
    sink : "zero", "random", "large" or None
    dropout : float
        Probability; 0 is none. Seed and offset are drawn, 64 bits each.
    bits : "exact", "padded" or None
        Dropout by packed bits instead of the stream.
    backward, dlse : bool
        Gradients are asked for; a gradient arrives at lse, too.
    layout : str
        A key of conformance.cases.patterns.LAYOUTS.
    formats : tuple of str
    tier : "smoke", "default" or "full"
    catches : tuple of str
        Faults of conformance.cases.faults that the case is there to catch.
    small : mapping, or None
        What is different in the small variant on which the claims in `catches` are run.
    """

    id: str
    why: str
    _: KW_ONLY
    batch: int = 2
    seqlen_q: int = 129
    seqlen_k: int | None = None
    lens_q: tuple[int, ...] | None = None
    lens_k: tuple[int, ...] | None = None
    heads_q: int = 2
    heads_k: int | None = None
    head_dim: int = 64
    head_dim_v: int | None = None
    family: str = "normal"
    scale: float | None = None
    window: tuple[int | None, int | None] = (None, None)
    anchor: Anchor = "bottom-right"
    prefix: int | tuple[int, ...] | None = None
    keep: str | None = None
    bias: str | None = None
    alibi: Literal["h", "bh"] | None = None
    softcap: float | None = None
    sink: str | None = None
    dropout: float = 0.0
    bits: Literal["exact", "padded"] | None = None
    backward: bool = True
    dlse: bool = False
    layout: str = "contiguous"
    formats: tuple[str, ...] = ("fp16", "bf16", "fp32")
    tier: Tier = "default"
    catches: tuple[str, ...] = ()
    small: Mapping[str, Any] | None = None

    @property
    def seqlens_q(self) -> tuple[int, ...]:
        """Queries of each sequence."""
        return (self.seqlen_q,) * self.batch if self.lens_q is None else self.lens_q

    @property
    def seqlens_k(self) -> tuple[int, ...]:
        """Keys of each sequence."""
        if self.lens_q is not None:
            return self.lens_q if self.lens_k is None else self.lens_k
        return (self.seqlen_q if self.seqlen_k is None else self.seqlen_k,) * self.batch

    @property
    def work(self) -> int:
        """Pairs of a query and a key, over all heads and sequences."""
        return self.heads_q * int(np.dot(self.seqlens_q, self.seqlens_k))

    def without_gradients(self) -> Case:
        """The case without gradients."""
        return replace(self, backward=False, dlse=False)

    def variant(self) -> Case:
        """The small variant, on which claims are run: the case itself, if that is small."""
        if self.small is None:
            return self
        return replace(self, id=f"{self.id}-small", small=None, **self.small)

    def problem(self, format: Format, *, seed: int = 0) -> Problem:
        """The problem in `format`; another seed has other values and the same shapes."""
        stream = Stream(f"{seed}/{self.id}")
        sizes = self._sizes(format)
        scores = (
            len(sizes.seqlens_q),
            sizes.heads_q,
            self.seqlen_q if self.lens_q is None else max(self.lens_q, default=0),
            max(sizes.seqlens_k, default=0),
        )
        mask = Mask(
            window=self.window,
            anchor=self.anchor,
            prefix=self.prefix,
            keep=None if self.keep is None else patterns.keep(self.keep, scores, stream),
        )
        shape_lse = scores[:3] if self.lens_q is None else (self.heads_q, sum(self.lens_q))
        return Problem(
            **self._tensors(sizes, stream),
            format=format,
            mask=mask,
            scale=sizes.scale,
            bias=None if self.bias is None else patterns.bias(self.bias, scores, stream, format),
            slopes=None if self.alibi is None else patterns.slopes(self.alibi, *scores[:2]),
            softcap=self.softcap,
            sink=None if self.sink is None else patterns.sink(self.sink, sizes.heads_q, stream),
            dropout=self._dropout(stream),
            dlse=FP32.round(stream.normal("dlse", shape_lse)) if self.dlse else None,
        )

    def _sizes(self, format: Format) -> Sizes:
        return Sizes(
            seqlens_q=self.seqlens_q,
            seqlens_k=self.seqlens_k,
            heads_q=self.heads_q,
            heads_k=self.heads_q if self.heads_k is None else self.heads_k,
            head_dim=self.head_dim,
            head_dim_v=self.head_dim if self.head_dim_v is None else self.head_dim_v,
            scale=float(self.head_dim**-0.5) if self.scale is None else self.scale,
            format=format,
        )

    def _tensors(self, sizes: Sizes, stream: Stream) -> dict[str, Any]:
        tensors = draw(self.family, sizes, stream)
        if not self.backward:
            del tensors["dout"]
        if self.lens_q is not None:
            return {
                **patterns.lay_out(tensors, self.layout),
                "cu_seqlens_q": np.cumsum((0, *sizes.seqlens_q)),
                "cu_seqlens_k": np.cumsum((0, *sizes.seqlens_k)),
            }
        seqlen_k = self.seqlen_q if self.seqlen_k is None else self.seqlen_k
        seqlens = {"q": self.seqlen_q, "k": seqlen_k, "v": seqlen_k, "dout": self.seqlen_q}
        dense = {
            name: x.reshape(self.batch, seqlens[name], *x.shape[1:]) for name, x in tensors.items()
        }
        return dict(patterns.lay_out(dense, self.layout))

    def _dropout(self, stream: Stream) -> Dropout | None:
        if self.dropout == 0.0:
            return None
        if self.bits is not None:
            bits = patterns.bits(self.dropout, self.work, stream, padded=self.bits == "padded")
            return Dropout(p=self.dropout, bits=bits)
        seed, offset = (int(word) for word in stream.words("dropout", 2))
        return Dropout(p=self.dropout, seed=seed, offset=offset)
