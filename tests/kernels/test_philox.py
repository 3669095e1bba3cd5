"""The vector unit's Philox gives Philox's words, whatever counters and keys are."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from oracle.random123 import KNOWN_ANSWERS

from npu_kernels.emulator import build
from reference.dropout import philox4x32

LANES = 33 * 64

# Words of LANES counters, whose word 0 comes from `counters`; in and out as c - 2^31.
MICRO_KERNEL = r"""
#include "dropout/philox.h"
#include "machine/launch.h"

#include <cstring>

using namespace flash;

extern "C" void philox_words(int32_t* counters, int32_t* words, const uint32_t* rest,
                             const uint32_t* key, char* error) {
  constexpr int64_t bytes = philox_lanes * 4;
  const PhiloxSeed seed{{key[0], key[1]}, {rest[0], rest[1], rest[2]}};
  const auto kernel = [&] {
    TPipe pipe;
    Philox philox;
    TBuf<TPosition::VECCALC> from;
    philox.init(pipe, seed);
    pipe.InitBuffer(from, static_cast<uint32_t>(bytes));
    GlobalTensor<int32_t> source;
    GlobalTensor<int32_t> target;
    source.SetGlobalBuffer(counters);
    target.SetGlobalBuffer(words);
    DataCopy(from.Get<int32_t>(), source, static_cast<uint32_t>(philox_lanes));
    SetFlag<HardEvent::MTE2_V>(0);
    WaitFlag<HardEvent::MTE2_V>(0);
    const LocalTensor<int32_t> made = philox.words(from.Get<int32_t>(), philox_planes);
    SetFlag<HardEvent::V_MTE3>(0);
    WaitFlag<HardEvent::V_MTE3>(0);
    DataCopy(target, made, static_cast<uint32_t>(4 * philox_lanes));
  };
  const emulator::Report report = emulator::launch(
      {}, emulator::KernelType::aiv_only, 1,
      {{"counters", counters, bytes, emulator::GmKind::input},
       {"words", words, 4 * bytes, emulator::GmKind::output}},
      kernel);
  std::strncpy(error, report.error.c_str(), 999);
}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("philox")
    (folder / "micro_kernel.cpp").write_text(MICRO_KERNEL)
    return ctypes.CDLL(str(build.library(kernel=folder, options=(f"-I{build.FLASH_ATTENTION}",))))


def words_of(library, first, rest, key):
    """Words 0..3 of each counter (first[i], *rest), (len(first), 4) uint32."""
    kept = np.resize(np.asarray(first, np.uint32) ^ np.uint32(2**31), LANES)
    words = np.empty((4, LANES), np.uint32)
    error = ctypes.create_string_buffer(1000)
    arrays = [kept, words, np.array(rest, np.uint32), np.array(key, np.uint32)]
    library.philox_words(*(ctypes.c_void_p(array.ctypes.data) for array in arrays), error)
    assert not error.value, error.value.decode()
    return (words ^ np.uint32(2**31)).T[: len(first)]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN_ANSWERS[10])
def test_the_kernel_gives_the_known_answers(library, counter, key, words):
    assert tuple(words_of(library, counter[:1], counter[1:], key)[0].tolist()) == words


# Halves of a factor at their ends make the largest products, sums and carries.
ENDS = (0x0000, 0x0001, 0x7FFF, 0x8000, 0x8001, 0xFFFF)


@pytest.mark.parametrize("seed", range(4))
def test_the_kernel_and_the_reference_agree_on_any_counter(library, seed):
    draw = np.random.default_rng(seed)
    first = draw.integers(0, 2**32, LANES, np.uint32)
    first[: len(ENDS) ** 2] = [high << 16 | low for high in ENDS for low in ENDS]
    rest = draw.choice([0, 1, 2**31 - 1, 2**31, 2**32 - 1, *draw.integers(0, 2**32, 5)], 3)
    key = draw.integers(0, 2**32, 2, np.uint32)
    counter = np.empty((LANES, 4), np.uint32)
    counter[:, 0], counter[:, 1:] = first, rest
    want = philox4x32(counter, (int(key[0]), int(key[1])))
    np.testing.assert_array_equal(words_of(library, first, rest, key), want)
