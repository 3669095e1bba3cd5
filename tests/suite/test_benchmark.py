"""--benchmark-only as its users run it: who gets a number, and what is told of it."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import jsonschema
import pytest

from conformance.benchmark import roofline
from conformance.benchmark.machine import processor
from conformance.benchmark.peak_memory import peak_memory
from conformance.benchmark.workloads import WORKLOADS
from conformance.cases.case import Case
from conformance.kernel import LoadedKernel
from conformance.kernel.launch import Called
from reference.formats import FORMATS
from suite.test_plugin import PACKAGE, SUBJECTS, pytest_in

KERNELS = f"""
import sys
sys.path.append({str(SUBJECTS.parent)!r})
from sample_kernels import forgotten_rescale, right
from reference.problem import Unsupported

class Ready:
    def __init__(self, problem): self.answer, self.launched = right(problem), 0
    def launch(self): self.launched += 1
    def synchronize(self): assert self.launched
    def result(self): return self.answer
    def device_bytes(self): return 12345

def prepared(problem): raise AssertionError("it was called, and not prepared")
prepared.prepare = Ready

def wrong(problem): return forgotten_rescale(problem)

class Tires(Ready):
    def result(self): return self.answer if self.launched < 2 else forgotten_rescale(self.problem)
    def __init__(self, problem): super().__init__(problem); self.problem = problem

def tires(problem): raise AssertionError
tires.prepare = Tires

class Empties(Ready):
    def result(self): return self.answer if self.launched < 2 else None

def empties(problem): raise AssertionError
empties.prepare = Empties

class Breaks(Ready):
    def launch(self):
        super().launch()
        if self.launched > 1: raise RuntimeError("the queue is gone")

def breaks(problem): raise AssertionError
breaks.prepare = Breaks

def noisy(problem):
    print("0 bytes")
    return right(problem)

def picky(problem):
    if problem.max_seqlen_q < 256: raise Unsupported("short")
    return right(problem)

def slow(problem): raise AssertionError("the kernel that is timed in its place was not")
slow.for_benchmarks = lambda problem: right(problem)
slow.for_benchmarks.name = "quick"

