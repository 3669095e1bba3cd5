"""from_torch: any torch attention function becomes a kernel, with gradients by autograd."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from conformance.torch_generators import seeded
from conformance.transform import visible_pairs
from reference.contract import Contract
from reference.formats import FP64, Array, Format
from reference.problem import Problem, Result, Unsupported

if TYPE_CHECKING:
    from torch import Tensor

Layout = Literal["bshd", "bhsd"]
ContractOf = Callable[[Problem], Contract]
Backward = Callable[[Problem, Array, Array], Result]

KEYWORDS = {
    "scale": "float",
    "causal": "bool: each query sees the keys up to its own position and no others",
    "mask": "bool tensor, True = visible: see conformance.transform.visible_pairs; None if all are",
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
        problem.require_only(*self.supports)
        tensors = leaves(problem, self.device)
        with seeded(problem, self.device, torch=import_torch(self.device)):
            answer = self.call(problem, tensors)
            return _result(problem, tensors, *answer, device=self.device)

    def call(self, problem: Problem, tensors: dict[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        """The function on tensors that `leaves` made: out (bshd, or thd) and lse, or None."""
        q, k, v = (self.arrange(tensors[name]) for name in ("q", "k", "v"))
        answer = self.function(q, k, v, **_keywords(self.function, problem, tensors))
        out, lse = answer if isinstance(answer, tuple) else (answer, None)
        return self.arrange(out), lse

    def arrange(self, tensor: Tensor) -> Tensor:
        """A view of a four-dimensional tensor in the function's layout, or back."""
        return tensor.transpose(1, 2) if self.layout == "bhsd" and tensor.ndim == 4 else tensor


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
    supports : tuple of words of reference.features.FEATURES
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
    _check_tells(function, label, supports)
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


def import_torch(device: str = "cpu") -> Any:
    """Torch, imported on first use, with the device's own package."""
    os.environ.setdefault("TORCH_DEVICE_BACKEND_AUTOLOAD", "0")  # a broken one fails any import
    import torch

    if device.startswith("npu"):
        import torch_npu  # type: ignore[import-not-found]  # noqa: F401
    return torch


def dtype_of(format: Format) -> Any:
    """The torch dtype of a format."""
    torch = import_torch()
    names = {"fp16": "float16", "bf16": "bfloat16", "fp32": "float32", "fp64": "float64"}
    return getattr(torch, names[format.name])


def to_torch(array: Array, dtype: Any, device: str) -> Tensor:
    """A tensor with the values and the strides of `array`, and what lies in its gaps.

    Strides that torch cannot have (negative, or no multiple of the element) become contiguous.
    """
    torch = import_torch(device)
    steps = [stride // array.itemsize for stride in array.strides]
    exact = all(stride % array.itemsize == 0 and stride >= 0 for stride in array.strides)
    if not exact or array.size == 0:
        return torch.from_numpy(array.copy()).to(dtype).to(device)
    span = 1 + sum(step * (size - 1) for step, size in zip(steps, array.shape, strict=True))
    storage = np.lib.stride_tricks.as_strided(array, (span,), (array.itemsize,)).copy()
    return torch.from_numpy(storage).to(dtype).to(device).as_strided(array.shape, steps)


def to_numpy(tensor: Tensor | None) -> Array | None:
    """The values of a tensor: float64 where it is, else float32, which holds every other format."""
    if tensor is None:
        return None
    torch = import_torch()
    carrier = torch.float64 if tensor.dtype == torch.float64 else torch.float32
    array: Array = tensor.detach().to("cpu", carrier).contiguous().numpy()
    return array


def leaves(problem: Problem, device: str) -> dict[str, Tensor]:
    """The problem's tensors on `device`, by name; they record gradients where it has a dout."""
    torch = import_torch(device)
    side = torch.float64 if problem.format == FP64 else torch.float32
    dtypes = dict.fromkeys(("q", "k", "v", "bias", "dout"), dtype_of(problem.format))
    dtypes |= dict.fromkeys(("sink", "slopes", "dlse"), side)
    tensors = {
        name: to_torch(array, dtype, device)
        for name, dtype in dtypes.items()
        if (array := getattr(problem, name)) is not None
    }
    if problem.dout is not None:
        for name in ("q", "k", "v", "bias", "sink"):
            if name in tensors:
                tensors[name].requires_grad_()
    return tensors


def visible(problem: Problem, device: str) -> Tensor | None:
    """Which pairs a problem shows, as conformance.transform.visible_pairs tells; None if all."""
    pairs = visible_pairs(problem)
    mask: Tensor = import_torch(device).from_numpy(pairs).to(device)
    return None if pairs.all() else mask


def _keywords(
    function: Callable[..., Any], problem: Problem, tensors: dict[str, Tensor]
) -> dict[str, Any]:
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
    return {name: values[name]() for name in _named(function)}


def _named(function: Callable[..., Any]) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name in KEYWORDS]


TOLD_BY = {
    "causal": ("causal", "mask"),
    "window": ("mask",),
    "prefix": ("mask",),
    "keep": ("mask",),
    "bias": ("bias",),
    "alibi": ("slopes",),
    "softcap": ("softcap",),
    "sink": ("sink",),
    "varlen": ("cu_seqlens_q",),
    "scale": ("scale",),
    "dropout": ("dropout_p",),
    "dropout_bits": (),
}


def _check_tells(function: Callable[..., Any], name: str, supports: tuple[str, ...]) -> None:
    named = _named(function)
    for word in supports:
        keywords = (*TOLD_BY.get(word, named), "problem")
        if word in TOLD_BY and not set(keywords) & set(named):
            raise ValueError(
                f"{name} supports {word} but takes none of the keywords {', '.join(keywords)}: "
                f"add one to its signature, or leave {word} out of supports"
            )


def _result(
    problem: Problem,
    tensors: dict[str, Tensor],
    out: Tensor,
    lse: Tensor | None,
    *,
    device: str,
) -> Result:
    answer: dict[str, Tensor | None] = {"out": out, "lse": lse}
    if problem.dout is not None:
        names = [name for name in ("q", "k", "v", "bias", "sink") if name in tensors]
        ends, arriving = [out], [tensors["dout"]]
        if "dlse" in tensors:
            if lse is None:
                raise Unsupported("a gradient arrives at lse, and the function gives no lse")
            ends, arriving = [out, lse], [tensors["dout"], tensors["dlse"]]
        torch = import_torch(device)
        gradients = torch.autograd.grad(
            ends, [tensors[name] for name in names], arriving, allow_unused=True
        )
        answer |= {f"d{name}": grad for name, grad in zip(names, gradients, strict=True)}
    return Result(**{name: to_numpy(tensor) for name, tensor in answer.items()})
