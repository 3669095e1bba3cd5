// The vector mask: which lanes an instruction covers, and the register it leaves behind.
#include "machine/operands.h"

namespace emulator {

Shape shape_of(Instruction& in, const Repeat& repeat, int64_t widest) {
  const int64_t lanes = repeat_bytes / widest;
  VectorMask& mask = in.core.mask;
  Shape shape{repeat.repeats, lanes, lanes, true, lanes, {~uint64_t{0}, ~uint64_t{0}}};
  const auto count_to = [&](int64_t n) {
    if (n <= 0) in.fail("count is " + std::to_string(n));
    shape.repeats = ceil_div(n, lanes);
    shape.last = n - (shape.repeats - 1) * lanes;
  };
  const auto bits_to = [&](uint64_t low, uint64_t high) {
    if (lanes <= 64 && high != 0) in.fail("the mask has lanes above 63, but a repeat has 64");
    if (low == 0 && high == 0) in.fail("the mask has no lane");
    shape.bits[0] = low;
    shape.bits[1] = high;
    int64_t first_ones = 0;
    while (first_ones < lanes && ((shape.bits[first_ones / 64] >> (first_ones % 64)) & 1u) != 0) {
      ++first_ones;
    }
    int64_t ones = 0;
    for (int64_t i = 0; i < 128; ++i)
      ones += static_cast<int64_t>((shape.bits[i / 64] >> (i % 64)) & 1u);
    shape.prefix = first_ones == ones || first_ones == lanes;
    shape.active = shape.last = first_ones;
  };
  switch (repeat.kind) {
    case Repeat::Kind::count:
      count_to(repeat.n);
      mask = VectorMask{};  // a count form leaves normal mode and a full mask behind
      break;
    case Repeat::Kind::consecutive:
      if (mask.counts) in.fail("the mask form in counter mode: SetMaskNorm first");
      in.need_range(repeat.n, 1, lanes, "mask");
      shape.active = shape.last = repeat.n;
      mask.bits[0] = repeat.n >= 64 ? ~uint64_t{0} : (uint64_t{1} << repeat.n) - 1;
      mask.bits[1] = repeat.n <= 64    ? 0
                     : repeat.n >= 128 ? ~uint64_t{0}
                                       : (uint64_t{1} << (repeat.n - 64)) - 1;
      break;
    case Repeat::Kind::bits:
      if (mask.counts) in.fail("the mask form in counter mode: SetMaskNorm first");
      bits_to(repeat.low, repeat.high);
      mask.bits[0] = repeat.low;
      mask.bits[1] = repeat.high;
      break;
    case Repeat::Kind::from_register:
      if (mask.counts) {
        count_to(mask.count);
      } else {
        bits_to(mask.bits[0], lanes <= 64 ? 0 : mask.bits[1]);
      }
      break;
  }
  in.core.counters.pipes[PIPE_V].repeats += static_cast<uint64_t>(shape.repeats);
  return shape;
}

void set_mask_mode(bool counts) {
  this_core().mask.counts = counts;
}

void set_vector_mask(bool counts, uint64_t high, uint64_t low, Site site) {
  VectorMask& mask = this_core().mask;
  if (counts != mask.counts) {
    this_core().fail("SetVectorMask", site, "the mode differs from SetMaskCount or SetMaskNorm");
  }
  if (counts) {
    mask.count = static_cast<int64_t>(low);
  } else {
    mask.bits[0] = low;
    mask.bits[1] = high;
  }
}

}  // namespace emulator
