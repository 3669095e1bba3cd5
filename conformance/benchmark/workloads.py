"""What is timed: the attention of models' layers as they run, each with why it is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, replace
from typing import Literal

from conformance.cases.case import Case

Pass = Literal["forward", "forward+backward"]
FORMAT = "bf16"
"""The format of every workload: models are trained in it, and the cube takes it as fast as fp16."""


@dataclass(frozen=True)
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
    decodes : bool
        One query: causal hides nothing, and there is no backward.
    marks : tuple of str
        Of pytest: `smoke`; `article` for the table of ``tox -e bench``, which is causal.
    real : Workload, or None
        What this one was sized down from: see scaling. None: it is the real one.
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
    decodes: bool = False
    marks: tuple[str, ...] = ()
    real: Workload | None = None

    @property
    def name(self) -> str:
        """The id, the mask and the pass."""
        return f"{self.id}-{'causal' if self.causal else 'full'}-{self.pass_}"

    @property
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
    def work(self) -> int:
        """Multiplications of q k, masked pairs included."""
        return self.case.work * self.head_dim

    @property
    def tokens(self) -> int:
        """Queries, over all sequences."""
        return sum(self.case.seqlens_q)

    @property
    def scaled_down(self) -> float:
        """Multiplications of the real workload over those of this one."""
        return 1.0 if self.real is None else self.real.work / self.work

    def variants(self) -> Iterator[Workload]:
        """Causal and full, forward and with gradients, as far as they make sense."""
        if self.decodes:
            yield replace(self, causal=False)
            return
        for causal in (True, False):
            marks = tuple(mark for mark in self.marks if causal or mark != "article")
            yield replace(self, causal=causal, marks=marks)
            yield replace(self, causal=causal, marks=marks, pass_="forward+backward")


WORKLOADS = (
    Workload(
        "llama-13b-512",
        "a short prompt: launch and set-up weigh most",
        seqlen_q=512,
        marks=("article", "smoke"),
    ),
    Workload(
        "llama-13b-1024",
        "beside 1000: what a length that is no multiple of 128 costs",
        seqlen_q=1024,
        marks=("article",),
    ),
    Workload(
        "llama-13b-1000",
        "the last tile is 104 long: a kernel that pads does 2.4 % for nothing",
        seqlen_q=1000,
    ),
    Workload(
        "llama-13b-2048",
        "the length at which the first LLaMA was trained",
        seqlen_q=2048,
        marks=("article",),
    ),
    Workload(
        "llama-13b-4096",
        "the length of the article's table",
        seqlen_q=4096,
        marks=("article",),
    ),
    Workload(
        "llama-13b-4095",
        "one short of a multiple: rows are no longer aligned to 4096, and the last tile lacks one",
        seqlen_q=4095,
    ),
    Workload(
        "llama-13b-4096-batch-8",
        "the article's step: enough heads to keep every core busy",
        batch=8,
        seqlen_q=4096,
    ),
    Workload(
        "gqa-7b-4096",
        "32 query heads on 8 key heads, as 7B models have them: keys are read once for four",
        heads_q=32,
        heads_k=8,
        seqlen_q=4096,
    ),
    Workload(
        "decode-4096",
        "one query for each of 16 sequences: all the time goes into reading keys and values",
        batch=16,
        seqlen_q=1,
        seqlen_k=4096,
        decodes=True,
        marks=("smoke",),
    ),
    Workload(
        "long-16k",
        "one head: are there enough tasks for the cores without batch and heads?",
        heads_q=1,
        seqlen_q=16384,
    ),
    Workload(
        "long-32k",
        "twice as far: time must grow four times, and memory twice",
        heads_q=1,
        seqlen_q=32768,
    ),
    Workload(
        "pack-documents",
        "4096 tokens of documents end to end: 1 to 2115 long, so that tasks are unequal",
        lens=(2115, 1, 511, 300, 17, 1024, 128),
    ),
    Workload(
        "pack-of-128",
        "as many tokens in 32 equal documents: what the packing itself costs",
        lens=(128,) * 32,
    ),
)
