"""TorchLaunch: a torch function with the tensors of a problem, ready to be run again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.torch_bridge.generators import seeded
from conformance.torch_bridge.tensors import import_torch, to_numpy, visible
from reference.formats import Array
from reference.problem import Problem, Result, Unsupported

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(eq=False, kw_only=True)
class TorchLaunch:
    """What `TorchKernel.prepare` gives; see conformance.kernel.launch.

    Attributes
    ----------
    function : (q, k, v, **keywords) -> out, or (out, lse)
    problem : Problem
    tensors : torch tensors by the names of the problem's, on `device`
    keywords : what the function is told
    device : str
    swaps : bool
        The function wants heads before seqlen.
    last : torch tensors by the names of a Result's, of the last launch
    """

    function: Callable[..., Any]
    problem: Problem
    tensors: dict[str, Tensor]
    keywords: dict[str, Any]
    device: str
    swaps: bool
    last: dict[str, Tensor | None] | None = None

    def launch(self) -> None:
        """Run the function, and autograd where the problem has a dout.

        Raises
        ------
        Unsupported
            A gradient arrives at an lse that the function does not give.
        """
        self.last = None  # two answers at once would count as memory of one
        with seeded(self.problem, self.device, torch=import_torch(self.device)):
            self.last = self._forward()
            if self.problem.dout is not None:
                self.last |= self._gradients(self.last["out"], self.last["lse"])

    def synchronize(self) -> None:
        """Wait for the device; a CPU is done when a call returns."""
        if not self.device.startswith("cpu"):
            getattr(import_torch(self.device), self.device.partition(":")[0]).synchronize()

    def result(self) -> Result:
        """What the last launch gave, as arrays."""
        assert self.last is not None, "nothing was launched"
        return Result(**{name: to_numpy(tensor) for name, tensor in self.last.items()})

    def _forward(self) -> dict[str, Tensor | None]:
        q, k, v = (self._swapped(self.tensors[name]) for name in ("q", "k", "v"))
        answer = self.function(q, k, v, **self.keywords)
        out, lse = answer if isinstance(answer, tuple) else (answer, None)
        return {"out": self._swapped(out), "lse": lse}

    def _gradients(self, out: Tensor | None, lse: Tensor | None) -> dict[str, Tensor | None]:
        tensors = self.tensors
        names = [name for name in ("q", "k", "v", "bias", "sink") if name in tensors]
        ends, arriving = [out], [tensors["dout"]]
        if "dlse" in tensors:
            if lse is None:
                raise Unsupported("a gradient arrives at lse, and the function gives no lse")
            ends, arriving = [out, lse], [tensors["dout"], tensors["dlse"]]
        gradients = import_torch(self.device).autograd.grad(
            ends, [tensors[name] for name in names], arriving, allow_unused=True
        )
        return {f"d{name}": grad for name, grad in zip(names, gradients, strict=True)}

    def _swapped(self, tensor: Tensor) -> Tensor:
        """A view in the function's layout, or back; packed tensors have one layout."""
        return tensor.transpose(1, 2) if self.swaps and tensor.ndim == 4 else tensor


def keywords_of(
    problem: Problem, tensors: dict[str, Tensor], names: Sequence[str]
) -> dict[str, Any]:
    """What a torch function is told of a problem under these names of torch_bridge.KEYWORDS."""
    device = str(tensors["q"].device)
    torch = import_torch(device)

    def offsets(cu_seqlens: Array | None) -> Tensor | None:
        if cu_seqlens is None:
            return None
        return torch.from_numpy(np.asarray(cu_seqlens, np.int32)).to(device)

    values: dict[str, Callable[[], Any]] = {
        "scale": lambda: problem.scale,
        "causal": lambda: "causal" in problem.features,
        "mask": lambda: visible(problem, device),
        "bias": lambda: tensors.get("bias"),
        "slopes": lambda: tensors.get("slopes"),
        "softcap": lambda: problem.softcap,
        "sink": lambda: tensors.get("sink"),
        "dropout_p": lambda: 0.0 if problem.dropout is None else problem.dropout.p,
        "dropout_seed": lambda: 0 if problem.dropout is None else problem.dropout.seed,
        "dropout_offset": lambda: 0 if problem.dropout is None else problem.dropout.offset,
        "cu_seqlens_q": lambda: offsets(problem.cu_seqlens_q),
        "cu_seqlens_k": lambda: offsets(problem.cu_seqlens_k),
        "problem": lambda: problem,
    }
    return {name: values[name]() for name in names}
