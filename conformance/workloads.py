"""What is timed: layers of models as they run, each with why it is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from typing import Literal

from conformance.case import Case, Tier

Pass = Literal["forward", "forward+backward"]
FORMAT = "bf16"
"""Of every workload: what models are trained in; the Ascend cube multiplies it as fast as fp16."""


@dataclass(frozen=True, eq=False)
class Workload:
    """One layer's attention, causal or full, forward or with its gradients.

    Attributes
    ----------
    id, why : str
    batch, seqlen_q, seqlen_k : int
        seqlen_k None: seqlen_q.
    lens : tuple of int, or None
        Lengths of packed sequences, instead of batch and seqlens.
    heads_q, heads_k, head_dim : int
        heads_k None: heads_q.
    causal : bool
    pass_ : "forward" or "forward+backward"
    only_forward : bool
        There is no backward of it, as in decoding.
    only_full : bool
        Causal would change nothing.
    tier : "smoke", "default" or "full"
    scaled_down : float
        Work of the workload over the work that is timed: 1 is the real one.
    """

    id: str
    why: str
    _: KW_ONLY
    batch: int = 1
    seqlen_q: int = 4096
    seqlen_k: int | None = None
    lens: tuple[int, ...] | None = None
    heads_q: int = 40
    heads_k: int | None = None
    head_dim: int = 128
    causal: bool = True
    pass_: Pass = "forward"
    only_forward: bool = False
    only_full: bool = False
    tier: Tier = "default"
    scaled_down: float = 1.0

    @cached_property
    def case(self) -> Case:
        """The same as a case, which draws its tensors."""
        return Case(
            self.name,
            self.why,
            batch=self.batch,
            seqlen_q=self.seqlen_q,
            seqlen_k=self.seqlen_k,
            lens_q=self.lens,
            heads_q=self.heads_q,
            heads_k=self.heads_k,
            head_dim=self.head_dim,
            window=(None, 0) if self.causal else (None, None),
            backward=self.pass_ == "forward+backward",
            formats=(FORMAT,),
        )

    @property
    def name(self) -> str:
        """The id, the mask and the pass."""
        return f"{self.id}-{'causal' if self.causal else 'full'}-{self.pass_}"

    @property
    def tokens(self) -> int:
        """Queries, over all sequences."""
        return sum(self.case.seqlens_q)

    def variants(self) -> Iterator[Workload]:
        """Causal and full, forward and with gradients, as far as they make sense."""
        for causal in (False,) if self.only_full else (True, False):
            yield replace(self, causal=causal)
            if not self.only_forward:
                yield replace(self, causal=causal, pass_="forward+backward")


def workloads() -> tuple[Workload, ...]:
    """Every variant of every workload, in the table's order."""
    return tuple(variant for one in WORKLOADS for variant in one.variants())


WORKLOADS = (
    Workload("llama-13b-512", "a short prompt: launch and set-up weigh most", seqlen_q=512),
    Workload("llama-13b-1024", "where a kernel begins to pay", seqlen_q=1024),
    Workload("llama-13b-2048", "the length LLaMA was trained at", seqlen_q=2048),
    Workload("llama-13b-4096", "the length of the article's table", seqlen_q=4096, tier="smoke"),
)
