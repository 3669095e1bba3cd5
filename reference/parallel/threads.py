"""Threads for the oracle: one task to a thread, BLAS single-threaded inside each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

Task = TypeVar("Task")
Answer = TypeVar("Answer")


def cores(threads: int | None) -> int:
    """The number of threads: `threads`, or every core that this process may use if it is None."""
    if threads is not None and threads < 1:
        raise ValueError(f"threads is {threads}: give at least 1, or None for every core")
    return threads or len(os.sched_getaffinity(0))


def run(
    function: Callable[[Task], Answer], tasks: Iterable[Task], *, threads: int | None
) -> list[Answer]:
    """What `function` returns for each task, in the order of the tasks.

    NumPy releases the lock in its loops, so threads run side by side. BLAS keeps to one thread
    in each (its own threading is slower on tiles), and floating-point warnings are silenced:
    infinities are meant here.
    """

    def quietly(task: Task) -> Answer:
        with np.errstate(all="ignore"):  # NumPy's error state belongs to a thread
            return function(task)

    with threadpool_limits(1, "blas"):
        tasks = list(tasks)
        count = min(cores(threads), len(tasks))
        if count <= 1:
            return [quietly(task) for task in tasks]
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(quietly, tasks))
