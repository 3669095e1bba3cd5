"""A mask read off answers is the one that the kernel used, whatever the shape and the format."""

from __future__ import annotations

import numpy as np
import pytest
from faults.host_kernel import Host

from conformance.dropout.__main__ import main
from conformance.dropout.recovery.recover import masks_of_kernel, recover
from conformance.dropout.shape import Shape
from conformance.dropout.statistics import sources
from conformance.kernel import LoadedKernel
from reference import dense
from reference.dropout import Dropout
from reference.formats import FORMATS
from reference.mask import Mask
from reference.problem import Problem

STREAM = Dropout(p=0.3, seed=5, offset=7)
SHAPES = {
    "odd": Shape(seqlens_q=(37,) * 2, seqlens_k=(71,) * 2),
    "causal": Shape(seqlens_q=(40,) * 2, seqlens_k=(35,) * 2, mask=Mask(window=(None, 0))),
    "window": Shape(seqlens_q=(35,) * 2, seqlens_k=(40,) * 2, mask=Mask(window=(20, 7))),
    "packed": Shape(seqlens_q=(7, 1, 40, 0), seqlens_k=(33, 9, 35, 5), packed=True),
    "gqa": Shape(seqlens_q=(19,) * 2, seqlens_k=(33,) * 2, heads_q=6, heads_k=2),
}


def loaded(function):
    return LoadedKernel(spec="tests", name="tests", function=function)


def declared(problem: Problem) -> np.ndarray:
    """The decisions of the problem's own stream, False where no pair is seen."""
    keep = np.zeros(problem.shape_scores, np.bool_)
    for head in problem.heads():
        rows, keys = range(head.seqlen_q), range(head.seqlen_k)
        seen = head.mask.visible(rows, keys)
        keep[head.sequence, head.head_q][: len(rows), : len(keys)] = seen & head.dropout.keep(
            rows, keys
        )
    return keep


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("format", ["fp16", "bf16", "fp32"])
def test_every_tensor_tells_of_the_decisions_that_were_used(format, shape):
    problem = shape.zeros(FORMATS[format], STREAM, backward=True)
    recovered = recover(loaded(Host()), problem)
    for name in ("out", "dv", "dq", "dk"):
        assert (recovered.decisions(name) == declared(problem)).all(), name


def test_masks_of_consecutive_calls_are_those_of_the_stream():
    for call, masks in enumerate(masks_of_kernel(loaded(dense.attention), p=0.1, calls=2)):
        elements = Dropout(p=0.1, offset=10 * call).keep(np.array([0]), masks.keep.size)
        assert (masks.keep.ravel() == elements[0]).all()


def test_an_answer_that_tells_of_no_decision_is_refused_in_a_sentence(tmp_path, capsys):
    (tmp_path / "odd.py").write_text(
        "from dataclasses import replace\n"
        "from reference import dense\n"
        "def kernel(problem):\n"
        "    answer = dense.attention(problem)\n"
        "    return replace(answer, out=answer.out * 0.4)\n"
    )
    assert main(["kernel", f"{tmp_path}/odd.py:kernel", "--p", "0.1"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("rejected: out tells of no decision at 9")
    assert "its weight times 0.4444" in said
    assert said.count("\n") == 1


def test_masks_are_read_off_a_kernel_until_the_time_is_up(monkeypatch):
    monkeypatch.setitem(sources.SECONDS, "default", 0.0)
    (masks,) = sources.of_the_kernel(loaded(dense.attention), "default", seed=0)
    said = sources.remark(masks.keep.size, "default", proved=False)
    assert said == (
        "1,048,576 decisions read off its answers; 10,000,000 were asked for, and 0 s were up"
    )
