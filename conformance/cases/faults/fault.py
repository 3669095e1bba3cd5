"""Fault: one way for an attention kernel to be wrong, told to the person who just got it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """A fault that the cases must catch; each has a broken kernel in tests/faults/__init__.py.

    Attributes
    ----------
    id : str
        Lower case, with dashes.
    what : str
        What the kernel does wrong.
    effect : str
        What comes out, and on which inputs it shows.
    seen : str
        The public report or commit that it is taken from; "near" one, if it is another slip at the
        same place; else the step that it breaks, or where such mistakes come from.
    formats : tuple of str
        Formats in which it is a fault: rounding to fp32 is none in an fp32 kernel.
    strict_only : tuple of str
        Formats in which it stays within the worst-case bound on every case: only the statistics
        of a whole tensor see it, which fail a kernel under --kernel-fail-suspicious.
    needs_two_calls : bool
        It shows only when the kernel has answered another problem before.
    """

    id: str
    what: str = ""
    effect: str = ""
    seen: str = ""
    formats: tuple[str, ...] = ("fp16", "bf16", "fp32")
    strict_only: tuple[str, ...] = ()
    needs_two_calls: bool = False
