#include "api/cube.h"

#include "numbers/matmul.h"

namespace emulator {
namespace {

constexpr int64_t fractal_side = 16;
constexpr int64_t a_row = 32;  // bytes of one row of a 16-bit fractal
constexpr int64_t c_row = 64;  // bytes of one row of an fp32 block

// Rows (or columns) 0..rows of an operand whose fractals follow each other in lines of `pitch`:
// lanes 0..depth of each row. Both A (rows of m) and B (columns of n) look like this.
struct Operand {
  Place place;
  int64_t rows;
  int64_t depth;
  int64_t row_step;    // fractals from one block of 16 rows to the next
  int64_t depth_step;  // fractals from one block of 16 lanes to the next
  int64_t offset(int64_t row, int64_t lane) const {
    const int64_t fractal = row / fractal_side * row_step + lane / fractal_side * depth_step;
    return fractal * fractal_bytes + row % fractal_side * a_row;
  }
};

// Only what Mmad documents to use is checked: lanes beyond k and rows beyond m may be anything.
void touch_operand(Instruction& in, const Operand& o) {
  for (int64_t lane = 0; lane < o.depth; lane += fractal_side) {
    const int64_t lanes = std::min(fractal_side, o.depth - lane);
    // whole rows of a fractal follow each other
    const int64_t rows = lanes == fractal_side ? fractal_side : 1;
    for (int64_t row = 0; row < o.rows; row += rows) {
      const int64_t bytes = (std::min(rows, o.rows - row) - 1) * a_row + lanes * 2;
      in.read(o.place, o.offset(row, lane), bytes);
    }
  }
}

void load_operand(const Instruction& in, const Operand& o, Type type, float* panel,
                  int64_t row_pitch, int64_t lane_pitch) {
  const uint8_t* operand = in.bytes_of(o.place, 0);
  for (int64_t lane = 0; lane < o.depth; lane += fractal_side) {
    const int64_t lanes = std::min(fractal_side, o.depth - lane);
    for (int64_t row = 0; row < o.rows; ++row) {
      const uint8_t* from = operand + o.offset(row, lane);
      float values[fractal_side];
      widen(values, from, lanes, type == Type::bf16);
      float* to = panel + row * row_pitch + lane * lane_pitch;
      for (int64_t i = 0; i < lanes; ++i) {
        to[i * lane_pitch] = values[i];
        if (values[i] != values[i] && in.core.options().checked && is_poison(from + 2 * i, type)) {
          in.fail("a value that nothing defined is multiplied: lane " + std::to_string(lane + i) +
                  " of row or column " + std::to_string(row));
        }
      }
    }
  }
}

// A fractal goes to L0 whole. Where some of its rows were loaded after the others had been used,
// the others belong to an earlier tile: they should have been loaded, or zeroed by InitConstValue.
void need_fresh_rows(const Instruction& in, const Place& src, int64_t offset) {
  Core& core = in.core;
  Arena& l1 = core.arena(Memory::l1);
  const int64_t first = (src.start + offset) / block_bytes;
  const auto issued = [&](Who who) -> const Issued& {
    return core.pipes[who.lane() % pipe_count].log[who.sequence() - 1];
  };
  uint64_t newest = 0;
  for (int64_t row = 0; row < fractal_side; ++row) {
    const History& history = l1.history(first + row);
    for (int i = 0; i < history.writes; ++i) {
      newest = std::max(newest, issued(history.write[i].who).order);
    }
  }
  for (int64_t row = 0; row < fractal_side; ++row) {
    const History& history = l1.history(first + row);
    if (history.writes == 0) continue;
    const Issued& writer = issued(history.write[0].who);
    if (std::strcmp(writer.call, "InitConstValue") == 0) continue;
    for (int i = 0; i < history.reads; ++i) {
      if (issued(history.read[i].who).order > newest) continue;
      in.fail("row " + std::to_string(row) + " of the fractal at L1 byte " +
              std::to_string(first * block_bytes) + " is stale: loaded at " +
              to_string(writer.site) + " and used since, other rows were loaded later");
    }
  }
}

void need_16_bits(const Instruction& in, Type type) {
  if (type != Type::f16 && type != Type::bf16) in.fail("operands must be half or bfloat16_t");
}

void check_mmad(const Instruction& in, const Place& c, const Place& a, const Place& b, Type type,
                const AscendC::MmadParams& p) {
  need_16_bits(in, type);
  in.need_memory(a, Memory::l0a, "A");
  in.need_memory(b, Memory::l0b, "B");
  in.need_memory(c, Memory::l0c, "C");
  in.need_aligned(a, 512, "A");
  in.need_aligned(b, 512, "B");
  in.need_aligned(c, 1024, "C");
  in.need_range(p.m, 0, 4095, "m");
  in.need_range(p.n, 0, 4095, "n");
  in.need_range(p.k, 0, 4095, "k");
  if (p.m == 1) in.fail("m is 1, which makes the cube read A as a vector: round m up to 16");
  if (p.unitFlag != 0) in.fail("unitFlag is not modelled");
  if (p.cmatrixSource) in.fail("cmatrixSource (bias table) is not modelled");
}

// 16 columns of C, poison where there are fewer and in the rows beyond m.
void store_column(const Instruction& in, const Place& c, const Panels& panels, int64_t column,
                  int64_t m, int64_t n, int64_t pitch) {
  const int64_t column_bytes = round_up(m, fractal_side) * c_row;
  const int64_t columns = std::min(fractal_side, n - column * fractal_side);
  uint8_t* to = in.bytes_of(c, column * column_bytes);
  for (int64_t i = 0; i < m; ++i) {
    std::memcpy(to + i * c_row, panels.c.data() + i * pitch + column * fractal_side,
                static_cast<size_t>(columns * 4));
    for (int64_t lane = columns; lane < fractal_side; ++lane) {
      std::memcpy(to + i * c_row + 4 * lane, &poison_word, sizeof poison_word);
    }
  }
  const int64_t start = c.start + column * column_bytes;
  in.core.arena(Memory::l0c).fill_with_poison(start + m * c_row, start + column_bytes);
}

}  // namespace

void load_data(const Place& dst, const Place& src, Type type, const AscendC::LoadData2DParams& p,
               Site site) {
  Instruction in(this_core(), PIPE_MTE1, "LoadData", site, p.repeatTimes);
  in.need_memory(src, Memory::l1, "the source");
  if (dst.memory != Memory::l0a && dst.memory != Memory::l0b) {
    in.fail("the destination must be in L0A or L0B");
  }
  in.need_aligned(dst, fractal_bytes, "the destination");
  in.need_aligned(src, block_bytes, "the source");
  if (p.ifTranspose && size_of(type) != 2) in.fail("ifTranspose is for 16-bit types");
  if (p.addrMode != 0) in.fail("addrMode 1 (descending) is not modelled");
  const auto source = [=](int64_t i) { return (p.startIndex + i * p.srcStride) * fractal_bytes; };
  const bool checked = in.core.options().checked;
  for (int64_t i = 0; i < p.repeatTimes; ++i) {
    in.need_bounds(src, source(i), fractal_bytes);
    if (checked) need_fresh_rows(in, src, source(i));
    in.read(src, source(i), fractal_bytes);
  }
  const auto target = [=](int64_t i) { return i * (1 + p.dstGap) * fractal_bytes; };
  for (int64_t i = 0; i < p.repeatTimes; ++i) in.write(dst, target(i), fractal_bytes);
  in.run([=](const Instruction& it) {
    for (int64_t i = 0; i < p.repeatTimes; ++i) {
      uint8_t* to = it.bytes_of(dst, target(i));
      const uint8_t* from = it.bytes_of(src, source(i));
      if (!p.ifTranspose) {
        std::memcpy(to, from, fractal_bytes);
        continue;
      }
      for (int64_t r = 0; r < fractal_side; ++r) {
        for (int64_t c = 0; c < fractal_side; ++c) {
          std::memcpy(to + c * a_row + 2 * r, from + r * a_row + 2 * c, 2);
        }
      }
    }
  });
  const Path path = dst.memory == Memory::l0a ? Path::l1_l0a : Path::l1_l0b;
  in.core.counters.bytes[static_cast<int>(path)] +=
      static_cast<uint64_t>(p.repeatTimes) * fractal_bytes;
}

void mmad(const Place& c, const Place& a, const Place& b, Type type, const AscendC::MmadParams& p,
          Site site) {
  Instruction in(this_core(), PIPE_M, "Mmad", site);
  check_mmad(in, c, a, b, type, p);
  if (p.m == 0 || p.n == 0 || p.k == 0) return;
  const int64_t m = p.m;
  const int64_t n = p.n;
  const int64_t k = p.k;
  // Back to back on one tile: small ones overtake each other, so that a PipeBarrier<PIPE_M> is due.
  in.may_accumulate = (m / fractal_side) * (n / fractal_side) >= 10;
  const int64_t k_fractals = ceil_div(k, fractal_side);
  const int64_t n_fractals = ceil_div(n, fractal_side);
  const int64_t pitch = round_up(n, matmul_columns);
  const Operand left{a, m, k, k_fractals, 1};
  const Operand right{b, n, k, 1, n_fractals};
  touch_operand(in, left);
  touch_operand(in, right);
  const int64_t column_bytes = round_up(m, fractal_side) * c_row;  // of 16 columns of C
  const bool adds = !p.cmatrixInitVal;
  for (int64_t j = 0; j < n_fractals && adds; ++j) in.read(c, j * column_bytes, m * c_row);
  for (int64_t j = 0; j < n_fractals; ++j) {
    in.write(c, j * column_bytes, column_bytes);
    // Whether rows m..align16(m) are written is not documented.
    in.core.arena(Memory::l0c)
        .forget(c.start + j * column_bytes + m * c_row, c.start + (j + 1) * column_bytes);
  }
  in.run([=](const Instruction& it) {
    Panels& panels = it.core.panels;
    panels.resize(m, pitch, k);
    load_operand(it, left, type, panels.a.data(), k, 1);
    load_operand(it, right, type, panels.b.data(), 1, pitch);
    for (int64_t j = 0; j < n_fractals && adds; ++j) {
      const uint8_t* from = it.bytes_of(c, j * column_bytes);
      for (int64_t i = 0; i < m; ++i) {
        std::memcpy(panels.c.data() + i * pitch + j * fractal_side, from + i * c_row, c_row);
      }
    }
    const Options& options = it.core.options();
    multiply(panels, m, pitch, k, adds, {options.mmad_order, options.mmad_truncates});
    for (int64_t j = 0; j < n_fractals; ++j) store_column(it, c, panels, j, m, n, pitch);
  });
  in.core.counters.pipes[PIPE_M].macs += static_cast<uint64_t>(m * n * k);
}

void fixpipe(const Place& dst, const Place& src, Type type, const AscendC::FixpipeParamsV220& p,
             Site site) {
  Instruction in(this_core(), PIPE_FIX, "Fixpipe", site, p.mSize);
  in.need_memory(src, Memory::l0c, "the source");
  in.need_memory(dst, Memory::gm, "the destination");
  in.need_aligned(src, 64, "the source");
  in.need_range(p.nSize, 0, 4095, "nSize");
  in.need_range(p.mSize, 0, 8192, "mSize");
  if (p.nSize % 16 != 0)
    in.fail("nSize is " + std::to_string(p.nSize) + ": must be a multiple of 16");
  if (p.ndNum != 1) in.fail("ndNum above 1 is not modelled");
  if (p.unitFlag != 0 || p.reluEn || p.isChannelSplit) {
    in.fail("unitFlag, reluEn and isChannelSplit are not modelled");
  }
  const QuantMode_t wanted = type == Type::f32 ? NoQuant : type == Type::f16 ? F322F16 : F322BF16;
  if (size_of(type) == 1 || type == Type::i16 || type == Type::u16 || p.quantPre != wanted) {
    in.fail(std::string("quantPre does not fit the destination's type ") + name_of(type));
  }
  in.adds = in.core.adds_atomically;
  if (in.adds && type != Type::f32) in.fail("atomic add is set for float");
  if (p.nSize == 0 || p.mSize == 0) return;
  if (p.srcStride != round_up(p.mSize, fractal_side)) {
    in.fail("srcStride is " + std::to_string(p.srcStride) + ": must be mSize rounded up to 16, " +
            std::to_string(round_up(p.mSize, fractal_side)));
  }
  if (p.dstStride == 0) in.fail("dstStride is 0: give the elements of a row of GM");
  const int64_t size = size_of(type);
  if (p.dstStride < p.nSize && p.mSize > 1) in.fail("dstStride is below nSize: rows would overlap");
  const int64_t columns = p.nSize / fractal_side;
  const int64_t column_bytes = p.srcStride * c_row;
  for (int64_t j = 0; j < columns; ++j) in.read(src, j * column_bytes, p.mSize * c_row);
  for (int64_t i = 0; i < p.mSize; ++i) in.write(dst, i * p.dstStride * size, p.nSize * size);
  in.run([=](const Instruction& it) {
    std::vector<uint8_t> row(static_cast<size_t>(p.nSize * size));
    for (int64_t i = 0; i < p.mSize; ++i) {
      for (int64_t j = 0; j < columns; ++j) {
        const uint8_t* from = it.bytes_of(src, j * column_bytes + i * c_row);
        uint8_t* part = row.data() + j * fractal_side * size;
        if (type == Type::f32) {
          std::memcpy(part, from, c_row);
        } else {
          narrow(part, from, fractal_side, type == Type::bf16, it.core.options().saturate);
        }
      }
      store_gm(it, dst, i * p.dstStride * size, row.data(), p.nSize * size, type);
    }
  });
  in.core.counters.bytes[static_cast<int>(Path::l0c_gm)] +=
      static_cast<uint64_t>(p.mSize * p.nSize * size);
}

}  // namespace emulator
