// The legs of a product on an AIC: GM -> L1 (Nd2Nz) -> L0A, L0B (LoadData) -> L0C (Mmad) -> GM
// (Fixpipe). Each has its own pipe.
//
// Two slots of L0A, L0B and L0C let a leg fill one while the next leg empties the other; a pair of
// events per slot, filled and free, keeps them apart. Events of L1 are its owner's.
#pragma once

#include "kernel_operator.h"

#include "common/workspace.h"

namespace flash {

template <typename T>
class CubeLegs {
 public:
  __aicore__ inline void init(TPipe& pipe) {
    pipe.InitBuffer(l0a_, u32(slots * l0_tile_bytes));
    pipe.InitBuffer(l0b_, u32(slots * l0_tile_bytes));
    pipe.InitBuffer(l0c_, u32(slots * l0c_tile_bytes));
  }

  // --- Slots: taken by turns, waited for until whoever reads them is done ---

  __aicore__ inline uint32_t take_l0() {
    const uint32_t slot = l0_turn_++ % slots;
    WaitFlag<HardEvent::M_MTE1>(l0_free + slot);
    return slot;
  }
  __aicore__ inline uint32_t take_l0c() {
    const uint32_t slot = l0c_turn_++ % slots;
    WaitFlag<HardEvent::FIX_M>(slot);
    return slot;
  }
  __aicore__ inline void all_slots_are_free() {
    for (uint32_t slot = 0; slot < slots; ++slot) {
      SetFlag<HardEvent::M_MTE1>(l0_free + slot);
      SetFlag<HardEvent::FIX_M>(slot);
    }
  }
  // An event left set would break the next kernel on this core.
  __aicore__ inline void wait_for_all_slots() {
    for (uint32_t slot = 0; slot < slots; ++slot) {
      WaitFlag<HardEvent::M_MTE1>(l0_free + slot);
      WaitFlag<HardEvent::FIX_M>(slot);
    }
  }

  // --- GM to L1 ---

  // rows x columns, as strips of 16 columns and 128 rows. Rows up to `padded` become 0: Mmad must
  // not see what an earlier tile left there.
  __aicore__ inline void load_rows(const LocalTensor<T>& l1, const GlobalTensor<T>& gm,
                                   int64_t rows, int64_t padded, int64_t columns, int64_t pitch) {
    Nd2NzParams copy;
    copy.ndNum = 1;
    copy.nValue = u16(rows);
    copy.dValue = u16(columns);
    copy.srcNdMatrixStride = 0;
    copy.srcDValue = u16(pitch);
    copy.dstNzC0Stride = u16(block_k);
    copy.dstNzNStride = 1;
    copy.dstNzMatrixStride = 0;
    if (pitch > 0 && pitch <= max_pitch) {
      DataCopy(l1, gm, copy);
    } else {  // the pitch does not fit its field: row by row
      copy.nValue = 1;
      copy.srcDValue = u16(columns);
      for (int64_t row = 0; row < rows; ++row) {
        DataCopy(l1[u32(row * fractal)], gm[static_cast<uint64_t>(row * pitch)], copy);
      }
    }
    if (rows == padded) return;
    InitConstValueParams<T> zeros;  // blocks of 32 B: one row of one strip
    zeros.repeatTimes = u16(ceil_div(columns, fractal));
    zeros.blockNum = u16(padded - rows);
    zeros.dstGap = u16(block_k - (padded - rows));
    zeros.initValue = T{};
    InitConstValue(l1[u32(rows * fractal)], zeros);
  }

  // --- L1 to L0A and L0B. l1 holds strips of 128 rows; sizes as in the product ---

