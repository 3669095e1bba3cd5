"""Every fault that is put into the mask kernel is refused, or makes other bits."""

from __future__ import annotations

import numpy as np
import pytest
from kernels.mask_problem import MaskProblem

import npu_kernels
from injections.injection import faulty
from injections.mask import INJECTIONS
from npu_kernels.ascend_c.binding import CheckFailed

# Every seqlen_k % 4, rows and keys that end within a tile, several tiles to a row, two heads.
QUESTION = MaskProblem(
    seqlens_q=(70, 3, 9, 5), seqlens_k=(261, 130, 127, 8), heads_q=2, packed=True
)


def mask_problem(injection) -> MaskProblem:
    """QUESTION, or with a p whose threshold is a word of its stream, or the next."""
    if "at_a_word" not in injection.asked:
        return QUESTION
    return QUESTION.keeping_below(int(QUESTION.words().min()) + injection.asked["at_a_word"])


@pytest.mark.parametrize("name", [name for name, one in INJECTIONS.items() if one.by == "emulator"])
def test_the_emulator_refuses(name, tmp_path):
    injection = INJECTIONS[name]
    with pytest.raises(CheckFailed) as report:
        mask_problem(injection).ask(faulty(injection, tmp_path).library)
    missing = [text for text in injection.says if text not in str(report.value)]
    assert not missing, report.value


@pytest.mark.parametrize("name", [name for name, one in INJECTIONS.items() if one.by == "bits"])
def test_some_bit_differs(name, tmp_path):
    injection = INJECTIONS[name]
    asked = mask_problem(injection)
    mask = asked.ask(faulty(injection, tmp_path).library)
    assert np.any(mask.bits.tiles != asked.want())


def test_without_a_fault_no_bit_differs():
    for injection in INJECTIONS.values():
        asked = mask_problem(injection)
        mask = asked.ask(npu_kernels.emulated.library)
        np.testing.assert_array_equal(mask.bits.tiles, asked.want())
