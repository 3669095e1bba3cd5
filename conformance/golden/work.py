"""Runs tasks in processes, in order, with progress where somebody watches."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Task = TypeVar("Task")
Done = TypeVar("Done")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def run(
    function: Callable[[Task], Done], tasks: Sequence[Task], *, jobs: int, title: str
) -> Iterator[Done]:
    """The results of `function`, in the order of `tasks`; with 1 job, in this process.

    The first exception that a task raises comes through, and ends the rest.
    """
    jobs = min(jobs, len(tasks))
    with _progress() as progress:
        watched = progress.add_task(title, total=len(tasks))
        with _mapped(function, tasks, jobs) as results:
            for done in results:
                progress.advance(watched)
                yield done


def _progress() -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def _mapped(
    function: Callable[[Task], Done], tasks: Sequence[Task], jobs: int
) -> Iterator[Iterator[Done]]:
    if jobs <= 1:
        yield map(function, tasks)
        return
    context = multiprocessing.get_context("spawn")  # a fork would share the threads of BLAS
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        try:
            yield pool.map(function, tasks)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
