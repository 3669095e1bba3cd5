"""The mask kernel draws the reference's bits, whoever does what, and refuses in one line."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conformance.laws.assertions import make_problem
from kernels.mask_problem import MaskProblem
from npu_kernels.ascend_c import binding, dropout_bits, loading, structs
from npu_kernels.emulator import build
from npu_kernels.emulator.options import EmulatorOptions
from reference.dropout import Dropout
from reference.mask import Mask


@pytest.fixture(scope="module")
def library():
    return loading.load(build.library())


def packed(*lengths, heads_q=1):
    seqlens_q, seqlens_k = zip(*lengths, strict=True) if lengths else ((), ())
    return MaskProblem(seqlens_q=seqlens_q, seqlens_k=seqlens_k, heads_q=heads_q, packed=True)


def dense(batch, heads_q, seqlen_q, seqlen_k):
    return MaskProblem(
        seqlens_q=(seqlen_q,) * batch, seqlens_k=(seqlen_k,) * batch, heads_q=heads_q
    )


CALLS = {
    "one pair": dense(1, 1, 1, 1),
    "one row": dense(1, 1, 1, 300),
    "one column: rows begin anywhere in a block": dense(1, 1, 200, 1),
    "whole tiles": dense(2, 1, 128, 256),
    "one more of each": dense(1, 2, 129, 129),
    "half a tile of rows": dense(1, 1, 64, 128),
    **{f"seqlen_k % 8 = {rest}": dense(1, 2, 3, 136 + rest) for rest in range(1, 8)},
    "keys end in either half of a row": dense(1, 1, 70, 50),
    "packed": packed((5, 7), (130, 3), (2, 260), heads_q=3),
    "packed, with sequences of nothing": packed((0, 9), (3, 5), (4, 0), (0, 0), (6, 2), heads_q=2),
    "nothing but empty sequences": packed((0, 9), (4, 0)),
    "no sequence": packed(),
    "no head": packed((5, 7), heads_q=0),
    "dense without keys": dense(2, 2, 5, 0),
}


@pytest.mark.parametrize("name", CALLS)
def test_every_bit_is_the_reference_s(library, name):
    mask = CALLS[name].ask(library)
    np.testing.assert_array_equal(mask.bits.tiles, CALLS[name].want())
    assert mask.remarks == ()


VISIBLE = {
    "causal": Mask(window=(None, 0)),
    "window": Mask(window=(100, 30)),
    "window that hides rows": Mask(window=(-300, 400), anchor="top-left"),
    "prefix with a gap behind it": Mask(window=(50, 0), prefix=150),
    "nothing": Mask(window=(-800, 800), anchor="top-left"),
}


@pytest.mark.parametrize("name", VISIBLE)
def test_bits_are_made_for_the_tiles_that_show_a_pair(library, name):
    asked = replace(dense(2, 2, 300, 700), mask=VISIBLE[name])
    made = asked.ask(library)
    shown = asked.shown()
    np.testing.assert_array_equal(made.bits.tiles[shown], asked.want()[shown])
    written = sum(core.bytes["UB to GM"] for core in made.counters)
    assert written == shown.sum() * made.bits.tiles[0].nbytes


STREAMS = [
    {"p": 1e-9},
    {"p": 0.1},
    {"p": 0.999},
    {"p": 1 - 2.0**-33},
    {"p": 1 - 2.0**-53},
    {"seed": 0, "offset": 0},
    {"seed": 2**64 - 1, "offset": 2**64 - 1},
    {"seed": 2**32, "offset": 1},
    {"seed": 2**31, "offset": 2**63},
]


@pytest.mark.parametrize("stream", STREAMS)
def test_every_stream_is_the_reference_s(library, stream):
    asked = dense(1, 2, 67, 131).replace(**stream)
    np.testing.assert_array_equal(asked.ask(library).bits.tiles, asked.want())


@pytest.mark.parametrize("above", [0, 1])
def test_the_threshold_parts_neighbouring_words(library, above):
    asked = dense(1, 1, 120, 250)
    smallest = int(asked.words().min())
    mask = asked.keeping_below(smallest + above).ask(library)
    assert np.unpackbits(mask.bits.tiles).sum() == above


@pytest.mark.parametrize(
    "options", [EmulatorOptions(cores=n) for n in (1, 3, 20, 24, 64)] + [EmulatorOptions(fast=True)]
)
def test_bits_do_not_depend_on_who_draws_them(library, options):
    asked = packed((300, 70), (1, 1), (0, 3), (40, 513), heads_q=3)
    np.testing.assert_array_equal(asked.ask(library, options).bits.tiles, asked.want())


def test_no_core_has_more_than_its_share_of_tiles(library):
    mask = dense(1, 4, 512, 300).ask(library, EmulatorOptions(cores=4))
    shares = [core.bytes["UB to GM"] for core in mask.counters]
    assert shares == [16 * 3 * 2048 // 8] * 8


def test_the_modelled_cost_is_what_the_docs_say(library):
    pairs, half_tiles = 128 * 4096, 64
    mask = dense(1, 1, 128, 4096).ask(library, EmulatorOptions(fast=True))
    instructions, repeats = (
        sum(getattr(core, what)["V"] for core in mask.counters)
        for what in ("instructions", "repeats")
    )
    gathers = pairs / 5 - pairs / 64  # 5 elements per cycle, counted as a repeat of 64
    least = (repeats + gathers) / pairs
    most = least + 10 * instructions / pairs
    layer = 8 * 40 * 4096**2 / (48 * 1.8e9)
    docs = " ".join((Path(__file__).parents[2] / "docs" / "kernel.md").read_text().split())
    for said in (
        f"{instructions / half_tiles:.0f} instructions and {repeats / half_tiles:.0f}",
        f"**{least:.2f} cycles per score**",
        f"**{most:.2f}**",
        f"**{layer * least:.2f} s to {layer * most:.2f} s**",
    ):
        assert said in docs


def test_bits_of_its_own_need_no_kernel(library):
    own = Dropout(p=0.5, bits=np.array([0b101], np.uint8))
    with pytest.raises(ValueError, match=r"^dropout: it has bits of its own: give a seed"):
        MaskProblem(seqlens_q=(2,), seqlens_k=(3,), dropout=own).ask(library)


def test_more_pairs_than_the_counter_counts_are_declined(library):
    with pytest.raises(binding.Declined, match=r"^seqlen_k: .* Philox counter would pass 2\^31$"):
        dense(1, 1, 2**16, 2**17 + 1).ask(library)


# --- What only C sees ---

OFFSETS = (ctypes.c_int64 * 3)(0, 4, 2)
REFUSALS = [
    ({"keep_prob": 0.0}, "keep_prob: 0.000000 is not in (0, 1]"),
    ({"keep_prob": -0.5}, "keep_prob: -0.500000 is not in (0, 1]"),
    ({"keep_prob": 1.5}, "keep_prob: 1.500000 is not in (0, 1]"),
    ({"keep_prob": float("nan")}, "keep_prob: nan is not in (0, 1]"),
    ({"batch": -1}, "batch: -1 is negative"),
    ({"heads_q": -1}, "heads_q: -1 is negative"),
    ({"seqlen_q": -5}, "seqlen_q: -5 is negative"),
    ({"seqlen_k": 2**31}, "seqlen_k: 2147483648 is above 2^31 - 1"),
    ({"heads_q": 2**30, "seqlen_k": 2**30}, "seqlen_k: there are more than 2^33 pairs: "),
    ({"bits_bytes": 2 * 2048 - 1}, "bits: of 4095 B is too small, needs 4096 B"),
    ({"bits": None}, "bits: null pointer"),
    ({"cu_seqlens_q": ctypes.addressof(OFFSETS)}, "cu_seqlens_k: null pointer, while the other"),
    (
        {name: ctypes.addressof(OFFSETS) for name in ("cu_seqlens_q", "cu_seqlens_k")},
        "cu_seqlens_q: goes back at 2",
    ),
]


@pytest.mark.parametrize(("change", "says"), REFUSALS)
def test_a_bad_argument_is_refused_by_name(library, change, says):
    bits = np.empty(2 * 2048, np.uint8)
    fields = {"batch": 2, "heads_q": 1, "seqlen_q": 4, "seqlen_k": 4, "keep_prob": 0.5}
    fields |= {"bits": bits.ctypes.data, "bits_bytes": bits.nbytes}
    with pytest.raises((ValueError, binding.Declined)) as refusal:
        binding.call(
            library,
            "npu_dropout_mask",
            structs.DropoutMaskStruct(**(fields | change)),
            batch=2,
            reads={},
            writes=[],
            options=EmulatorOptions(cores=1),
        )
    assert str(refusal.value).startswith(says)


def test_the_problem_s_dropout_is_drawn_or_taken_as_it_is(library):
    drawn = dense(1, 2, 3, 5)
    problem = problem_with(drawn.dropout)
    tiles = dropout_bits.bits_of(library, problem, options=EmulatorOptions(cores=1)).tiles
    np.testing.assert_array_equal(tiles, drawn.want())
    flat = np.concatenate(
        [np.unpackbits(tile, axis=1, bitorder="little")[:3, :5] for tile in tiles]
    )
    given = Dropout(p=0.4, bits=np.packbits(flat, bitorder="little"))
    again = dropout_bits.bits_of(library, problem_with(given), options=EmulatorOptions(cores=1))
    np.testing.assert_array_equal(again.tiles, tiles)
    assert (
        dropout_bits.bits_of(
            library, problem_with(Dropout(p=0.0)), options=EmulatorOptions(cores=1)
        )
        is None
    )


def problem_with(of: Dropout):
    """One with 2 heads, 3 queries and 5 keys."""
    shape = {"batch": 1, "heads_q": 2, "heads_k": 1, "seqlen_q": 3, "seqlen_k": 5, "head_dim": 8}
    return make_problem("fp16", **shape, dropout=of)
