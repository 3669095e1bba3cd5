"""Which versions of torch, torch_npu and CANN go together, and which are too old."""

from __future__ import annotations

import re
from collections.abc import Mapping

OLDEST_TORCH = "2.4.0"  # the first with torch.library.custom_op
PINNED = "2.13.0"  # of torch and of torch_npu, where no CANN asks for others
FITTING: Mapping[str, tuple[str, ...]] = {
    "8.0.RC1": ("2.1.0.post4", "2.2.0"),
    "8.0.RC2": ("2.1.0.post6", "2.2.0.post2", "2.3.1"),
    "8.0.RC3": ("2.1.0.post8", "2.3.1.post2", "2.4.0"),
    "8.0.0": ("2.1.0.post10", "2.3.1.post4", "2.4.0.post2"),
    "8.1.RC1": ("2.1.0.post12", "2.3.1.post6", "2.4.0.post4", "2.5.1"),
    "8.2.RC1": ("2.1.0.post13", "2.5.1.post1", "2.6.0"),
    "8.3.RC1": ("2.1.0.post17", "2.6.0.post3", "2.7.1", "2.8.0"),
    "8.5.0": ("2.6.0.post5", "2.7.1.post2", "2.8.0.post2", "2.9.0"),
    "9.0.0": ("2.7.1.post4", "2.8.0.post4", "2.9.0.post2", "2.10.0"),
    "9.1.0": ("2.7.1.post8", "2.9.0.post6", "2.10.0.post4", "2.11.0", "2.12.0"),
}
"""Versions of torch_npu by the CANN that each is for, oldest first.

Source: Ascend/pytorch, COMPATIBILITY.md. What is newer than this table is not judged by it.
"""


def release(version: str) -> str:
    """The numbers that a version begins with: torch 2.4.0 is what torch_npu 2.4.0.post2 is for."""
    numbers = re.match(r"\d+(\.\d+)*", version)
    return numbers[0] if numbers else version


def remedy(cann: str, torch: str = "") -> str:
    """What to install for this CANN, beside this torch where that can be.

    Parameters
    ----------
    cann, torch : version, or "" where there is none
        Without a CANN, the pinned pair.
    """
    if cann and cann not in FITTING:
        return f"install the torch and torch_npu that CANN {cann} asks for"
    fitting = FITTING.get(cann, (PINNED,))
    beside = [one for one in fitting if torch and release(one) == release(torch)]
    if beside:
        return f"pip install torch_npu=={beside[-1]}"
    return f"pip install torch=={release(fitting[-1])} torch_npu=={fitting[-1]}"


def require_torch(kernel: str, torch: str, oldest: str) -> None:
    """Raise AttributeError, as for a kernel that is not there, if a version of torch is too old."""
    if _is_older(torch, oldest):
        raise AttributeError(f"{kernel} needs torch {oldest} or later, and torch {torch} is here")


def torch_fault(torch: str, cann: str) -> str:
    """Why a torch is too old, and what fits; "" if it is not."""
    if not _is_older(torch, OLDEST_TORCH):
        return ""
    return (
        f"npu_kernels:functional needs torch.library.custom_op, of torch {OLDEST_TORCH} or later: "
        f"{remedy(cann)}"
    )


def torch_npu_fault(torch_npu: str, torch: str, cann: str) -> str:
    """Why a torch_npu does not fit torch or CANN, and what does; "" if nothing is known of it."""
    if torch and release(torch_npu) != release(torch):
        wanted = release(torch_npu)
        return f"it is for torch {wanted}, and torch {torch} is here: {remedy(cann, torch)}"
    meant = [one for one, versions in FITTING.items() if torch_npu.split("+")[0] in versions]
    if cann and meant and not _is_like(cann, meant[0]):
        return f"it is for CANN {meant[0]}, and CANN {cann} is here: {remedy(cann, torch)}"
    return ""


def _is_like(cann: str, meant: str) -> bool:
    """Whether a CANN is the one that is meant; for one that is not in the table, whether nearly."""
    return cann == meant if cann in FITTING else cann.split(".")[:2] == meant.split(".")[:2]


def _is_older(version: str, other: str) -> bool:
    return _numbers(version) < _numbers(other)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", release(version)))