  // A of rows x depth, as it lies in l1.
  __aicore__ inline void load_a(uint32_t l0, const LocalTensor<T>& l1, int64_t rows,
                                int64_t depth) {
    const int64_t fractals = ceil_div(depth, fractal);
    for (int64_t i = 0; i < ceil_div(rows, fractal); ++i) {
      LoadData(l0a(l0)[u32(i * fractals * fractal_elements)], l1[u32(i * fractal_elements)],
               fractals_of(fractals, block_q / fractal));
    }
  }
  // A of rows x depth; l1 holds its transpose.
  __aicore__ inline void load_a_transposed(uint32_t l0, const LocalTensor<T>& l1, int64_t rows,
                                           int64_t depth) {
    const int64_t fractals = ceil_div(depth, fractal);
    for (int64_t i = 0; i < ceil_div(rows, fractal); ++i) {
      LoadData2DParams load = fractals_of(fractals, 1);
      load.ifTranspose = true;
      LoadData(l0a(l0)[u32(i * fractals * fractal_elements)],
               l1[u32(i * block_q / fractal * fractal_elements)], load);
    }
  }
  // B of depth x columns, as it lies in l1.
  __aicore__ inline void load_b(uint32_t l0, const LocalTensor<T>& l1, int64_t depth,
                                int64_t columns) {
    const int64_t fractals = ceil_div(columns, fractal);
    for (int64_t i = 0; i < ceil_div(depth, fractal); ++i) {
      LoadData2DParams load = fractals_of(fractals, block_k / fractal);
      load.ifTranspose = true;
      LoadData(l0b(l0)[u32(i * fractals * fractal_elements)], l1[u32(i * fractal_elements)], load);
    }
  }
  // B of depth x block_k; l1 holds its transpose, whose fractals, as they lie, are those of B.
  __aicore__ inline void load_b_transposed(uint32_t l0, const LocalTensor<T>& l1, int64_t depth) {
    LoadData(l0b(l0), l1, fractals_of(ceil_div(depth, fractal) * (block_k / fractal), 1));
  }

  // --- L0A and L0B to L0C ---

  // L0C = A B, or += for the later chunks of a sum. Sizes are true ones, except that rows are a
  // multiple of 16: with a single row the cube would read A as a vector.
  __aicore__ inline void multiply(uint32_t c_slot, uint32_t l0, int64_t m, int64_t n, int64_t k,
                                  bool is_first) {
    SetFlag<HardEvent::MTE1_M>(l0);
    WaitFlag<HardEvent::MTE1_M>(l0);
    MmadParams params;
    params.m = u16(m);
    params.n = u16(n);
    params.k = u16(k);
    params.cmatrixInitVal = is_first;
    if (!is_first && (m / fractal) * (n / fractal) < 10) PipeBarrier<PIPE_M>();  // as documented
    Mmad(l0c(c_slot), l0a(l0), l0b(l0), params);
    SetFlag<HardEvent::M_MTE1>(l0_free + l0);
  }

  // --- L0C to GM, row by row ---

  __aicore__ inline void store(const GlobalTensor<float>& gm, uint32_t c_slot, int64_t rows,
                               int64_t columns, int64_t pitch) {
    SetFlag<HardEvent::M_FIX>(c_slot);
    WaitFlag<HardEvent::M_FIX>(c_slot);
    FixpipeParamsV220 params;
    params.nSize = u16(columns);
    params.mSize = u16(rows);
    params.srcStride = u16(round_up(rows, fractal));  // rows of a strip in L0C
    params.dstStride = u32(pitch);
    params.quantPre = NoQuant;
    params.ndNum = 1;
    params.srcNdStride = 0;
    params.dstNdStride = 0;
    Fixpipe<float, float, CFG_ROW_MAJOR>(gm, l0c(c_slot), params);
    SetFlag<HardEvent::FIX_M>(c_slot);
  }

 private:
  static constexpr int64_t fractal_elements = fractal * fractal;
  static constexpr int64_t max_pitch = 65535;  // of Nd2Nz: a field of 16 bits
  static constexpr uint32_t l0_free = 3;       // M_MTE1, and 4: TPipe owns 0, 1 and 2

  __aicore__ inline LoadData2DParams fractals_of(int64_t count, int64_t stride) const {
    LoadData2DParams params;
    params.repeatTimes = static_cast<uint8_t>(count);
    params.srcStride = u16(stride);
    return params;
  }
  __aicore__ inline LocalTensor<T> l0a(uint32_t slot) {
    return l0a_.template Get<T>()[slot * u32(l0_tile_bytes / value_bytes)];
  }
  __aicore__ inline LocalTensor<T> l0b(uint32_t slot) {
    return l0b_.template Get<T>()[slot * u32(l0_tile_bytes / value_bytes)];
  }
  __aicore__ inline LocalTensor<float> l0c(uint32_t slot) {
    return l0c_.template Get<float>()[slot * u32(l0c_tile_bytes / float_bytes)];
  }

  TBuf<TPosition::A2> l0a_;   // 2 x (block_q, chunk)
  TBuf<TPosition::B2> l0b_;   // 2 x (chunk, block_k)
  TBuf<TPosition::CO1> l0c_;  // 2 x (block_q, block_k) fp32
  uint32_t l0_turn_ = 0;
  uint32_t l0c_turn_ = 0;
};

}  // namespace flash
