// Philox4x32-10 on the vector unit, for many counters at once. Salmon, Moraes, Dror, Shaw 2011,
// "Parallel random numbers: as easy as 1, 2, 3".
//
// The unit has neither xor nor the upper half of a product, int32 must not overflow, and only
// signed numbers are compared. So every word c is kept as the int32 number b = c - 2^31, which is c
// xor 2^31 in bits. With m = M - 2^32 = 2^16 high + low (signed halves) and half = floor(m / 2),
//   M c = 2^32 (b + 2^31 + half) + m b + 2^31,
// hence the lower word is kept as m b mod 2^32, and the upper one as
//   b + half + floor((m b + 2^31) / 2^32).
// b = 2^16 a + l with 0 <= l < 2^16 makes four products of halves; they, their sums, and the final
// sum all fit int32. x xor y = (x or y) - (x and y), which fits as well.
#pragma once

#include "kernel_operator.h"

#include "dropout/problem.h"

namespace flash {

using namespace AscendC;

constexpr int64_t philox_rounds = 10;
constexpr int64_t repeat_lanes = 64;
static_assert(philox_lanes % repeat_lanes == 0 && philox_lanes / repeat_lanes <= 255, "repeats");

struct Multiplier {
  uint32_t whole;
  int32_t low;
  int32_t high;
  int32_t half;
};
// For the two constants alone: a host's compiler works out their values, so it is no function of a
// core.
constexpr inline Multiplier multiplier_of(uint32_t whole) {
  const int64_t m = static_cast<int64_t>(whole) - (int64_t{1} << 32);
  const int64_t low = (m & 0xFFFF) < 0x8000 ? m & 0xFFFF : (m & 0xFFFF) - 0x10000;
  return Multiplier{whole, static_cast<int32_t>(low), static_cast<int32_t>((m - low) / 0x10000),
                    static_cast<int32_t>((m - 1) / 2)};  // m is odd and negative
}
constexpr Multiplier multiplier_0 = multiplier_of(0xD2511F53u);
constexpr Multiplier multiplier_1 = multiplier_of(0xCD9E8D57u);
constexpr uint32_t key_step_0 = 0x9E3779B9u;
constexpr uint32_t key_step_1 = 0xBB67AE85u;
constexpr uint32_t sign_bit = 0x80000000u;

class Philox {
 public:
  // Words and temporaries; constants of 64 equal lanes: a key for words 0 and 2 of each round, and
  // the mask of lower halves.
  static constexpr int64_t constants = 2 * philox_rounds + 1;
  static constexpr int64_t ub_bytes = (2 * 4 + 6) * philox_lanes * 4 + constants * repeat_lanes * 4;

  __aicore__ inline void init(TPipe& pipe, const PhiloxSeed& seed) {
    pipe.InitBuffer(words_, static_cast<uint32_t>(2 * 4 * philox_lanes * 4));
    pipe.InitBuffer(temporaries_, static_cast<uint32_t>(6 * philox_lanes * 4));
    pipe.InitBuffer(constants_, static_cast<uint32_t>(constants * repeat_lanes * 4));
    set_constant(constants - 1, 0x0000FFFFu);
    // Words that are the same for all counters stay scalars: 1, 2, 3 in round 1, 0, 1 and then 3
    // in what follows. What they add to another word is added by its key.
    uint32_t k0 = seed.key[0];
    uint32_t k1 = seed.key[1];
    uint32_t c0 = 0;
    uint32_t c1 = seed.counter[0];
    uint32_t c2 = seed.counter[1];
    uint32_t c3 = seed.counter[2];
    for (int64_t round = 1; round <= philox_rounds; ++round) {
      const uint64_t p0 = static_cast<uint64_t>(multiplier_0.whole) * c0;
      const uint64_t p1 = static_cast<uint64_t>(multiplier_1.whole) * c2;
      uint32_t key_0 = k0 ^ sign_bit;  // of two kept words, whose sign bits cancel
      uint32_t key_2 = k1 ^ sign_bit;
      if (round == 1) key_2 = c3 ^ k1;
      if (round == 2) key_0 = c1 ^ k0;
      if (round == 2) key_2 = static_cast<uint32_t>(p0 >> 32) ^ k1;
      if (round == 3) key_2 = c3 ^ k1;
      set_constant(2 * (round - 1), key_0);
      set_constant(2 * (round - 1) + 1, key_2);
      if (round == 1) c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
      if (round == 1) c1 = static_cast<uint32_t>(p1);
      if (round == 2) c3 = static_cast<uint32_t>(p0);
      k0 += key_step_0;
      k1 += key_step_1;
    }
    PipeBarrier<PIPE_V>();
  }

