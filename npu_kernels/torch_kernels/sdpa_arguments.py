"""What torch's scaled_dot_product_attention is asked for a Problem, and which backend answers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from conformance.torch_bridge import import_torch, leaves, visible
from reference.problem import Problem

if TYPE_CHECKING:
    from torch import Tensor

BACKENDS = ("math", "flash", "efficient", "cudnn")  # numbered as torch.nn.attention.SDPBackend


@cache
def device() -> str:
    """Where the kernels of this machine run: "cuda" or "cpu"."""
    return "cuda" if import_torch().cuda.is_available() else "cpu"


@dataclass(frozen=True, eq=False, kw_only=True)
class Arguments:
    """What scaled_dot_product_attention takes beside q, k and v.

    Attributes
    ----------
    attn_mask : (batch or 1, heads_q or 1, seqlen_q or 1, seqlen_k or 1), or None
        True = visible, or what is added to the scores.
    dropout_p : float
        torch draws from its own generator.
    is_causal : bool
        From the top left: query i sees keys up to i.
    scale : float
    enable_gqa : bool
    """

    attn_mask: Tensor | None
    dropout_p: float
    is_causal: bool
    scale: float
    enable_gqa: bool

    def keywords(self) -> dict[str, Any]:
        """The fields by name."""
        return dict(vars(self))


def arguments(problem: Problem, bias: Tensor | None, slopes: Tensor | None) -> Arguments:
    """A dense problem in the words of scaled_dot_product_attention.

    torch knows causal from the top left and one mask, of bools or to be added; everything else
    about visibility, bias and ALiBi goes into that mask.
    """
    causal = _is_causal(problem) and bias is None and slopes is None
    return Arguments(
        attn_mask=None if causal else _mask(problem, bias, slopes),
        dropout_p=0.0 if problem.dropout is None else problem.dropout.p,
        is_causal=causal,
        scale=problem.scale,
        enable_gqa=problem.group > 1,
    )


def chosen(problem: Problem) -> str:
    """The backend to which torch dispatches the problem, one of BACKENDS."""
    tensors = leaves(problem, device())
    q, k, v = (tensors[name].transpose(1, 2) for name in ("q", "k", "v"))
    passed = arguments(problem, tensors.get("bias"), tensors.get("slopes"))
    return choice(q, k, v, passed)


def choice(q: Tensor, k: Tensor, v: Tensor, arguments: Arguments) -> str:
    """The backend to which torch dispatches these tensors, one of BACKENDS."""
    torch = import_torch()
    number = torch._fused_sdp_choice(
        q,
        k,
        v,
        arguments.attn_mask,
        arguments.dropout_p,
        arguments.is_causal,
        scale=arguments.scale,
        enable_gqa=arguments.enable_gqa,
    )
    return BACKENDS[int(number)]


def _is_causal(problem: Problem) -> bool:
    """Whether is_causal=True says all that there is about visibility."""
    features = problem.features
    equal = "cross_length" not in features or "top_left" in features
    return "causal" in features and equal and not features & {"keep", "prefix"}


def _mask(problem: Problem, bias: Tensor | None, slopes: Tensor | None) -> Tensor | None:
    torch = import_torch()
    shown = visible(problem, device())
    if bias is None and slopes is None:
        return shown
    added = 0.0 if bias is None else _in_four(bias)
    if slopes is not None:
        i = torch.arange(problem.max_seqlen_q, device=slopes.device)[:, None]
        j = torch.arange(problem.max_seqlen_k, device=slopes.device)
        anchored = problem.mask.anchor == "bottom-right"
        shift = problem.max_seqlen_k - problem.max_seqlen_q if anchored else 0
        added = added - slopes.reshape(-1, problem.heads_q, 1, 1) * (i + shift - j).abs()
    return added if shown is None else torch.where(shown, added, -torch.inf)


def _in_four(bias: Tensor) -> Tensor:
    four = bias.view((1,) * (4 - bias.ndim) + bias.shape)
    if bias.requires_grad and not bias.is_cuda and bias.itemsize < 4:
        return four.float()  # its gradient is summed over broadcast axes before it is rounded
    return four
