"""Kernels by name: what is found, what is said of what is not, and how one is called."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from conformance.kernel import (
    BadAnswer,
    InputChanged,
    KernelRaised,
    LoadedKernel,
    UsageError,
    load,
)
from conformance.kernel.launch import launch_of, run
from reference import dense
from reference.contract import Contract
from reference.formats import FP32
from reference.problem import Problem

SOURCE = """
import numpy as np
from reference import dense
from reference.contract import Contract
from reference.problem import Result

def exact(problem):
    return dense.attention(problem)

def named(problem): ...
named.name = "named[here]"
backward_of_two = lambda problem: exact(problem)
backward_of_two.backward = lambda problem, out: exact(problem)
backward_of_none = lambda problem: exact(problem)
backward_of_none.backward = "later"
named.contract = Contract(row_sum_rounded=True)
named.digest = "abc"
named.prepare = lambda problem: 1
named.backward = lambda problem, out, lse: Result(dq=out)

def by_problem(problem): ...
by_problem.contract = lambda problem: Contract(longest_sum=problem.max_seqlen_k)

def misdeclared(problem): ...
misdeclared.contract = "exact"

def a_tuple(problem): return problem.q, None
def a_list(problem): return Result(out=[1.0])
def overwrites(problem): problem.v[...] = 0; return Result()
def divides(problem): return 1 / 0

class AClass: pass
number = 3
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    path = tmp_path / "some_kernels.py"
    path.write_text(SOURCE)
    (tmp_path / "text.txt").write_text("text")
    return path


def problem() -> Problem:
    return Problem(**{name: np.ones((1, 3, 2, 8), np.float32) for name in "qkv"}, format=FP32)


def test_a_kernel_is_found_by_file_and_by_module(file, monkeypatch):
    by_file = load(f"{file}:exact")
    monkeypatch.chdir(file.parent)
    by_module = load("some_kernels:exact")
    want = dense.attention(problem())
    assert (by_file.name, by_module.name) == ("exact", "exact")
    for kernel in (by_file, by_module):
        assert np.array_equal(kernel(problem()).out, want.out)


def test_a_file_is_loaded_once(file):
    assert load(f"{file}:exact").function is load(f"{file}:exact").function


def test_what_a_kernel_says_of_itself(file):
    plain, named = load(f"{file}:exact"), load(f"{file}:named")
    assert (plain.contract(problem()), plain.digest, plain.prepare) == (Contract(), None, None)
    assert plain.backward is None
    assert (named.name, named.digest, named.prepare(1)) == ("named[here]", "abc", 1)
    assert named.contract(problem()) == Contract(row_sum_rounded=True)
    assert named.backward(problem(), np.ones(2), None).dq.shape == (2,)
    assert load(f"{file}:by_problem").contract(problem()).longest_sum == 3


UNKNOWN = {
    "some_kernels": "names no attribute: write module:attribute or path/to/file.py:attribute",
    ":exact": "names no attribute",
    "no_such_module:exact": "there is no module 'no_such_module'",
    "nump:exact": "there is no module 'nump': did you mean numpy",
    "reference.dens:attention": "there is no module 'reference.dens': did you mean dense",
    "reference.dense:attentoin": "has no attribute 'attentoin': did you mean attention",
    "{folder}/some_kernel.py:exact": "did you mean some_kernels.py",
    "{folder}/none/some.py:exact": "is no folder",
    "{folder}/some_kernels.py:exat": "has no attribute 'exat': did you mean exact",
    "{folder}/some_kernels.py:exact.zzz": "has no attribute 'zzz'",
    "{folder}/some_kernels.py:AClass": "is the class AClass: give a function",
    "{folder}/some_kernels.py:number": "is 3: give a function",
    "{folder}/some_kernels.py:backward_of_two": "its backward takes (problem, out): it is",
    "{folder}/some_kernels.py:backward_of_none": "its backward is 'later': give a function",
    "{folder}/:exact": "there is no file",
    "{folder}/text.txt:exact": "is no Python file: give one that ends in .py",
    "{folder}/qqqqqqqq.py:exact": "there is some_kernels.py",
    "numpy.zzzzzzzz:exact": "check the spelling",
    "npu_kernels:ascent": "npu_kernels has no ascent: its kernels are sdpa",
}


@pytest.mark.parametrize("spec", UNKNOWN)
def test_what_is_not_there_is_one_line_that_says_what_to_write(spec, file):
    with pytest.raises(UsageError) as error:
        load(spec.format(folder=file.parent))
    assert UNKNOWN[spec] in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("source", ["import no_such_package", "1 / 0"])
def test_an_error_inside_the_kernels_module_keeps_its_own_traceback(source, file):
    file.write_text(f"\n{source}\n")
    with pytest.raises(KernelRaised) as error:
        load(f"{file}:exact")
    first = str(error.value).splitlines()[2]
    assert first == f'  File "{file}", line 2, in <module>'


def test_a_package_that_the_kernels_module_misses_is_its_own_error(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    (file.parent / "incomplete.py").write_text("import no_such_package\n")
    with pytest.raises(
        KernelRaised, match=r"ModuleNotFoundError: No module named .no_such_package"
    ):
        load("incomplete:exact")


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        ("a_tuple", BadAnswer, "the kernel returned a tuple: give a reference.problem.Result"),
        ("a_list", BadAnswer, "the kernel returned out as a list: give a NumPy array"),
        ("overwrites", InputChanged, "the kernel changed its input v"),
        ("divides", KernelRaised, "the kernel raised ZeroDivisionError"),
    ],
)
def test_a_bad_answer_is_an_error_that_says_what_is_wrong(name, error, text, file):
    with pytest.raises(error, match=text):
        load(f"{file}:{name}")(problem())


def test_a_contract_must_be_one(file):
    with pytest.raises(TypeError, match="its contract is 'exact': give"):
        load(f"{file}:misdeclared").contract(problem())


def test_a_kernels_traceback_begins_in_its_own_code(file):
    with pytest.raises(KernelRaised) as error:
        load(f"{file}:divides")(problem())
    assert f'File "{file}"' in str(error.value).splitlines()[2]


def test_a_kernel_that_raises_in_a_timed_launch_is_named_with_its_own_traceback(file):
    launch = launch_of(load(f"{file}:divides"), problem())
    with pytest.raises(KernelRaised, match=r"^the kernel raised ZeroDivisionError") as error:
        run(launch)
    assert f'File "{file}"' in str(error.value).splitlines()[2]


def test_a_kernel_that_wrote_into_its_input_is_named_even_if_it_raised_afterwards(file):
    def writes_and_raises(problem):
        problem.q[:] = 0
        raise ValueError("later")

    kernel = LoadedKernel(spec="s", name="n", function=writes_and_raises)
    with pytest.raises(InputChanged, match=r"input q: .*\nafter that: the kernel raised ValueErr"):
        kernel(problem())
