"""Which keywords of a function carry which features of a problem: for from_numpy and from_torch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from typing import Any

CARRIERS = {
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
"""Keywords by feature, one of which a function needs; `problem` carries every feature."""


def named(function: Callable[..., Any], keywords: Collection[str]) -> list[str]:
    """The parameters of `function` that are among `keywords`, in its order."""
    return [name for name in inspect.signature(function).parameters if name in keywords]


def require_carriers(
    function: Callable[..., Any], name: str, supports: tuple[str, ...], keywords: Collection[str]
) -> None:
    """Refuse a function that cannot know of a feature that it is said to support.

    Parameters
    ----------
    function : (q, k, v, **keywords) -> out, or (out, lse)
    name : str
    supports : tuple of words of reference.problem.features.FEATURES
    keywords : all that the function may name, "problem" among them

    Raises
    ------
    ValueError
        If it takes no keyword that carries the feature.
    """
    takes = set(named(function, keywords))
    for word in supports:
        carriers = [one for one in (*CARRIERS.get(word, ()), "problem") if one in keywords]
        if word in CARRIERS and takes.isdisjoint(carriers):
            raise ValueError(
                f"{name} supports {word} but takes none of the keywords {', '.join(carriers)}: "
                f"add one to its signature, or leave {word} out of supports"
            )