  // Words 0..3 of the blocks with the first `planes` of these counters, (4, philox_lanes); all are
  // kept as c - 2^31.
  __aicore__ inline LocalTensor<int32_t> words(const LocalTensor<int32_t>& counters,
                                               int64_t planes) {
    lanes_ = static_cast<uint32_t>(planes * half_q);
    repeats_ = static_cast<uint8_t>(planes * half_q / repeat_lanes);
    Product products[2];
    products[0] = of_word_0(1, counters);
    multiply(products, 1);
    add_keys(products, 1);

    products[0] = of_word_2(2);
    multiply(products, 1);
    products[1] = of_word_0(2, counters);
    products[1].a = word(1, 3);  // the product itself is a number, and part of the key
    add_keys(products, 2);

    for (int64_t round = 3; round <= philox_rounds; ++round) {
      products[0] = of_word_2(round);
      products[1] = of_word_0(round, word(round - 1, 0));
      products[0].other = word(round - 1, 1);
      products[1].other = word(round - 1, 3);
      multiply(products, 2);
      add_others(products, round > 3 ? 2 : 1);  // word 3 of round 2 is a number too
      add_keys(products, 2);
    }
    return word(philox_rounds, 0);
  }

  // (6, philox_lanes) that `words` uses, and nobody keeps.
  __aicore__ inline LocalTensor<int32_t> scratch() { return temporaries_.Get<int32_t>(); }

 private:
  // A multiplication of a round, and what becomes of it. All (philox_lanes).
  struct Product {
    Multiplier by;
    LocalTensor<int32_t> factor;
    LocalTensor<int32_t> other;  // added (xor) to the upper word, as the key is
    LocalTensor<int32_t> key;    // (repeat_lanes)
    LocalTensor<int32_t> upper;  // where the words go
    LocalTensor<int32_t> lower;
    LocalTensor<int32_t> a;
    LocalTensor<int32_t> b;
    LocalTensor<int32_t> c;
  };

  __aicore__ inline Product of_word_0(int64_t round, const LocalTensor<int32_t>& factor) {
    return product(multiplier_0, factor, round, 2);
  }
  __aicore__ inline Product of_word_2(int64_t round) {
    return product(multiplier_1, word(round - 1, 2), round, 0);
  }
  // The upper word becomes word `to` of this round, the lower one the word after it.
  __aicore__ inline Product product(const Multiplier& by, const LocalTensor<int32_t>& factor,
                                    int64_t round, int64_t to) {
    Product p;
    p.by = by;
    p.factor = factor;
    p.key = constant(2 * (round - 1) + to / 2);
    p.upper = word(round, to);
    p.lower = word(round, to + 1);
    const uint32_t first = static_cast<uint32_t>(to / 2 * 3 * philox_lanes);
    p.a = scratch()[first];
    p.b = scratch()[first + static_cast<uint32_t>(philox_lanes)];
    p.c = scratch()[first + static_cast<uint32_t>(2 * philox_lanes)];
    return p;
  }

  // lower = the lower word, a = the upper one. 17 instructions for each; b, c and upper are used.
  __aicore__ inline void multiply(const Product* products, int64_t count) {
    for (int64_t step = 0; step < multiply_steps; ++step) {
      for (int64_t i = 0; i < count; ++i) multiply_step(step, products[i]);
      PipeBarrier<PIPE_V>();
    }
  }

