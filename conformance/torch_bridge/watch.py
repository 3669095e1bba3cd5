"""Attention calls inside a model, recorded as problems with their answers, and judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from conformance.torch_bridge import dtype_of, to_numpy
from conformance.verdict.verdict import Verdict, judge
from reference import blockwise
from reference.bounds import error_bound
from reference.contract import Contract
from reference.formats import BF16, FP16, FP32, Format
from reference.problem import Problem, Result

if TYPE_CHECKING:
    from torch import Tensor

FORMATS = (FP16, BF16, FP32)


@dataclass(eq=False, kw_only=True)
class RecordedCall:
    """One call of attention: its tensors by the names of Problem and Result."""

    options: dict[str, Any]
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def keep(self, name: str) -> Callable[[Tensor], None]:
        """A hook that keeps a tensor under this name."""

        def hook(tensor: Tensor) -> None:
            self.tensors[name] = tensor.detach()

        return hook


@dataclass(eq=False)
class Watch:
    """Records what an attention function is asked and what it and autograd answer.

    Attributes
    ----------
    calls : list of RecordedCall, in the order in which they were made
    """

    calls: list[RecordedCall] = field(default_factory=list)

    def ask(
        self,
        attention: Callable[..., tuple[Tensor, Tensor]],
        q: Tensor,
        k: Tensor,
        v: Tensor,
        **options: Any,
    ) -> tuple[Tensor, Tensor]:
        """``attention(q, k, v)``, which gives out and lse; gradients are kept as they pass.

        Parameters
        ----------
        q, k, v : (batch, seqlen, heads, head_dim), of fp16, bf16 or fp32
            Nothing else may use these very tensors, or its gradients count too.
        asked : what Problem takes beside q, k, v and format: mask, scale, sink and so on
        """
        call = RecordedCall(options=options)
        self.calls.append(call)
        for name, tensor in (("q", q), ("k", k), ("v", v)):
            call.keep(name)(tensor)
            if tensor.requires_grad:
                tensor.register_hook(call.keep(f"d{name}"))
        out, lse = attention(q, k, v)
        call.keep("out")(out)
        call.keep("lse")(lse)
        if out.requires_grad:
            out.register_hook(call.keep("dout"))
        return out, lse

    def verdicts(self, contract: Callable[[Problem], Contract]) -> list[Verdict]:
        """How far each call was from the oracle, and what its contract allows."""
        return [_verdict(call, contract) for call in self.calls]


def _verdict(call: RecordedCall, contract: Callable[[Problem], Contract]) -> Verdict:
    arrays = {name: to_numpy(tensor) for name, tensor in call.tensors.items()}
    inputs: dict[str, Any] = {
        name: arrays.pop(name) for name in ("q", "k", "v", "dout") if name in arrays
    }
    problem = Problem(**inputs, format=_format(call.tensors["q"]), **call.options)
    promised = contract(problem)
    want = blockwise.attention(problem)
    allowed = error_bound(problem, promised, result=want)
    return judge(Result(**arrays), want, allowed, problem=problem, contract=promised)


def _format(tensor: Tensor) -> Format:
    for format in FORMATS:
        if dtype_of(format) == tensor.dtype:
            return format
    raise ValueError(f"q is {tensor.dtype}: give fp16, bf16 or fp32")
