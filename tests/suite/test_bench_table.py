"""The benchmark table's own arithmetic: parts, the whole, speed-up, and what a model says."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
import support.report_sample as sample

from conformance.benchmark.table import WIDTH, table, three_digits, whole
from conformance.run.record import Benchmark, Entry

CHIP = replace(
    sample.MODELLED,
    seconds=30e-6,
    launch_seconds=10e-6,
    balance=0.5,
    bound_by="AIV V",
    l2_seconds=5e-6,
    hbm_seconds=1e-6,
)


def facts(*, milliseconds: float = 1.0, **changes: Any) -> Benchmark:
    plain = replace(
        sample.BENCHMARK,
        seconds_median=1e-3 * milliseconds,
        tokens_per_second=1234.0,
        peak_memory_bytes=3 * 2**20,
        gflops=5.0,
        matmul_fraction=0.25,
        ratio=0.5,
        processor="a machine, 2 cores",
        flops=100,
        scaled_down=1.0,
    )
    return replace(plain, **changes)


def record(kernel: str, **changes: Any) -> Entry:
    benchmark = facts(**changes)
    return sample.record("w-causal-forward", kernel=kernel, benchmark=benchmark).entry


def row(text: str, kernel: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.strip().startswith(kernel)]
    return line.split()


def test_speed_up_is_over_eager_on_the_same_device_and_problem():
    records = [
        record("eager_v2", milliseconds=1.0),
        record("eager[cpu]", milliseconds=8.0),
        record("fast[cpu]", milliseconds=2.0),
        record("emulated", device="emulator"),
        record("sized", flops=50),
    ]
    text = table(records, width=WIDTH)
    assert row(text, "fast[cpu]") == [
        "fast[cpu]",
        "2",
        "all",
        "1,230",
        "3",
        "4.00",
        "5",
        "25%",
        "0.5",
    ]
    assert row(text, "emulated")[5] == row(text, "sized")[5] == "-"
    assert "it says nothing about a device" in text and "a machine, 2 cores" in text


@pytest.mark.parametrize(
    ("scaled_down", "hbm", "microseconds"),
    [(1.0, 1e-6, 30.0), (8.0, 1e-6, 10 + 20 * 0.5 * 8), (8.0, 15e-6, 10 + 15 * 8)],
)
def test_the_whole_is_balanced_and_launched_once(scaled_down, hbm, microseconds):
    modelled = {"910B2": replace(CHIP, hbm_seconds=hbm)}
    seconds, bound = whole(facts(modelled=modelled, scaled_down=scaled_down), "910B2")
    assert seconds == pytest.approx(1e-6 * microseconds)
    assert bound == ("HBM" if hbm == 15e-6 else "AIV V")


def test_latencies_count_for_the_whole_also_where_l2_is_the_bound_without_them():
    modelled = {"910B2": replace(CHIP, bound_by="L2")}
    seconds, bound = whole(facts(modelled=modelled, scaled_down=4.0), "910B2")
    assert seconds == pytest.approx(10e-6 + 4 * 0.5 * 20e-6) and bound == "latencies"


def test_what_is_modelled_is_labelled_and_counts_the_tokens_of_the_whole():
    modelled = {"910B2": CHIP}
    text = table([record("ours", modelled=modelled, tokens_per_second=3.0)], width=WIDTH)
    assert "model, not measurement: ms of the whole workload, ours" in text
    assert re.search(r"w-causal-forward +0\.03 +AIV V +100$", text, flags=re.M)  # 3e-3 / 30e-6


def test_each_kernels_model_has_its_own_table_and_chips():
    other = record("theirs", modelled={"another": CHIP})
    text = table([record("ours", modelled={"910B2": CHIP}), other], width=WIDTH)
    ours, theirs = text.split("model, not measurement: ")[1:]
    assert ours.startswith("ms of the whole workload, ours") and "another" not in ours
    assert theirs.startswith("ms of the whole workload, theirs") and "another tokens/s" in theirs


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (15_292_712, "15,300,000"),
        (999.6, "1,000"),
        (999.4, "999"),
        (53.08, "53.1"),
        (0.08379, "0.0838"),
        (0, "0"),
    ],
)
def test_numbers_have_three_significant_digits(value, text):
    assert three_digits(value) == text


def test_memory_that_is_not_known_says_why():
    text = table([record("k", peak_memory_bytes=None, peak_memory_note="it died")], width=WIDTH)
    assert "k: no memory: it died" in text


def test_nothing_timed_is_said():
    text = table([sample.record("c", "declined", kernel="k").entry], width=WIDTH)
    assert "nothing was timed" in text and row(text, "k") == ["k", "declined"]