  // A step reads what earlier ones wrote, hence the barriers; two products share them.
  static constexpr int64_t multiply_steps = 9;
  __aicore__ inline void multiply_step(int64_t step, const Product& p) {
    switch (step) {
      case 0:  // the halves of the factor
        ShiftRight(p.a, p.factor, int32_t{16}, lanes_);
        and_constant(p.b, p.factor, lower_halves());
        break;
      case 1:  // the products with the lower half of the multiplier
        Muls(p.c, p.b, p.by.low, lanes_);
        Muls(p.lower, p.a, p.by.low, lanes_);
        break;
      case 2:  // and with the upper one
        and_constant(p.upper, p.c, lower_halves());
        Muls(p.b, p.b, p.by.high, lanes_);
        Muls(p.a, p.a, p.by.high, lanes_);
        break;
      case 3:  // what counts 2^16: both mixed products, and the carry of the lowest
        ShiftRight(p.c, p.c, int32_t{16}, lanes_);
        Add(p.b, p.b, p.lower, lanes_);
        Adds(p.a, p.a, p.by.half, lanes_);
        break;
      case 4:
        Add(p.b, p.b, p.c, lanes_);
        break;
      case 5:  // its lower half belongs to the lower word, the rest is the carry
        ShiftLeft(bits(p.lower), bits(p.b), uint32_t{16}, lanes_);
        Adds(p.c, p.b, int32_t{0x8000}, lanes_);
        break;
      case 6:
        Or(halves(p.lower), halves(p.lower), halves(p.upper), 2 * lanes_);
        ShiftRight(p.c, p.c, int32_t{16}, lanes_);
        break;
      case 7:
        Add(p.a, p.a, p.c, lanes_);
        break;
      default:
        Add(p.a, p.a, p.factor, lanes_);
    }
  }

  // a = a xor other.
  __aicore__ inline void add_others(const Product* products, int64_t count) const {
    for (int64_t i = 0; i < count; ++i) {
      const Product& p = products[i];
      Or(halves(p.b), halves(p.a), halves(p.other), 2 * lanes_);
      And(halves(p.c), halves(p.a), halves(p.other), 2 * lanes_);
    }
    PipeBarrier<PIPE_V>();
    for (int64_t i = 0; i < count; ++i) Sub(products[i].a, products[i].b, products[i].c, lanes_);
    PipeBarrier<PIPE_V>();
  }

  // upper = a xor key.
  __aicore__ inline void add_keys(const Product* products, int64_t count) const {
    for (int64_t i = 0; i < count; ++i) {
      const Product& p = products[i];
      or_constant(p.b, p.a, p.key);
      and_constant(p.c, p.a, p.key);
    }
    PipeBarrier<PIPE_V>();
    for (int64_t i = 0; i < count; ++i)
      Sub(products[i].upper, products[i].b, products[i].c, lanes_);
    PipeBarrier<PIPE_V>();
  }

  // --- Bits: And and Or exist for 16 bits only ---

  __aicore__ static inline LocalTensor<uint16_t> halves(const LocalTensor<int32_t>& words) {
    return words.ReinterpretCast<uint16_t>();
  }
  __aicore__ static inline LocalTensor<uint32_t> bits(const LocalTensor<int32_t>& words) {
    return words.ReinterpretCast<uint32_t>();
  }
  __aicore__ inline void and_constant(const LocalTensor<int32_t>& dst,
                                      const LocalTensor<int32_t>& src,
                                      const LocalTensor<int32_t>& constant) const {
    And(halves(dst), halves(src), halves(constant), uint64_t{2 * repeat_lanes}, repeats_,
        {1, 1, 1, 8, 8, 0});
  }
  __aicore__ inline void or_constant(const LocalTensor<int32_t>& dst,
                                     const LocalTensor<int32_t>& src,
                                     const LocalTensor<int32_t>& constant) const {
    Or(halves(dst), halves(src), halves(constant), uint64_t{2 * repeat_lanes}, repeats_,
       {1, 1, 1, 8, 8, 0});
  }

  // --- Where things are ---

  // Rounds write to two sets of words in turn.
  __aicore__ inline LocalTensor<int32_t> word(int64_t round, int64_t index) {
    return words_.Get<int32_t>()[static_cast<uint32_t>((round % 2 * 4 + index) * philox_lanes)];
  }
  __aicore__ inline LocalTensor<int32_t> constant(int64_t index) {
    return constants_.Get<int32_t>()[static_cast<uint32_t>(index * repeat_lanes)];
  }
  __aicore__ inline LocalTensor<int32_t> lower_halves() { return constant(constants - 1); }
  __aicore__ inline void set_constant(int64_t index, uint32_t value) {
    Duplicate(constant(index), static_cast<int32_t>(value), static_cast<int32_t>(repeat_lanes));
  }

  uint32_t lanes_ = 0;                    // that are drawn: philox_lanes or fewer
  uint8_t repeats_ = 0;                   // of them
  TBuf<TPosition::VECCALC> words_;        // 2 x (4, philox_lanes)
  TBuf<TPosition::VECCALC> temporaries_;  // (6, philox_lanes)
  TBuf<TPosition::VECCALC> constants_;    // (constants, repeat_lanes)
};

}  // namespace flash
