// The AIC's part of the forward: S = Q K^T and P V, tile by tile.
//
// Each product takes the way GM -> L1 (Nd2Nz) -> L0A, L0B (LoadData) -> L0C (Mmad) -> GM (Fixpipe),
// and each leg has its own pipe. Two slots of every buffer let a leg fill one while the next leg
// empties the other; a pair of events per slot, filled and free, keeps them apart.
#pragma once

#include "steps.h"
#include "workspace.h"

namespace flash {

template <typename T>
class CubeCore {
 public:
  __aicore__ inline void init(const Addresses& addresses, const Tiling& tiling) {
    tiling_ = &tiling;
    tables_ = addresses.tables;
    workspace_.init(addresses.workspace, GetBlockIdx(), tiling.head_dim_v);
    q_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(addresses.q));
    k_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(addresses.k));
    v_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(addresses.v));
    const int64_t d = round_up(tiling.head_dim, fractal);
    const int64_t d_v = round_up(tiling.head_dim_v, fractal);
    pipe_.InitBuffer(q_l1_, u32(block_q * d * value_bytes));
    pipe_.InitBuffer(k_l1_, u32(slots * block_k * d * value_bytes));
    pipe_.InitBuffer(v_l1_, u32(slots * block_k * d_v * value_bytes));
    pipe_.InitBuffer(p_l1_, u32(slots * block_q * block_k * value_bytes));
    pipe_.InitBuffer(l0a_, u32(slots * l0_tile_bytes));
    pipe_.InitBuffer(l0b_, u32(slots * l0_tile_bytes));
    pipe_.InitBuffer(l0c_, u32(slots * l0c_tile_bytes));
  }

  // Two steps deep: the cube multiplies Q K^T of the next tile while the AIVs turn this one's
  // scores into weights.
  __aicore__ inline void process() {
    Steps steps;
    steps.init(tables_, *tiling_, GetBlockIdx());
    Step step;
    Step following;
    all_slots_are_free();
    bool more = steps.next(step);
    if (more) compute_scores(step);
    while (more) {
      more = steps.next(following);
      if (more) compute_scores(following);
      multiply_values(step);
      step = following;
    }
    wait_for_all_slots();
  }

 private:
  // S = Q K^T, without scale and mask: those are the AIVs'.
  __aicore__ inline void compute_scores(const Step& step) {
    const Tile& tile = step.tile;
    const uint32_t slot = step.slot();
    const int64_t d = tiling_->head_dim;
    const LocalTensor<T> q = q_l1_.template Get<T>();
    const LocalTensor<T> k = k_l1_.template Get<T>()[slot * tile_elements(d)];

    if (step.is_first) {
      WaitFlag<HardEvent::MTE1_MTE2>(q_free);
      const uint64_t row = static_cast<uint64_t>(query_at(tiling_->q, tile, 0));
      load_rows(q, q_[row], tile.rows, padded_rows(tile), d, tiling_->q.seqlen);
    }
    WaitFlag<HardEvent::MTE1_MTE2>(k_free + slot);
    // All 128 rows of K are defined, so that all 128 columns of S are; masking comes later.
    const uint64_t row = first_key_at(tiling_->k, tile);
    load_rows(k, k_[row], tile.keys, block_k, d, tiling_->k.seqlen);
    SetFlag<HardEvent::MTE2_MTE1>(slot);
    WaitFlag<HardEvent::MTE2_MTE1>(slot);

    const uint32_t c_slot = take_l0c();
    for (int64_t from = 0; from < d; from += chunk) {
      const uint16_t depth = u16(min_of(chunk, d - from));
      const uint32_t l0 = take_l0();
      load_a(l0, q[u32(from * block_q)], padded_rows(tile), depth);
      // K's fractals, as they lie, are those of K^T as the right operand.
      const uint16_t fractals = u16(ceil_div(depth, fractal) * (block_k / fractal));
      LoadData(l0b(l0), k[u32(from * block_k)], fractals_of(fractals, 1));
      multiply(c_slot, l0, padded_rows(tile), u16(block_k), depth, from == 0);
    }
    SetFlag<HardEvent::MTE1_MTE2>(k_free + slot);
    if (step.is_last) SetFlag<HardEvent::MTE1_MTE2>(q_free);

    store(workspace_.scores[slot], c_slot, padded_rows(tile), u16(block_k), u32(block_k));
    CrossCoreSetFlag<aic_with_aivs, PIPE_FIX>(scores_ready);
  }

  // P V of this tile alone: the AIVs add it to what they have of the earlier tiles.
  __aicore__ inline void multiply_values(const Step& step) {
    const Tile& tile = step.tile;
    const uint32_t slot = step.slot();
    const int64_t d = tiling_->head_dim_v;
    const LocalTensor<T> v = v_l1_.template Get<T>()[slot * tile_elements(d)];
    const LocalTensor<T> p = p_l1_.template Get<T>()[slot * tile_elements(block_k)];

    WaitFlag<HardEvent::MTE1_MTE2>(v_free + slot);
    const uint64_t row = first_key_at(tiling_->v, tile);
    load_rows(v, v_[row], tile.keys, round_up(tile.keys, fractal), d, tiling_->v.seqlen);
    CrossCoreWaitFlag(weights_ready);
    load_rows(p, workspace_.weights[slot], padded_rows(tile), padded_rows(tile), block_k, block_k);
    SetFlag<HardEvent::MTE2_MTE1>(slot);
    WaitFlag<HardEvent::MTE2_MTE1>(slot);

    for (int64_t from = 0; from < d; from += chunk) {
      const uint16_t columns = u16(round_up(min_of(chunk, d - from), fractal));
      const uint32_t l0 = take_l0();
      load_a(l0, p, padded_rows(tile), u16(tile.keys));
      for (int64_t i = 0; i < ceil_div(tile.keys, fractal); ++i) {
        LoadData2DParams load = fractals_of(u16(columns / fractal), u16(block_k / fractal));
        load.ifTranspose = true;
        LoadData(l0b(l0)[u32(i * columns * fractal)], v[u32(from * block_k + i * fractal_elements)],
                 load);
      }
      const uint32_t c_slot = take_l0c();
      multiply(c_slot, l0, padded_rows(tile), columns, u16(tile.keys), true);
      store(workspace_.partial[slot][static_cast<uint64_t>(from)], c_slot, padded_rows(tile),
            columns, u32(round_up(d, fractal)));
    }
    SetFlag<HardEvent::MTE1_MTE2>(v_free + slot);
    CrossCoreSetFlag<aic_with_aivs, PIPE_FIX>(partial_ready);
  }

  // --- The legs ---

  // GM to L1: rows x columns, as strips of 16 columns and 128 rows. Rows up to `padded` become 0:
  // Mmad must not see what an earlier tile left there.
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

  // L1 to L0A: from strips to rows of fractals.
  __aicore__ inline void load_a(uint32_t l0, const LocalTensor<T>& l1, uint16_t rows,
                                uint16_t depth) {
    const uint16_t fractals = u16(ceil_div(depth, fractal));
    for (int64_t i = 0; i < rows / fractal; ++i) {
      LoadData(l0a(l0)[u32(i * fractals * fractal_elements)], l1[u32(i * fractal_elements)],
               fractals_of(fractals, u16(block_q / fractal)));
    }
  }

  // L0C = A B, or += for the later chunks of a sum. Sizes are true ones, except that rows are a
  // multiple of 16: with a single row the cube would read A as a vector.
  __aicore__ inline void multiply(uint32_t c_slot, uint32_t l0, uint16_t m, uint16_t n, uint16_t k,
                                  bool is_first) {
    SetFlag<HardEvent::MTE1_M>(l0);
    WaitFlag<HardEvent::MTE1_M>(l0);
    MmadParams params;
    params.m = m;
    params.n = n;
    params.k = k;
    params.cmatrixInitVal = is_first;
    if (!is_first && (m / fractal) * (n / fractal) < 10) PipeBarrier<PIPE_M>();  // as documented
    Mmad(l0c(c_slot), l0a(l0), l0b(l0), params);
    SetFlag<HardEvent::M_MTE1>(l0_free + l0);
  }

  // L0C to the workspace, row by row.
  __aicore__ inline void store(const GlobalTensor<float>& gm, uint32_t c_slot, uint16_t rows,
                               uint16_t columns, uint32_t pitch) {
    SetFlag<HardEvent::M_FIX>(c_slot);
    WaitFlag<HardEvent::M_FIX>(c_slot);
    FixpipeParamsV220 params;
    params.nSize = columns;
    params.mSize = rows;
    params.srcStride = rows;
    params.dstStride = pitch;
    params.quantPre = NoQuant;
    params.ndNum = 1;
    params.srcNdStride = 0;
    params.dstNdStride = 0;
    Fixpipe<float, float, CFG_ROW_MAJOR>(gm, l0c(c_slot), params);
    SetFlag<HardEvent::FIX_M>(c_slot);
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
    SetFlag<HardEvent::MTE1_MTE2>(q_free);
    for (uint32_t slot = 0; slot < slots; ++slot) {
      SetFlag<HardEvent::MTE1_MTE2>(k_free + slot);
      SetFlag<HardEvent::MTE1_MTE2>(v_free + slot);
      SetFlag<HardEvent::M_MTE1>(l0_free + slot);
      SetFlag<HardEvent::FIX_M>(slot);
    }
  }
  // An event left set would break the next kernel on this core.
  __aicore__ inline void wait_for_all_slots() {
    WaitFlag<HardEvent::MTE1_MTE2>(q_free);
    for (uint32_t slot = 0; slot < slots; ++slot) {
      WaitFlag<HardEvent::MTE1_MTE2>(k_free + slot);
      WaitFlag<HardEvent::MTE1_MTE2>(v_free + slot);
      WaitFlag<HardEvent::M_MTE1>(l0_free + slot);
      WaitFlag<HardEvent::FIX_M>(slot);
    }
  }

  // --- Sizes and places ---

  static constexpr int64_t fractal_elements = fractal * fractal;
  static constexpr int64_t max_pitch = 65535;  // of Nd2Nz: a field of 16 bits

  // Event ids. MTE1_MTE2: what L1 holds has been read. P shares its event with V, it is loaded
  // after it and read with it.
  static constexpr uint32_t q_free = 0;
  static constexpr uint32_t k_free = 1;   // and 2
  static constexpr uint32_t v_free = 3;   // and 4
  static constexpr uint32_t l0_free = 3;  // M_MTE1, and 4: TPipe owns 0, 1 and 2

  __aicore__ inline uint32_t tile_elements(int64_t columns) const {
    return u32(block_k * round_up(columns, fractal));
  }
  __aicore__ inline uint16_t padded_rows(const Tile& tile) const {
    return u16(round_up(tile.rows, fractal));
  }
  __aicore__ inline uint64_t first_key_at(const Strides& s, const Tile& tile) const {
    return static_cast<uint64_t>(key_at(s, tile, head_k_of(*tiling_, tile)));
  }
  __aicore__ inline LoadData2DParams fractals_of(uint16_t count, uint16_t stride) const {
    LoadData2DParams params;
    params.repeatTimes = static_cast<uint8_t>(count);
    params.srcStride = stride;
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

  const Tiling* tiling_ = nullptr;
  GM_ADDR tables_ = nullptr;
  Workspace<T> workspace_;
  GlobalTensor<T> q_;
  GlobalTensor<T> k_;
  GlobalTensor<T> v_;
  TPipe pipe_;
  TBuf<TPosition::A1> q_l1_;  // (block_q, head_dim)
  TBuf<TPosition::B1> k_l1_;  // 2 x (block_k, head_dim)
  TBuf<TPosition::B1> v_l1_;  // 2 x (block_k, head_dim_v)
  TBuf<TPosition::A1> p_l1_;  // 2 x (block_q, block_k)
  TBuf<TPosition::A2> l0a_;   // 2 x (block_q, chunk)
  TBuf<TPosition::B2> l0b_;   // 2 x (chunk, block_k)
  TBuf<TPosition::CO1> l0c_;  // 2 x (block_q, block_k) fp32
  uint32_t l0_turn_ = 0;
  uint32_t l0c_turn_ = 0;
};

}  // namespace flash
