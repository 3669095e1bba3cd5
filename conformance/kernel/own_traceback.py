"""A kernel's own traceback: from its first line of code on, without the suite's."""

from __future__ import annotations

import traceback
from pathlib import Path
from types import TracebackType

CALLERS = {Path(__file__).with_name(name) for name in ("loaded.py", "loading.py")}


def own_traceback(error: BaseException) -> str:
    """The traceback of `error` below the suite's call; the whole if no kernel was called."""
    below = _below_call(error) if is_kernels(error) else error.__traceback__
    return "".join(traceback.format_exception(type(error), error, below)).rstrip()


def is_kernels(error: BaseException) -> bool:
    """Whether `error` comes from loading or calling a kernel."""
    return any(_is_caller(trace) for trace in _frames(error))


def _below_call(error: BaseException) -> TracebackType | None:
    frames = _frames(error)
    last = max(at for at, trace in enumerate(frames) if _is_caller(trace))
    below = [trace for trace in frames[last + 1 :] if "importlib" not in _file(trace)]
    return below[0] if below else None


def _frames(error: BaseException) -> list[TracebackType]:
    frames, trace = [], error.__traceback__
    while trace is not None:
        frames.append(trace)
        trace = trace.tb_next
    return frames


def _is_caller(trace: TracebackType) -> bool:
    return Path(_file(trace)) in CALLERS


def _file(trace: TracebackType) -> str:
    return trace.tb_frame.f_code.co_filename
