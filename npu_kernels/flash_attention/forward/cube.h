// The AIC's part of the forward: S = Q K^T and P V, tile by tile.
//
// Two slots of what is visited let the cube work on one tile while the next is loaded. How a
// product is made is cube_legs.h's.
#pragma once

#include "kernel_operator.h"

#include "common/cube_pipeline.h"
#include "common/steps.h"
#include "common/workspace.h"

namespace flash {

template <typename T>
class CubeCore {
 public:
  __aicore__ inline void init(TPipe& pipe, const Addresses& addresses, const Tiling& tiling) {
    tiling_ = &tiling;
    tables_ = gm(addresses.tables);
    workspace_.init(gm(addresses.workspace), GetBlockIdx(), tiling.head_dim_v);
    q_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(addresses.q));
    k_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(addresses.k));
    v_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(addresses.v));
    const int64_t d = round_up(tiling.head_dim, fractal);
    const int64_t d_v = round_up(tiling.head_dim_v, fractal);
    pipe.InitBuffer(q_l1_, u32(block_q * d * value_bytes));
    pipe.InitBuffer(k_l1_, u32(slots * block_k * d * value_bytes));
    pipe.InitBuffer(v_l1_, u32(slots * block_k * d_v * value_bytes));
    pipe.InitBuffer(p_l1_, u32(slots * block_q * block_k * value_bytes));
    legs_.init(pipe);
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
      legs_.load_rows(q, q_[row], tile.rows, padded_rows(tile), d, tiling_->q.seqlen);
    }
    WaitFlag<HardEvent::MTE1_MTE2>(k_free + slot);
    // All 128 rows of K are defined, so that all 128 columns of S are; masking comes later.
    const uint64_t row = first_key_at(tiling_->k, tile);
    legs_.load_rows(k, k_[row], tile.keys, block_k, d, tiling_->k.seqlen);
    SetFlag<HardEvent::MTE2_MTE1>(slot);
    WaitFlag<HardEvent::MTE2_MTE1>(slot);

    const uint32_t c_slot = legs_.take_l0c();
    for (int64_t from = 0; from < d; from += chunk) {
      const int64_t depth = min_of(chunk, d - from);
      const uint32_t l0 = legs_.take_l0();
      legs_.load_a(l0, q[u32(from * block_q)], padded_rows(tile), depth);
      legs_.load_b_transposed(l0, k[u32(from * block_k)], depth);
      legs_.multiply(c_slot, l0, padded_rows(tile), block_k, depth, from == 0);
    }
    SetFlag<HardEvent::MTE1_MTE2>(k_free + slot);
    if (step.is_last) SetFlag<HardEvent::MTE1_MTE2>(q_free);

    legs_.store(workspace_.scores[slot], c_slot, padded_rows(tile), block_k, block_k);
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
    legs_.load_rows(v, v_[row], tile.keys, round_up(tile.keys, fractal), d, tiling_->v.seqlen);
    CrossCoreWaitFlag(weights_ready);
    legs_.load_rows(p, workspace_.weights[slot], padded_rows(tile), padded_rows(tile), block_k,
                    block_k);
    SetFlag<HardEvent::MTE2_MTE1>(slot);
    WaitFlag<HardEvent::MTE2_MTE1>(slot);

    for (int64_t from = 0; from < d; from += chunk) {
      const int64_t columns = round_up(min_of(chunk, d - from), fractal);
      const uint32_t l0 = legs_.take_l0();
      legs_.load_a(l0, p, padded_rows(tile), tile.keys);
      legs_.load_b(l0, v[u32(from * block_k)], tile.keys, columns);
      const uint32_t c_slot = legs_.take_l0c();
      legs_.multiply(c_slot, l0, padded_rows(tile), columns, tile.keys, true);
      legs_.store(workspace_.partial[slot][static_cast<uint64_t>(from)], c_slot, padded_rows(tile),
                  columns, round_up(d, fractal));
    }
    SetFlag<HardEvent::MTE1_MTE2>(v_free + slot);
    CrossCoreSetFlag<aic_with_aivs, PIPE_FIX>(partial_ready);
  }

  __aicore__ inline void all_slots_are_free() {
    SetFlag<HardEvent::MTE1_MTE2>(q_free);
    for (uint32_t slot = 0; slot < slots; ++slot) {
      SetFlag<HardEvent::MTE1_MTE2>(k_free + slot);
      SetFlag<HardEvent::MTE1_MTE2>(v_free + slot);
    }
    legs_.all_slots_are_free();
  }
  // An event left set would break the next kernel on this core.
  __aicore__ inline void wait_for_all_slots() {
    WaitFlag<HardEvent::MTE1_MTE2>(q_free);
    for (uint32_t slot = 0; slot < slots; ++slot) {
      WaitFlag<HardEvent::MTE1_MTE2>(k_free + slot);
      WaitFlag<HardEvent::MTE1_MTE2>(v_free + slot);
    }
    legs_.wait_for_all_slots();
  }

  // --- Sizes and places ---

  // Event ids. MTE1_MTE2: what L1 holds has been read. P shares its event with V, it is loaded
  // after it and read with it.
  static constexpr uint32_t q_free = 0;
  static constexpr uint32_t k_free = 1;  // and 2
  static constexpr uint32_t v_free = 3;  // and 4

  __aicore__ inline uint32_t tile_elements(int64_t columns) const {
    return u32(block_k * round_up(columns, fractal));
  }
  __aicore__ static inline int64_t padded_rows(const Tile& tile) {
    return round_up(tile.rows, fractal);
  }
  __aicore__ inline uint64_t first_key_at(const Strides& s, const Tile& tile) const {
    return static_cast<uint64_t>(key_at(s, tile, head_k_of(*tiling_, tile)));
  }

  const Tiling* tiling_ = nullptr;
  GM_ADDR tables_ = nullptr;
  Workspace<T> workspace_;
  GlobalTensor<T> q_;
  GlobalTensor<T> k_;
  GlobalTensor<T> v_;
  TBuf<TPosition::A1> q_l1_;  // (block_q, head_dim)
  TBuf<TPosition::B1> k_l1_;  // 2 x (block_k, head_dim)
  TBuf<TPosition::B1> v_l1_;  // 2 x (block_k, head_dim_v)
  TBuf<TPosition::A1> p_l1_;  // 2 x (block_q, block_k)
  CubeLegs<T> legs_;
};

}  // namespace flash
