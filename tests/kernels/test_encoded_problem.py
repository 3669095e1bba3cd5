"""What the library is given for a problem: shapes, strides, numbers that fp32 holds."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.laws.assertions import make_problem as problem
from npu_kernels.ascend_c.encode import encode_problem
from npu_kernels.ascend_c.encoded import EncodedProblem
from reference.dropout import Dropout
from reference.formats import FP16
from reference.mask import Mask


def bits(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.uint16)


DENSE = {"q": bits(2, 3, 4, 4), "k": bits(2, 5, 2, 4), "v": bits(2, 5, 2, 6)}
PACKED = {
    **{"q": bits(3, 4, 4), "k": bits(5, 2, 4), "v": bits(5, 2, 6)},
    **{"cu_seqlens_q": np.array([0, 1, 3]), "cu_seqlens_k": np.array([0, 0, 5])},
}


def encoded_from(fields: dict[str, object]) -> EncodedProblem:
    return EncodedProblem(**{"format": FP16, "scale": 0.5, **fields})


@pytest.mark.parametrize("softcap", [0.0, 1e-50, -1e-50])
def test_a_softcap_that_the_library_would_take_for_none_is_refused(softcap):
    with pytest.raises(ValueError, match=f"^softcap: {softcap} rounds to 0 in fp32: give"):
        encoded_from({**DENSE, "softcap": softcap})


@pytest.mark.parametrize("fields", [DENSE, PACKED])
def test_results_have_the_shapes_of_the_problem(fields):
    encoded = encoded_from(fields)
    assert encoded.shape_out == (*fields["q"].shape[:-1], 6)
    assert encoded.shape_lse == ((4, 3) if fields is PACKED else (2, 4, 3))
    assert (encoded.batch, encoded.seqlen_q, encoded.seqlen_k) == (
        (2, 2, 5) if fields is PACKED else (2, 3, 5)
    )


def test_a_bias_keeps_its_strides_and_repeated_axes_stay_so():
    whole = np.zeros((2, 7, 65, 80), np.float32)
    bias = whole[:, :1, :, :65]
    pairs = encode_problem(problem("fp16", bias=bias)).struct().bias
    strides = (pairs.stride_batch, pairs.stride_head, pairs.stride_q, pairs.stride_k)
    assert strides == (7 * 65 * 80, 0, 80, 1)


def test_rows_of_a_bias_that_overlap_are_pulled_apart():
    line = np.arange(65 + 64, dtype=np.float32)
    toeplitz = np.lib.stride_tricks.sliding_window_view(line, 65)
    bits = encode_problem(problem("fp16", bias=toeplitz)).bias
    assert bits.strides[2] == 2 * 65
    assert np.array_equal(bits[0, 0].view(np.float16), toeplitz)


def test_a_bias_of_minus_infinity_stays_one():
    for format, infinity in (("fp16", 0xFC00), ("bf16", 0xFF80)):
        bias = np.full((65, 65), -np.inf, np.float32)
        assert (encode_problem(problem(format, bias=bias)).bias == infinity).all()


@pytest.mark.parametrize(("given", "lengths"), [(3, [3, 3]), ((0, 10**30), [0, 65]), (None, None)])
def test_a_prefix_is_one_for_each_sequence_and_ends_with_the_keys(given, lengths):
    prefix = encode_problem(problem("fp16", mask=Mask(prefix=given))).prefix
    assert lengths is None if prefix is None else prefix.tolist() == lengths


def test_dropout_of_probability_0_costs_nothing():
    encoded = encode_problem(problem("fp16", dropout=Dropout(p=0.0)))
    assert (encoded.dropout, encoded.keep_prob) == (None, 1.0)


def test_a_probability_lost_in_float32_still_drops_what_it_drops():
    encoded = encode_problem(problem("fp16", dropout=Dropout(p=1e-12)))
    assert encoded.keep_prob == np.nextafter(np.float32(1), np.float32(0))