def declines(problem): raise Unsupported("bf16")
"""
RIGHT = ("prepared", "right", "noisy", "picky", "quick")
NAMES = (*RIGHT[:-1], "slow", "wrong", "tires", "empties", "breaks", "declines")
SHOWN = (*RIGHT, "wrong", "tires", "empties", "breaks", "declines")
ONE = ["--pyargs", "conformance.test_benchmark", "-k", "llama-13b-512-causal-forward and not back"]
SMALL = ["--benchmark-only", "--kernel-benchmark-shrink", "1024", "--benchmark-max-time", "0.01"]


@pytest.fixture(scope="module")
def timed(tmp_path_factory):
    """A run of these kernels on one small workload: its output, its JSON and its report."""
    folder = tmp_path_factory.mktemp("timed")
    (folder / "mine.py").write_text(KERNELS)
    kernels = [word for name in NAMES for word in ("--kernel", f"mine.py:{name}")]
    files = ["--benchmark-json", "times.json", "--kernel-report", "report"]
    run = pytest_in(folder, *ONE, *SMALL, *kernels, *files, "-rs", "-W", "error")
    times = json.loads((folder / "times.json").read_text())["benchmarks"]
    report = json.loads((folder / "report" / "report.json").read_text())
    return run.stdout, times, report


def test_only_a_right_kernel_gets_a_number(timed):
    out, times, report = timed
    assert [one["name"].split("-")[0] for one in times] == [f"test_workload[{k}" for k in RIGHT]
    assert all(one["name"].endswith("forward-shrink-1024]") for one in times)
    assert "the kernel returned a NoneType: give a reference.problem.Result" in out
    assert "right at first, wrong when timed" in out
    assert re.search(
        r"the kernel raised RuntimeError\n.*\n +File .*mine\.py., line \d+, in launch", out
    )
    assert "--benchmark-only --kernel-benchmark-shrink 1024" in out  # the failure's own command
    assert "wrong, so it is not timed" in out and "declined: bf16" in out
    outcomes = {one["kernel"]: one["outcome"] for one in report["tests"]}
    expected = dict.fromkeys(SHOWN, "failed") | dict.fromkeys(RIGHT, "passed")
    assert outcomes == expected | {"declines": "declined"}


def test_json_and_report_have_the_same_facts(timed):
    _, times, report = timed
    jsonschema.validate(report, json.loads((PACKAGE / "report" / "schema.json").read_text()))
    told = {one["kernel"]: one["benchmark"] for one in report["tests"] if one["benchmark"]}
    assert told == {one["name"][14:].split("-")[0]: one["extra_info"] for one in times}
    facts = told["right"]
    assert facts["gflops"] == pytest.approx(facts["flops"] / facts["seconds_median"] / 1e9)
    assert facts["seconds_min"] <= facts["seconds_median"] and facts["scaled_down"] > 1


def test_a_kernel_that_prepares_is_not_called(timed):
    told = {one["kernel"]: one.get("benchmark") for one in timed[2]["tests"]}
    assert told["prepared"]["prepared"] and not told["right"]["prepared"]
    assert told["prepared"]["peak_memory_bytes"] == 12345


def test_memory_is_measured_or_it_is_said_why_not(timed):
    told = {one["kernel"]: one.get("benchmark") for one in timed[2]["tests"]}
    assert all(told[name]["peak_memory_bytes"] > 0 for name in ("right", "noisy", "picky"))


def test_where_nothing_can_be_measured_nothing_is_told():
    problem = Case("c", "why", batch=1, seqlen_q=4, heads_q=1, head_dim=4).problem(FORMATS["bf16"])
    assert roofline.gflops(problem, "mychip") is roofline.gbytes("mychip") is None
    assert roofline.gflops(problem, "emulator") is roofline.gbytes("emulator") is None
    assert processor("mychip") == processor()
    kernel = LoadedKernel(spec="s", name="n", function=SimpleNamespace(device="mychip"))
    told = peak_memory(kernel, WORKLOADS[0], problem, Called(kernel, problem), seed=0)
    assert told == (None, "torch does not know the device mychip")


def test_runs_are_saved_and_compared_as_people_know_it(tmp_path):
    (tmp_path / "mine.py").write_text(KERNELS)
    asked = [*ONE, *SMALL, "--kernel", "mine.py:prepared"]  # no process to measure its memory
    saved = pytest_in(tmp_path, *asked, "--benchmark-autosave")
    assert "Saved benchmark data in" in saved.stdout + saved.stderr
    again = pytest_in(tmp_path, *asked, "--benchmark-compare")
    assert again.returncode == 0 and "(0001_" in again.stdout, again.stdout


@pytest.mark.parametrize(
    ("kernel", "cells"),
    [
        ("prepared", r"[\d.e-]+ +1/[\d.e+]+ +[\d,.]+ +0\.0118 +- "),
        ("right", r"[\d.]+ +1/[\d.e+]+ +[\d,.]+ +[\d.]+ +- "),
        ("wrong", "failed$"),
        ("declines", "declined$"),
    ],
)
def test_the_table_has_a_row_for_every_kernel(timed, kernel, cells):
    assert re.search(rf"^ +{kernel} +{cells}", timed[0], flags=re.M), timed[0]


def test_each_workload_has_a_line_as_soon_as_it_is_done(timed):
    lines = re.findall(
        r"^ *(\d+)/10 (\w+)-llama-13b-512-.*-shrink-1024 +(.*)$", timed[0], flags=re.M
    )
    assert [(int(number), kernel) for number, kernel, _ in lines] == list(enumerate(SHOWN, 1))
    for _, kernel, words in lines:
        wanted = (
            r"[\d.]+ ms, worst error / allowed [\d.]+" if kernel in RIGHT else "failed|declined"
        )
        assert re.fullmatch(wanted, words), words


def test_an_ordinary_run_times_nothing_and_says_nothing(tmp_path):
    asked = ["--pyargs", "conformance.test_benchmark", "--kernel", f"{SUBJECTS}:right"]
    run = pytest_in(tmp_path, *asked)
    assert "no tests" in run.stdout or "deselected" in run.stdout
    assert "test_workload" not in run.stdout and "benchmark: " not in run.stdout


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["-n", "2"], "leave out -n"),
        (["-p", "no:benchmark"], "pip install pytest-benchmark"),
        (["--kernel-isolate"], "leave out --kernel-isolate"),
        (["--kernel-benchmark-shrink", "0"], "give at least 1"),
    ],
)
def test_what_cannot_be_timed_is_said_in_one_line(tmp_path, words, hint):
    run = pytest_in(tmp_path, *ONE, "--benchmark-only", "--kernel", f"{SUBJECTS}:right", *words)
    assert run.returncode == 2
    assert len(run.stderr.strip().splitlines()) == 1 and hint in run.stderr
