#include "api/data_copy.h"

#include <algorithm>
#include <array>
#include <initializer_list>

#include "machine/group.h"
#include "numbers/scramble.h"

namespace emulator {
namespace {

using AscendC::DataCopyExtParams;
using AscendC::DataCopyParams;
using AscendC::Nd2NzParams;

bool is_gm(const Place& place) {
  return place.memory == Memory::gm;
}

void need_in_memory(const Instruction& in, const Place& local, bool from_gm) {
  const bool l1 = from_gm && local.memory == Memory::l1;
  if (!l1 && local.memory != Memory::ub) {
    in.fail(from_gm ? "a copy from GM ends in UB or L1" : "a copy to GM starts in UB");
  }
  in.need_aligned(local, block_bytes, "the local tensor");
}

void count_bytes(Core& core, Path path, int64_t bytes) {
  core.counters.bytes[static_cast<int>(path)] += static_cast<uint64_t>(bytes);
}

void count_in(Core& core, const Place& dst, int64_t bytes) {
  count_bytes(core, dst.memory == Memory::l1 ? Path::gm_l1 : Path::gm_ub, bytes);
}

// Rows of `length` bytes with a pitch on each side, read and ordered first, then written.
struct Rows {
  int64_t count;
  int64_t length;
  int64_t src_pitch;
  int64_t dst_pitch;
};

void move_rows(Instruction& in, const Place& dst, const Place& src, const Rows& rows, Type type) {
  for (int64_t r = 0; r < rows.count; ++r) in.read(src, r * rows.src_pitch, rows.length);
  for (int64_t r = 0; r < rows.count; ++r) in.write(dst, r * rows.dst_pitch, rows.length);
  in.run([=](const Instruction& it) {
    for (int64_t r = 0; r < rows.count; ++r) {
      const uint8_t* from = it.bytes_of(src, r * rows.src_pitch);
      if (is_gm(dst)) {
        store_gm(it, dst, r * rows.dst_pitch, from, rows.length, type);
      } else {
        uint8_t* to = it.bytes_of(dst, r * rows.dst_pitch);
        std::memcpy(to, from, static_cast<size_t>(rows.length));
      }
    }
  });
}

void check_atomic(Instruction& in, Type type) {
  in.adds = in.core.adds_atomically;
  if (in.adds && type != Type::f32) in.fail("atomic add is set for float");
}

Rows rows_of(const Instruction& in, const DataCopyParams& p) {
  in.need_range(p.blockCount, 1, 4095, "blockCount");
  in.need_range(p.blockLen, 1, 65535, "blockLen");
  const int64_t length = p.blockLen * block_bytes;
  return Rows{p.blockCount, length, length + p.srcStride * block_bytes,
              length + p.dstStride * block_bytes};
}

// Bytes [first, last) of a row.
void fill_from_seed(uint8_t* row, int64_t first, int64_t last, uint32_t seed) {
  for (int64_t at = first; at < last; ++at) {
    row[at] = static_cast<uint8_t>(scramble(static_cast<uint32_t>(at), seed) >> 24);
  }
}

// Documented as nothing, yet the instruction takes its place in the queue.
bool moves_nothing(const Instruction& in, std::initializer_list<int64_t> sizes) {
  if (std::find(sizes.begin(), sizes.end(), 0) == sizes.end()) return false;
  in.note("a transfer of length 0: leave the call out");
  return true;
}

}  // namespace

bool is_poison(const uint8_t* at, Type type) {
  if (type == Type::f32) {
    uint32_t word = 0;
    std::memcpy(&word, at, sizeof word);
    return word == poison_word;
  }
  constexpr uint16_t poison_half = static_cast<uint16_t>(poison_word);
  constexpr uint16_t poison_cast_to_half = 0x7E0B;
  uint16_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return word == poison_half || (type == Type::f16 && word == poison_cast_to_half);
}

void store_gm(const Instruction& in, const Place& dst, int64_t offset, const uint8_t* src,
              int64_t bytes, Type type) {
  const bool is_float = type == Type::f32 || type == Type::f16 || type == Type::bf16;
  const bool is_output = in.core.group->gm().tensor(dst.owner).kind == GmKind::output;
  for (int64_t i = 0; in.core.options().checked && is_float && is_output && i < bytes;
       i += size_of(type)) {
    if (!is_poison(src + i, type)) continue;
    const int64_t first = dst.start + offset + i;
    in.fail("a value that nothing defined reaches " +
            text_of(in.core, dst, first, first + size_of(type)));
  }
  uint8_t* to = in.bytes_of(dst, offset);
  if (!in.adds) {
    std::memcpy(to, src, static_cast<size_t>(bytes));
    return;
  }
  const std::lock_guard<std::mutex> lock(in.core.group->gm().add_mutex());
  for (int64_t i = 0; i < bytes; i += 4) {
    float sum = 0;
    float term = 0;
    std::memcpy(&sum, to + i, sizeof sum);
    std::memcpy(&term, src + i, sizeof term);
    sum += term;
    std::memcpy(to + i, &sum, sizeof sum);
  }
}

void copy_in(const Place& dst, const Place& src, Type type, const DataCopyParams& p, Site site) {
  Instruction in(this_core(), PIPE_MTE2, "DataCopy", site, p.blockCount);
  need_in_memory(in, dst, true);
  const Rows rows = rows_of(in, p);
  move_rows(in, dst, src, rows, type);
  count_in(in.core, dst, rows.count * rows.length);
}

void copy_out(const Place& dst, const Place& src, Type type, const DataCopyParams& p, Site site) {
  Instruction in(this_core(), PIPE_MTE3, "DataCopy", site, p.blockCount);
  need_in_memory(in, src, false);
  check_atomic(in, type);
  const Rows rows = rows_of(in, p);
  move_rows(in, dst, src, rows, type);
  count_bytes(in.core, Path::ub_gm, rows.count * rows.length);
}

void copy_count(const Place& dst, const Place& src, Type type, int64_t count, Site site) {
  const bool out = is_gm(dst);
  Instruction in(this_core(), out ? PIPE_MTE3 : PIPE_MTE2, "DataCopy", site);
  need_in_memory(in, out ? src : dst, !out);
  if (out) check_atomic(in, type);
  const int64_t bytes = count * size_of(type);
  if (bytes == 0 || bytes % block_bytes != 0) {
    in.fail("count is " + std::to_string(count) + ", " + std::to_string(bytes) +
            " B: must be a multiple of 32 B");
  }
  move_rows(in, dst, src, Rows{1, bytes, 0, 0}, type);
  if (out) {
    count_bytes(in.core, Path::ub_gm, bytes);
  } else {
    count_in(in.core, dst, bytes);
  }
}

void copy_pad_in(const Place& dst, const Place& src, Type type, const DataCopyExtParams& p,
                 const PadRequest& pad, Site site) {
  Instruction in(this_core(), PIPE_MTE2, "DataCopyPad", site, p.blockCount);
  const int64_t size = size_of(type);
  in.need_memory(dst, Memory::ub, "the destination");
  in.need_aligned(dst, block_bytes, "the destination");
  in.need_range(p.blockCount, 0, 4095, "blockCount");
  in.need_range(p.blockLen, 0, 2097151, "blockLen");
  in.need_range(pad.left * size, 0, block_bytes, "leftPadding in bytes");
  in.need_range(pad.right * size, 0, block_bytes, "rightPadding in bytes");
  if (p.blockLen % size != 0) in.fail("blockLen is not a multiple of the element size");
  if (moves_nothing(in, {p.blockCount, p.blockLen})) return;
  const int64_t left = pad.left * size;
  const int64_t length = p.blockLen;
  const int64_t used = left + length + pad.right * size;
  const int64_t width = round_up(used, block_bytes);
  const int64_t src_pitch = length + p.srcStride;
  const int64_t dst_pitch = width + p.dstStride * block_bytes;
  for (int64_t r = 0; r < p.blockCount; ++r) in.read(src, r * src_pitch, length);
  const bool first_element = pad.left == 0 && pad.right == 0;
  const bool by_seed = first_element && !pad.fills && in.core.options().random_padding;
  const bool random = !first_element && !pad.fills;  // the lanes around the data
  Arena& arena = in.core.arena(dst.memory);
  const auto around_data = [=, &arena](int64_t r, void (Arena::*act)(int64_t, int64_t)) {
    const int64_t row = dst.start + r * dst_pitch;
    (arena.*act)(row, row + left);
    (arena.*act)(row + left + length, row + width);
  };
  for (int64_t r = 0; r < p.blockCount; ++r) {
    in.write(dst, r * dst_pitch, width);
    if (random) around_data(r, &Arena::forget);
  }
  in.run([=](const Instruction& it) {
    for (int64_t r = 0; r < p.blockCount; ++r) {
      const uint8_t* from = it.bytes_of(src, r * src_pitch);
      uint8_t* to = it.bytes_of(dst, r * dst_pitch);
      const uint8_t* fill = first_element ? from : pad.value;
      for (int64_t at = 0; at < width; at += size) {
        const bool data = at >= left && at < left + length;
        const uint8_t* lane = data ? from + (at - left) : fill;
        std::memcpy(to + at, lane, static_cast<size_t>(size));
      }
      if (random) around_data(r, &Arena::fill_with_poison);
      if (by_seed) fill_from_seed(to, length, width, fold(it.core.options().seed));
    }
  });
  count_in(in.core, dst, p.blockCount * length);
}

void copy_pad_out(const Place& dst, const Place& src, Type type, const DataCopyExtParams& p,
                  Site site) {
  Instruction in(this_core(), PIPE_MTE3, "DataCopyPad", site, p.blockCount);
  in.need_memory(src, Memory::ub, "the source");
  in.need_aligned(src, block_bytes, "the source");
  in.need_range(p.blockCount, 0, 4095, "blockCount");
  in.need_range(p.blockLen, 0, 2097151, "blockLen");
  check_atomic(in, type);
  if (p.blockLen % size_of(type) != 0) in.fail("blockLen is not a multiple of the element size");
  if (moves_nothing(in, {p.blockCount, p.blockLen})) return;
  const int64_t length = p.blockLen;
  const int64_t src_pitch = round_up(length, block_bytes) + p.srcStride * block_bytes;
  move_rows(in, dst, src, Rows{p.blockCount, length, src_pitch, length + p.dstStride}, type);
  count_bytes(in.core, Path::ub_gm, p.blockCount * length);
}

void copy_nd2nz(const Place& dst, const Place& src, Type type, const Nd2NzParams& p, Site site) {
  Instruction in(this_core(), PIPE_MTE2, "DataCopy(Nd2Nz)", site,
                 static_cast<uint64_t>(p.ndNum) * p.nValue);
  in.need_memory(dst, Memory::l1, "the destination");
  in.need_aligned(dst, block_bytes, "the destination");
  in.need_range(p.ndNum, 0, 4095, "ndNum");
  in.need_range(p.nValue, 0, 16384, "nValue");
  if (moves_nothing(in, {p.ndNum, p.nValue, p.dValue})) return;
  in.need_range(p.srcDValue, 1, 65535, "srcDValue");
  in.need_range(p.dstNzC0Stride, 1, 16384, "dstNzC0Stride");
  in.need_range(p.dstNzNStride, 1, 16384, "dstNzNStride");
  in.need_range(p.dstNzMatrixStride, 0, 65535, "dstNzMatrixStride");
  const int64_t size = size_of(type);
  const int64_t row_bytes = p.dValue * size;
  const int64_t fractal_columns = ceil_div(row_bytes, block_bytes);
  const int64_t row_pitch = p.dstNzNStride * block_bytes;
  const int64_t column_pitch = p.dstNzC0Stride * block_bytes;
  const auto source_of = [=](int64_t nd, int64_t row) {
    return (nd * p.srcNdMatrixStride + row * p.srcDValue) * size;
  };
  for (int64_t nd = 0; nd < p.ndNum; ++nd) {
    for (int64_t row = 0; row < p.nValue; ++row) in.read(src, source_of(nd, row), row_bytes);
  }
  const auto for_each_block = [=](const auto& act) {
    for (int64_t nd = 0; nd < p.ndNum; ++nd) {
      const int64_t matrix = nd * p.dstNzMatrixStride * size;
      for (int64_t c = 0; c < fractal_columns; ++c) {
        const int64_t bytes = std::min(block_bytes, row_bytes - c * block_bytes);
        for (int64_t row = 0; row < p.nValue; ++row) {
          act(matrix + c * column_pitch + row * row_pitch, source_of(nd, row) + c * block_bytes,
              bytes);
        }
      }
    }
  };
  for_each_block([&](int64_t to, int64_t, int64_t) { in.write(dst, to, block_bytes); });
  in.run([=](const Instruction& it) {
    uint8_t* nz = it.bytes_of(dst, 0);
    const uint8_t* nd = it.bytes_of(src, 0);
    for_each_block([&](int64_t to_offset, int64_t from_offset, int64_t bytes) {
      uint8_t* to = nz + to_offset;
      std::memcpy(to, nd + from_offset, static_cast<size_t>(bytes));
      std::memset(to + bytes, 0, static_cast<size_t>(block_bytes - bytes));
    });
  });
  count_in(in.core, dst, p.ndNum * p.nValue * row_bytes);
}

void init_const(const Place& dst, int64_t size, const uint8_t* value, int64_t repeats,
                int64_t blocks, int64_t gap, Site site) {
  const bool l1 = dst.memory == Memory::l1;
  Instruction in(this_core(), l1 ? PIPE_MTE2 : PIPE_MTE1, "InitConstValue", site,
                 static_cast<uint64_t>(repeats));
  if (!l1 && dst.memory != Memory::l0a && dst.memory != Memory::l0b) {
    in.fail("the destination must be in L1, L0A or L0B");
  }
  const int64_t unit = l1 ? block_bytes : fractal_bytes;
  in.need_aligned(dst, unit, "the destination");
  in.need_range(repeats, 0, 32767, "repeatTimes");
  in.need_range(blocks, 0, 32767, "blockNum");
  in.need_range(gap, 0, 32767, "dstGap");
  if (blocks == 0) return;
  const auto row = [=](int64_t r) { return r * (blocks + gap) * unit; };
  for (int64_t r = 0; r < repeats; ++r) in.write(dst, row(r), blocks * unit);
  std::array<uint8_t, 8> element{};
  std::memcpy(element.data(), value, static_cast<size_t>(size));
  in.run([=](const Instruction& it) {
    for (int64_t r = 0; r < repeats; ++r) {
      uint8_t* to = it.bytes_of(dst, row(r));
      for (int64_t i = 0; i < blocks * unit; i += size) {
        std::memcpy(to + i, element.data(), static_cast<size_t>(size));
      }
    }
  });
}

void set_atomic(Type type, bool on, Site site) {
  Core& core = this_core();
  if (type != Type::f32) core.fail("SetAtomicAdd", site, "modelled for float only");
  core.adds_atomically = on;
}

}  // namespace emulator
