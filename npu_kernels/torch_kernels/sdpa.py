"""torch's scaled_dot_product_attention and its backends as kernels, each with its contract."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from conformance.torch_bridge import TorchKernel, from_torch, import_torch
from npu_kernels.on_device.versions import require_torch
from npu_kernels.torch_kernels import contracts, sdpa_arguments, sdpa_flash_cpu
from reference.contract import Contract
from reference.problem import Problem, Unsupported

if TYPE_CHECKING:
    from torch import Tensor

SUPPORTS = (
    *("fp16", "bf16", "fp32", "fp64", "backward", "strided", "empty", "dead_rows"),
    *("causal", "window", "top_left", "prefix", "keep", "bias", "alibi", "scale"),
    *("gqa", "mqa", "cross_length", "head_dim_v"),
)
DROPS = (*SUPPORTS, "dropout")
"""Where torch's operator takes dropout_p; the flash operators that also give lse do not here."""


OLDEST_TORCH = "2.5.0"  # the first whose operator takes enable_gqa


@cache
def kernel(name: str) -> TorchKernel:
    """The kernel of that name, on the GPU if there is one.

    Raises
    ------
    AttributeError
        If torch has no such backend on this machine, or is too old.
    """
    require_torch(name, import_torch().__version__, OLDEST_TORCH)
    device = sdpa_arguments.device()
    if name == "sdpa":
        return _kernel(name, sdpa, _contract_as_dispatched)
    if name == "sdpa_math":
        return _kernel(name, _with_backend("math"), contracts.math)
    if name == "sdpa_flash" and device == "cpu":
        return from_torch(
            sdpa_flash_cpu.attention,
            name=name,
            contract=contracts.flash_on_cpu,
            supports=SUPPORTS,
            layout="bhsd",
            backward=sdpa_flash_cpu.backward,
        )
    if device == "cpu":
        raise AttributeError(f"{name} runs on CUDA, and torch sees no CUDA device here")
    if name == "sdpa_flash":
        return _kernel(name, _flash_on_cuda, contracts.fused_on_cuda, supports=SUPPORTS)
    return _kernel(name, _with_backend(name.split("_")[1]), contracts.fused_on_cuda)


def _kernel(
    name: str,
    function: Callable[..., Any],
    contract: Callable[[Problem], Contract],
    *,
    supports: tuple[str, ...] = DROPS,
) -> TorchKernel:
    return from_torch(
        function,
        name=name,
        contract=contract,
        device=sdpa_arguments.device(),
        supports=supports,
        layout="bhsd",
    )


def sdpa(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    problem: Problem,
    bias: Tensor | None,
    slopes: Tensor | None,
) -> Tensor:
    """torch.nn.functional.scaled_dot_product_attention, whichever backend it takes."""
    arguments = sdpa_arguments.arguments(problem, bias, slopes)
    return _ask(q, k, v, arguments)


def _ask(q: Tensor, k: Tensor, v: Tensor, arguments: sdpa_arguments.Arguments) -> Tensor:
    attention = import_torch().nn.functional.scaled_dot_product_attention
    out: Tensor = attention(q, k, v, **arguments.keywords())
    return out


def _contract_as_dispatched(problem: Problem) -> Contract:
    backend = sdpa_arguments.chosen(problem)
    if backend == "math":
        return contracts.math(problem)
    on_cpu = sdpa_arguments.device() == "cpu"
    return contracts.flash_on_cpu(problem) if on_cpu else contracts.fused_on_cuda(problem)


def _with_backend(backend: str) -> Callable[..., Tensor]:
    """The same, held to one backend; declines what that backend does not do."""

    def attention(
        q: Tensor,
        k: Tensor,
        v: Tensor,
        *,
        problem: Problem,
        bias: Tensor | None,
        slopes: Tensor | None,
    ) -> Tensor:
        torch = import_torch()
        arguments = sdpa_arguments.arguments(problem, bias, slopes)
        if backend != "math":
            _require_on_cuda(backend, q, k, v, arguments)
        which = getattr(torch.nn.attention.SDPBackend, _SDP_BACKENDS[backend])
        with torch.nn.attention.sdpa_kernel(which):
            return _ask(q, k, v, arguments)

    return attention


_SDP_BACKENDS = {
    "math": "MATH",
    "flash": "FLASH_ATTENTION",
    "efficient": "EFFICIENT_ATTENTION",
    "cudnn": "CUDNN_ATTENTION",
}


def _require_on_cuda(
    backend: str, q: Tensor, k: Tensor, v: Tensor, arguments: sdpa_arguments.Arguments
) -> None:
    torch = import_torch()
    if arguments.attn_mask is not None and arguments.attn_mask.dtype not in (torch.bool, q.dtype):
        raise Unsupported(f"a mask to be added is {arguments.attn_mask.dtype}, not {q.dtype}")
    cuda = torch.backends.cuda
    params = cuda.SDPAParams(
        q, k, v, arguments.attn_mask, arguments.dropout_p, arguments.is_causal, arguments.enable_gqa
    )
    if not getattr(cuda, f"can_use_{backend}_attention")(params):
        raise Unsupported(f"torch's {backend} backend refuses these tensors")


def _flash_on_cuda(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    problem: Problem,
    bias: Tensor | None,
    slopes: Tensor | None,
) -> tuple[Tensor, Tensor]:
    arguments = sdpa_arguments.arguments(problem, bias, slopes)
    _require_on_cuda("flash", q, k, v, arguments)
    if q.shape[-1] % 8:
        raise Unsupported(f"head_dim {q.shape[-1]} is no multiple of 8")
    operator = import_torch().ops.aten._scaled_dot_product_flash_attention
    out, lse, *_ = operator(q, k, v, 0.0, arguments.is_causal, scale=arguments.scale)
    return out, lse
