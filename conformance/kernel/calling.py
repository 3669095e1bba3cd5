"""Calls a kernel's own code, and names what comes out of it other than an answer."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from reference.problem import Unsupported

Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")


class UsageError(Exception):
    """The suite was asked for something that is not there; the text says how to mend it."""


class BadAnswer(Exception):
    """A kernel returned something else than a Result with every tensor that the problem needs."""


class InputChanged(Exception):
    """A kernel wrote into the tensors it was given."""


class KernelRaised(Exception):
    """A kernel's own code raised an exception, which is the cause of this one.

    Its text is "the kernel raised " and the exception's type, then the traceback from the kernel's
    first line on.
    """


PASSED_ON = (Unsupported, UsageError, BadAnswer, InputChanged, KernelRaised, KeyboardInterrupt)
"""Exceptions with a meaning of their own, whoever raises them."""


def call(
    function: Callable[Parameters, Returned],
    *arguments: Parameters.args,
    **keywords: Parameters.kwargs,
) -> Returned:
    """What a kernel's `function` returns.

    Raises
    ------
    KernelRaised
        It raised an exception that is none of PASSED_ON.
    """
    try:
        return function(*arguments, **keywords)
    except PASSED_ON:
        raise
    except BaseException as error:
        raise KernelRaised(_text(error)) from error


def _text(error: BaseException) -> str:
    frame = error.__traceback__
    below = None if frame is None else frame.tb_next  # the first frame is that of `call`
    while below is not None and "importlib" in below.tb_frame.f_code.co_filename:
        below = below.tb_next
    lines = "".join(traceback.format_exception(type(error), error, below)).rstrip()
    return f"the kernel raised {type(error).__name__}\n{lines}"
