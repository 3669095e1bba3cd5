"""Threads answer in order, one BLAS thread to each, and pass errors on."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from reference.parallel.threads import cores, run


@pytest.mark.parametrize("threads", [None, 1, 2, 5])
def test_answers_come_in_the_order_of_the_tasks(threads: int | None) -> None:
    assert run(lambda task: task**2, range(7), threads=threads) == [0, 1, 4, 9, 16, 25, 36]


def test_nothing_to_do_is_done() -> None:
    assert run(len, [], threads=3) == []


def test_tasks_run_side_by_side() -> None:
    meet = threading.Barrier(2, timeout=60)  # s; passed only if both tasks are there together
    assert sorted(run(lambda task: meet.wait(), range(2), threads=2)) == [0, 1]


@pytest.mark.parametrize("threads", [1, 2])
def test_infinities_and_nan_are_silent_inside_only(threads: int) -> None:
    zero = np.zeros(1)
    assert np.isnan(run(lambda task: zero / zero, range(2), threads=threads)).all()
    with pytest.raises(RuntimeWarning):
        zero / zero


@pytest.mark.parametrize("threads", [1, 2])
def test_blas_keeps_to_one_thread(threads: int) -> None:
    def blas(task: int) -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    with threadpool_limits(2, "blas"):
        assert 2 in blas(0)
        for counts in run(blas, range(2), threads=threads):
            assert set(counts) == {1}


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_of_a_task_arrives(threads: int) -> None:
    with pytest.raises(ZeroDivisionError):
        run(lambda task: 1 // task, [1, 0], threads=threads)


def test_none_means_every_core() -> None:
    assert cores(None) == len(os.sched_getaffinity(0))
    assert cores(3) == 3


@pytest.mark.parametrize("threads", [0, -1])
def test_fewer_than_one_thread_is_refused(threads: int) -> None:
    with pytest.raises(ValueError, match=f"^threads is {threads}: give at least 1, or None"):
        run(len, [], threads=threads)
