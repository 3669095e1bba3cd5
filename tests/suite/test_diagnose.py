"""Guesses at a fault: each is made for an answer that has it, and none for noise."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conformance.kernel import load
from conformance.verdict.diagnose import WORK, diagnose
from conformance.verdict.verdict import judge
from reference import dense
from reference.bounds import error_bound
from reference.dropout import Dropout
from reference.formats import FP32
from reference.mask import Mask
from reference.problem import Problem, Result

SUBJECTS = Path(__file__).parents[1] / "support" / "sample_kernels.py"


def ask(*, seqlen_q=40, seqlen_k=70, **changes) -> Problem:
    rng = np.random.default_rng(1)
    shapes = {"q": (2, seqlen_q, 4, 16), "k": (2, seqlen_k, 2, 16), "v": (2, seqlen_k, 2, 16)}
    tensors = {name: FP32.round(rng.normal(size=shape)) for name, shape in shapes.items()}
    return Problem(**(tensors | {"format": FP32} | changes))


def guess(problem: Problem, got: Result) -> str:
    want = dense.attention(problem)
    got = Result(**{name: FP32.round(tensor) for name, tensor in got.tensors()})
    return diagnose(judge(got, want, error_bound(problem, result=want), problem=problem), problem)


def changed_mask(**changes):
    return lambda problem: problem.replace(mask=replace(problem.mask, **changes))


def changed(**changes):
    return lambda problem: problem.replace(**changes)


def modulo_heads(problem: Problem) -> Problem:
    k, v = (tensor[:, :, [0, 1, 0, 1]] for tensor in (problem.k, problem.v))
    return problem.replace(k=k, v=v)


CAUSAL = Mask(window=(None, 0))
TOP_LEFT = Mask(window=(None, 0), anchor="top-left")
BAND = Mask(window=(9, 3), prefix=4)
KEEP = Mask(keep=np.arange(70) % 3 > 0)
SLOPES = np.array([0.5, 0.25, 0.125, 0.0625], np.float32)

MISREADINGS = {
    "with a top-left anchor": ({"mask": CAUSAL}, changed_mask(anchor="top-left")),
    "with a bottom-right anchor": ({"mask": TOP_LEFT}, changed_mask(anchor="bottom-right")),
    "without its window": ({"mask": BAND}, changed_mask(window=(None, None))),
    "with left = 8": ({"mask": BAND}, changed_mask(window=(8, 3))),
    "with left = 10": ({"mask": BAND}, changed_mask(window=(10, 3))),
    "with right = 2": ({"mask": BAND}, changed_mask(window=(9, 2))),
    "with right = 4": ({"mask": BAND}, changed_mask(window=(9, 4))),
    "without prefix": ({"mask": BAND}, changed_mask(prefix=None)),
    "without keep": ({"mask": KEEP}, changed_mask(keep=None)),
    "without bias": ({"bias": FP32.round(np.sin(np.arange(70.0)))}, changed(bias=None)),
    "without ALiBi slopes": ({"slopes": SLOPES}, changed(slopes=None)),
    "without softcap": ({"softcap": 1.0}, changed(softcap=None)),
    "without sink": ({"sink": 4 * SLOPES}, changed(sink=None)),
    "without dropout": ({"dropout": Dropout(p=0.5, seed=3)}, changed(dropout=None)),
    "with scale 1": ({}, changed(scale=1.0)),
    "with scale head_dim ** -0.5": ({"scale": 0.5}, changed(scale=None)),
    "with key head n % heads_k for query head n": ({}, modulo_heads),
}


@pytest.mark.parametrize("text", MISREADINGS)
def test_an_answer_to_a_misread_problem_is_recognised(text):
    asked, misread = MISREADINGS[text]
    problem = ask(**asked)
    answer = dense.attention(misread(problem))
    assert guess(problem, answer) == f"out is right for this problem {text}"


def test_an_accumulator_that_is_not_rescaled_is_recognised(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    problem = ask()
    answer = load(f"{SUBJECTS}:forgotten_rescale")(problem)
    assert "the first 32 keys: is acc rescaled when the maximum rises?" in guess(problem, answer)


@pytest.mark.parametrize("seqlen_q", [1, 2])
def test_a_few_rows_are_no_evidence_for_a_missing_rescaling(monkeypatch, seqlen_q):
    monkeypatch.setattr(sys, "path", list(sys.path))
    problem = ask(seqlen_q=seqlen_q)
    few = problem.replace(q=problem.q[:1, :, :2], k=problem.k[:1], v=problem.v[:1])
    assert guess(few, load(f"{SUBJECTS}:forgotten_rescale")(few)) == ""


def test_nothing_is_guessed_of_noise_nor_where_out_is_right():
    problem = ask()
    want = dense.attention(problem)
    assert guess(problem, replace(want, out=want.out + 1)) == ""
    assert guess(problem, replace(want, lse=want.lse + 1)) == ""
    assert guess(problem, replace(want, out=want.out[:1])) == ""


def test_nothing_is_guessed_where_it_would_take_long():
    length = WORK // 8 + 1
    problem = ask(seqlen_q=1, seqlen_k=length)
    got = replace(dense.attention(problem.replace(scale=1.0)))
    assert guess(problem, got) == ""


def test_rows_without_keys_are_no_obstacle():
    rows = np.zeros((2, 0, 2, 16), np.float32)
    problem = ask(k=rows, v=rows)
    assert guess(problem, replace(dense.attention(problem), out=problem.q)) == ""
