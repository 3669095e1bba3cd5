// The AIC's part of the forward: S = Q K^T and P V, tile by tile.
//
// Two slots of what is visited let the cube work on one part while the next is loaded. How a
// product is made is cube_legs.h's.
#pragma once

#include "kernel_operator.h"

#include "common/cube_pipeline.h"
#include "common/workspace.h"
#include "forward/steps.h"

namespace flash {

template <typename T>
class CubeCore {
 public:
  __aicore__ inline void init(TPipe& pipe, const Addresses& addresses, const Tiling& tiling) {
    tiling_ = &tiling;
    tables_ = gm(addresses.tables);
    plan_ = forward_plan(tiling);
    workspace_.init(gm(addresses.workspace), GetBlockIdx(), tiling.head_dim, tiling.head_dim_v);
    q_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(addresses.q));
    k_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(addresses.k));
    v_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(addresses.v));
    const int64_t d = round_up(tiling.head_dim, fractal);
    const int64_t d_v = round_up(tiling.head_dim_v, fractal);
    pipe.InitBuffer(q_l1_, u32(plan_.blocks * block_q * d * value_bytes));
    pipe.InitBuffer(panels_l1_, u32(slots * panel_bytes(tiling.head_dim)));
    pipe.InitBuffer(v_l1_, u32(slots * plan_.tiles * block_k * d_v * value_bytes));
    legs_.init(pipe);
  }

  // Two steps deep: the cube multiplies Q K^T of the next step while the AIVs turn this one's
  // scores into weights.
  __aicore__ inline void process() {
    ForwardSteps steps;
    steps.init(tables_, *tiling_, GetBlockIdx());
    ForwardStep step;
    ForwardStep following;
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
  // S = Q K^T of each block and tile, without scale and mask: those are the AIVs'.
  __aicore__ inline void compute_scores(const ForwardStep& step) {
    if (step.is_first) {
      WaitFlag<HardEvent::MTE1_MTE2>(q_free);
      for (int64_t block = 0; block < plan_.blocks; ++block) is_loaded_[block] = false;
    }
    for (int64_t block = 0; block < plan_.blocks; ++block) {
      if (step.has[block] && !is_loaded_[block]) load_queries(step.blocks[block].tile, block);
    }
    for (int64_t i = 0; i < plan_.tiles; ++i) {
      const int64_t keys = step.keys(i);
      if (keys == 0) continue;
      const uint32_t slot = take_panel();
      // All 128 rows of K are defined, so that all 128 columns of S are; masking comes later.
      legs_.load_rows(panel(slot), k_[key_of(tiling_->k, step, i)], keys, block_k,
                      tiling_->head_dim, tiling_->k.seqlen);
      SetFlag<HardEvent::MTE2_MTE1>(slot);
      WaitFlag<HardEvent::MTE2_MTE1>(slot);
      for (int64_t block = 0; block < plan_.blocks; ++block) {
        if (step.has_tile(block, i)) multiply_keys(step, block, i, panel(slot));
      }
      SetFlag<HardEvent::MTE1_MTE2>(panel_free + slot);
    }
    if (step.is_last) SetFlag<HardEvent::MTE1_MTE2>(q_free);
    CrossCoreSetFlag<aic_with_aivs, PIPE_FIX>(scores_ready);
  }
  __aicore__ inline void load_queries(const Tile& tile, int64_t block) {
    const uint64_t row = static_cast<uint64_t>(query_at(tiling_->q, tile, 0));
    legs_.load_rows(queries(block), q_[row], tile.rows, padded_rows(tile), tiling_->head_dim,
                    tiling_->q.seqlen);
    is_loaded_[block] = true;
  }
  // S of a block and the keys k of tile number i.
  __aicore__ inline void multiply_keys(const ForwardStep& step, int64_t block, int64_t i,
                                       const LocalTensor<T>& k) {
    const int64_t d = tiling_->head_dim;
    const int64_t rows = padded_rows(step.blocks[block].tile);
    const uint32_t c_slot = legs_.take_l0c();
    for (int64_t from = 0; from < d; from += chunk) {
      const int64_t depth = min_of(chunk, d - from);
      const uint32_t l0 = legs_.take_l0();
      legs_.load_a(l0, queries(block)[u32(from * block_q)], rows, depth);
      legs_.load_b_transposed(l0, k[u32(from * block_k)], depth);
      legs_.multiply(c_slot, l0, rows, block_k, depth, from == 0);
    }
    const uint64_t place = tile_at(block, step.tile_of_block(block, i));
    legs_.store(workspace_.scores[step.slot()][place], c_slot, rows, block_k, block_k);
  }

  // P V of each block, summed over the tiles of this step alone: the AIVs add it to what they have
  // of the earlier steps.
  __aicore__ inline void multiply_values(const ForwardStep& step) {
    const uint32_t slot = step.slot();
    load_values(step);
    CrossCoreWaitFlag(weights_ready);
    bool waits_for_values = true;
    for (int64_t block = 0; block < plan_.blocks; ++block) {
      if (!step.has[block]) continue;
      multiply_values(step, block, waits_for_values);
      waits_for_values = false;
    }
    SetFlag<HardEvent::MTE1_MTE2>(v_free + slot);
    CrossCoreSetFlag<aic_with_aivs, PIPE_FIX>(partial_ready);
  }
  __aicore__ inline void multiply_values(const ForwardStep& step, int64_t block,
                                         bool waits_for_values) {
    const Step& of = step.blocks[block];
    const uint32_t slot = step.slot();
    const int64_t d = tiling_->head_dim_v;
    const int64_t rows = padded_rows(of.tile);
    const int64_t first = (of.tile.key - step.first_key) / block_k;
    uint32_t sums[max_head_dim / chunk];  // slots of L0C
    for (int64_t from = 0; from < d; from += chunk) sums[from / chunk] = legs_.take_l0c();
    for (int64_t i = 0; i < of.tiles; ++i) {
      const int64_t keys = min_of(block_k, of.keys - i * block_k);
      const uint32_t p_slot = take_panel();
      const LocalTensor<T> p = panel(p_slot);
      legs_.load_rows(p, workspace_.weights[slot][tile_at(block, i)], rows, rows, block_k, block_k);
      SetFlag<HardEvent::MTE2_MTE1>(p_slot);
      WaitFlag<HardEvent::MTE2_MTE1>(p_slot);
      if (waits_for_values && i == 0) WaitFlag<HardEvent::MTE2_MTE1>(v_filled + slot);
      for (int64_t from = 0; from < d; from += chunk) {
        const int64_t columns = round_up(min_of(chunk, d - from), fractal);
        const uint32_t l0 = legs_.take_l0();
        legs_.load_a(l0, p, rows, keys);
        legs_.load_b(l0, values(slot, first + i)[u32(from * block_k)], keys, columns);
        legs_.multiply(sums[from / chunk], l0, rows, columns, keys, i == 0);
      }
      SetFlag<HardEvent::MTE1_MTE2>(panel_free + p_slot);
    }
    for (int64_t from = 0; from < d; from += chunk) {
      const int64_t columns = round_up(min_of(chunk, d - from), fractal);
      const int64_t place = block * block_q * round_up(d, fractal) + from;
      legs_.store(workspace_.partial[slot][static_cast<uint64_t>(place)], sums[from / chunk], rows,
                  columns, round_up(d, fractal));
    }
  }

  __aicore__ inline void load_values(const ForwardStep& step) {
    const uint32_t slot = step.slot();
    WaitFlag<HardEvent::MTE1_MTE2>(v_free + slot);
    for (int64_t i = 0; i < plan_.tiles; ++i) {
      const int64_t keys = step.keys(i);
      if (keys == 0) continue;
      legs_.load_rows(values(slot, i), v_[key_of(tiling_->v, step, i)], keys,
                      round_up(keys, fractal), tiling_->head_dim_v, tiling_->v.seqlen);
    }
    SetFlag<HardEvent::MTE2_MTE1>(v_filled + slot);
  }

  __aicore__ inline void all_slots_are_free() {
    SetFlag<HardEvent::MTE1_MTE2>(q_free);
    for (uint32_t slot = 0; slot < slots; ++slot) {
      SetFlag<HardEvent::MTE1_MTE2>(panel_free + slot);
      SetFlag<HardEvent::MTE1_MTE2>(v_free + slot);
    }
    legs_.all_slots_are_free();
  }
  // An event left set would break the next kernel on this core.
  __aicore__ inline void wait_for_all_slots() {
    WaitFlag<HardEvent::MTE1_MTE2>(q_free);
    for (uint32_t slot = 0; slot < slots; ++slot) {
      WaitFlag<HardEvent::MTE1_MTE2>(panel_free + slot);
      WaitFlag<HardEvent::MTE1_MTE2>(v_free + slot);
    }
    legs_.wait_for_all_slots();
  }

  // --- Sizes and places ---

  // Event ids. MTE1_MTE2: what L1 holds has been read. MTE2_MTE1: a panel, by its slot, and what
  // came before it is loaded, or V is.
  static constexpr uint32_t q_free = 0;
  static constexpr uint32_t panel_free = 1;  // and 2
  static constexpr uint32_t v_free = 3;      // and 4
  static constexpr uint32_t v_filled = 2;    // and 3

  // A tile of K or of P, by turns: the one is loaded while the other is read.
  __aicore__ inline uint32_t take_panel() {
    const uint32_t slot = panel_turn_++ % slots;
    WaitFlag<HardEvent::MTE1_MTE2>(panel_free + slot);
    return slot;
  }
  __aicore__ inline LocalTensor<T> panel(uint32_t slot) {
    return panels_l1_.template Get<T>()[slot * u32(panel_bytes(tiling_->head_dim) / value_bytes)];
  }
  // V of tile i: (block_k, head_dim_v).
  __aicore__ inline LocalTensor<T> values(uint32_t slot, int64_t i) {
    const int64_t elements = block_k * round_up(tiling_->head_dim_v, fractal);
    return v_l1_.template Get<T>()[u32((slot * plan_.tiles + i) * elements)];
  }
  __aicore__ inline LocalTensor<T> queries(int64_t block) {
    const int64_t elements = block_q * round_up(tiling_->head_dim, fractal);
    return q_l1_.template Get<T>()[u32(block * elements)];
  }
  // Where a block's tile number i begins in the workspace.
  __aicore__ inline uint64_t tile_at(int64_t block, int64_t i) const {
    return static_cast<uint64_t>((block * plan_.tiles + i) * block_q * block_k);
  }
  __aicore__ static inline int64_t padded_rows(const Tile& tile) {
    return round_up(tile.rows, fractal);
  }
  // Where tile number i of a step's keys begins in k or v.
  __aicore__ inline uint64_t key_of(const Strides& s, const ForwardStep& step, int64_t i) const {
    Tile tile = step.blocks[step.has[0] ? 0 : 1].tile;
    tile.key = step.first_key + i * block_k;
    return static_cast<uint64_t>(key_at(s, tile, head_k_of(*tiling_, tile)));
  }

  const Tiling* tiling_ = nullptr;
  GM_ADDR tables_ = nullptr;
  Workspace<T> workspace_;
  GlobalTensor<T> q_;
  GlobalTensor<T> k_;
  GlobalTensor<T> v_;
  TBuf<TPosition::A1> q_l1_;       // (blocks, block_q, head_dim)
  TBuf<TPosition::A1> panels_l1_;  // 2 x K: (block_k, head_dim), or P: (block_q, block_k)
  TBuf<TPosition::B1> v_l1_;       // 2 x (tiles, block_k, head_dim_v)
  CubeLegs<T> legs_;
  ForwardPlan plan_{};
  uint32_t panel_turn_ = 0;
  bool is_loaded_[max_blocks] = {};  // Q of this task's blocks
};

}  // namespace flash
