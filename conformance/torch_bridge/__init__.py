"""from_torch: any torch attention function becomes a kernel, with gradients by autograd."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from conformance.keywords import named, require_carriers
from conformance.torch_bridge.launch import TorchLaunch, keywords_of
from conformance.torch_bridge.tensors import (
    dtype_of,
    import_torch,
    leaves,
    to_numpy,
    to_torch,
    visible,
)
from reference.contract import Contract
from reference.formats import Array
from reference.problem import Problem, Result

__all__ = [
    "KEYWORDS",
    "Backward",
    "ContractOf",
    "Layout",
    "TorchKernel",
    "TorchLaunch",
    "dtype_of",
    "from_torch",
    "import_torch",
    "leaves",
    "to_numpy",
    "to_torch",
    "visible",
]

Layout = Literal["bshd", "bhsd"]
ContractOf = Callable[[Problem], Contract]
Backward = Callable[[Problem, Array, Array], Result]

KEYWORDS = {
    "scale": "float",
    "causal": "bool: each query sees the keys up to its own position and no others",
    "mask": "bool tensor, True = visible: see laws.transform.visible_pairs; None if all are",
    "bias": "tensor like problem.bias, in the problem's format, or None",
    "slopes": "fp32 tensor (heads_q,) or (batch, heads_q), or None",
    "softcap": "float, or None",
    "sink": "fp32 tensor (heads_q,), or None",
    "dropout_p": "float, 0 if nothing is dropped; torch's generators are seeded before the call",
    "dropout_seed": "int, unsigned 64 bits: for a function with a generator of its own",
    "dropout_offset": "int, unsigned 64 bits",
    "cu_seqlens_q": "int32 tensor, or None",
    "cu_seqlens_k": "int32 tensor, or None",
    "problem": "the Problem itself",
}


@dataclass(frozen=True, kw_only=True)
class TorchKernel:
    """A kernel made of a torch function; calling it on a Problem gives a Result.

    Attributes
    ----------
    function : (q, k, v, **keywords) -> out, or (out, lse)
    name : str
        Names the device too.
    contract : Contract, or a function of the problem
    device : str
        A torch device.
    supports : tuple of feature words
        Problems that need any other are declined.
    layout : "bshd" or "bhsd"
    backward : (problem, out, lse) -> Result, or None
        The backward alone, on a given out and lse.
    digest : str
        Which torch ran.
    """

    function: Callable[..., Any]
    name: str
    contract: Contract | ContractOf
    device: str
    supports: tuple[str, ...]
    layout: Layout
    backward: Backward | None = None
    digest: str = field(default_factory=lambda: f"torch {import_torch().__version__}")

    def __call__(self, problem: Problem) -> Result:
        """Run the function, and autograd where the problem has a dout.

        Raises
        ------
        Unsupported
            If the problem needs a feature that `supports` does not name.
        """
        launch = self.prepare(problem)
        launch.launch()
        return launch.result()

    def prepare(self, problem: Problem) -> TorchLaunch:
        """The problem's tensors on the device, and what the function is told: ready to be run.

        Raises
        ------
        Unsupported
            As the call.
        """
        problem.require_only(*self.supports)
        tensors = leaves(problem, self.device)
        return TorchLaunch(
            function=self.function,
            problem=problem,
            tensors=tensors,
            keywords=keywords_of(problem, tensors, named(self.function, KEYWORDS)),
            device=self.device,
            swaps=self.layout == "bhsd",
        )


def from_torch(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    contract: Contract | ContractOf | None = None,
    device: str = "cpu",
    supports: tuple[str, ...] = ("fp16", "bf16", "fp32", "backward"),
    layout: Layout = "bshd",
    backward: Backward | None = None,
) -> TorchKernel:
    """A kernel that runs `function` on torch tensors with the values and strides of a problem's.

    Parameters
    ----------
    function : (q, k, v, **keywords) -> out, or (out, lse)
        Takes and gives tensors in the problem's format, shaped as `layout` says; packed problems
        give (total, heads, head_dim). lse is (batch, heads_q, seqlen_q), packed (heads_q,
        total_q). Of KEYWORDS it receives those that its signature names.
    name : str, optional
        Default: the function's own name. The device is added in brackets.
    contract : Contract, or a function of the problem, optional
        Where the function rounds. Default: ``Contract()``.
    device : str
        "cpu", "cuda", "npu", or any other torch device.
    supports : tuple of words of reference.problem.features.FEATURES
        All that the function can do; problems that need more are declined.
    layout : "bshd" or "bhsd"
        Of q, k, v and out; a transposed view, not a copy.
    backward : (problem, out, lse) -> Result, optional
        The backward alone, where the function has one that takes out and lse.

    Raises
    ------
    ValueError
        If the function supports a feature but takes no keyword that would tell it of it.
    """
    label = name or str(getattr(function, "__name__", type(function).__name__))
    require_carriers(function, label, supports, KEYWORDS)
    return TorchKernel(
        function=function,
        name=f"{label}[{device}]",
        contract=contract or Contract(),
        device=device,
        supports=supports,
        layout=layout,
        backward=None if backward is None else _declining(backward, supports),
    )


def _declining(backward: Backward, supports: tuple[str, ...]) -> Backward:
    def call(problem: Problem, out: Array, lse: Array) -> Result:
        problem.require_only(*supports)
        return backward(problem, out, lse)

    return call
