// The AIC's part of the backward: S = Q K^T and dP = dO V^T of each tile, then, from the AIVs' P
// and dS, dv += P^T dO and dk += dS^T Q (Pass::keys), or dq += dS K (Pass::queries).
//
// The sums stand in this group's own workspace: the first step of a task stores there, the later
// ones add there, one after the other.
#pragma once

#include "kernel_operator.h"

#include "backward/steps.h"
#include "backward/workspace.h"
#include "common/cube_pipeline.h"

namespace flash {

template <typename T, Pass pass>
class GradientCube {
 public:
  __aicore__ inline void init(TPipe& pipe, const BackwardArguments& arguments) {
    tiling_ = &arguments.tiling;
    const Tiling& t = tiling_->problem;
    const Addresses& problem = arguments.problem;
    tables_ = gm(problem.tables);
    workspace_.init(gm(problem.workspace), GetBlockIdx(), t.head_dim, t.head_dim_v);
    q_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(problem.q));
    k_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(problem.k));
    v_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(problem.v));
    dout_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(arguments.gradients.dout));
    tiles_ = gradient_tiles(t.head_dim, t.head_dim_v);
    const int64_t of_queries = pass == Pass::keys ? slots * tiles_ : 1;
    const int64_t of_keys = pass == Pass::keys ? 1 : slots * tiles_;
    pipe.InitBuffer(q_l1_, u32(of_queries * elements(t.head_dim) * value_bytes));
    pipe.InitBuffer(dout_l1_, u32(of_queries * elements(t.head_dim_v) * value_bytes));
    pipe.InitBuffer(k_l1_, u32(of_keys * elements(t.head_dim) * value_bytes));
    pipe.InitBuffer(v_l1_, u32(of_keys * elements(t.head_dim_v) * value_bytes));
    pipe.InitBuffer(panels_l1_, u32(slots * weights_bytes));
    legs_.init(pipe);
  }

  // Two steps deep, as the forward.
  __aicore__ inline void process() {
    typename Walk<pass>::Steps steps;
    steps.init(tables_, tiling_->problem, GetBlockIdx(), tiles_);
    Step step;
    Step following;
    all_slots_are_free();
    bool more = steps.next(step);
    if (more) compute_products(step);
    while (more) {
      more = steps.next(following);
      if (more) compute_products(following);
      add_sums(step);
      step = following;
    }
    wait_for_all_slots();
  }

 private:
  // S = Q K^T and dP = dO V^T of each tile, without scale and mask.
  __aicore__ inline void compute_products(const Step& step) {
    const Tiling& t = tiling_->problem;
    const uint32_t slot = step.slot();
    WaitFlag<HardEvent::MTE1_MTE2>(visited_free + slot);
    if (step.is_first) {
      WaitFlag<HardEvent::MTE1_MTE2>(owned_free);
      if (pass == Pass::keys) load_keys(step.tile, slot, 0);
      if (pass == Pass::queries) load_queries(step.tile, slot, 0);
    }
    for (int64_t i = 0; i < step.tiles; ++i) {
      if (pass == Pass::keys) load_queries(step.at(i), slot, i);
      if (pass == Pass::queries) load_keys(step.at(i), slot, i);
    }
    SetFlag<HardEvent::MTE2_MTE1>(visited_filled + slot);
    WaitFlag<HardEvent::MTE2_MTE1>(visited_filled + slot);

    for (int64_t i = 0; i < step.tiles; ++i) {
      const int64_t rows = padded(step.at(i).rows);
      multiply_by_transpose(workspace_.scores[slot][tile_at(i)], q_l1(slot, i), k_l1(slot, i), rows,
                            t.head_dim);
      multiply_by_transpose(workspace_.dweights[slot][tile_at(i)], dout_l1(slot, i), v_l1(slot, i),
                            rows, t.head_dim_v);
    }
    if (step.is_last) SetFlag<HardEvent::MTE1_MTE2>(owned_free);
    CrossCoreSetFlag<aic_with_aivs, PIPE_FIX>(products_ready);
  }

  __aicore__ inline void add_sums(const Step& step) {
    const uint32_t slot = step.slot();
    CrossCoreWaitFlag(tiles_ready);
    if (!step.is_first) {
      PipeBarrier<PIPE_FIX>();  // one addition to a value after the other
      SetAtomicAdd<float>();
    }
    if (pass == Pass::keys) add_values_sum(step);
    add_scores_sum(step);
    if (!step.is_first) SetAtomicNone();
    SetFlag<HardEvent::MTE1_MTE2>(visited_free + slot);
    if (step.is_last) CrossCoreSetFlag<aic_with_aivs, PIPE_FIX>(sums_ready);
  }

  // dv += P^T dO.
  __aicore__ inline void add_values_sum(const Step& step) {
    const uint32_t slot = step.slot();
    add(workspace_.second_sum[step.task_slot()], workspace_.weights[slot], dout_l1(slot, 0), step,
        tiling_->problem.head_dim_v);
  }
  // dk += dS^T Q, or dq += dS K.
  __aicore__ inline void add_scores_sum(const Step& step) {
    const uint32_t slot = step.slot();
    add(workspace_.first_sum[step.task_slot()], workspace_.dscores[slot],
        pass == Pass::keys ? q_l1(slot, 0) : k_l1(slot, 0), step, tiling_->problem.head_dim);
  }

  // sum += the products of a step's tiles, with b: (tiles, 128, columns) of its queries or keys.
  // They are added in L0C, and to the sum at once. Padding rows of a tile take no part: the cube is
  // told true depths.
  __aicore__ inline void add(const GlobalTensor<float>& sum, const GlobalTensor<T>& tiles,
                             const LocalTensor<T>& b, const Step& step, int64_t columns) {
    uint32_t sums[max_head_dim / chunk];  // slots of L0C
    for (int64_t from = 0; from < columns; from += chunk) sums[from / chunk] = legs_.take_l0c();
    const int64_t rows = padded(pass == Pass::keys ? step.keys : step.rows);  // of the sum
    for (int64_t i = 0; i < step.tiles; ++i) {
      const Tile tile = step.at(i);
      const int64_t depth = pass == Pass::keys ? tile.rows : tile.keys;
      const uint32_t slot = load_panel(tiles[tile_at(i)], padded(tile.rows));
      for (int64_t from = 0; from < columns; from += chunk) {
        const int64_t part = round_up(min_of(chunk, columns - from), fractal);
        const uint32_t l0 = legs_.take_l0();
        if (pass == Pass::keys) {
          legs_.load_a_transposed(l0, panel(slot), rows, depth);
        } else {
          legs_.load_a(l0, panel(slot), rows, depth);
        }
        legs_.load_b(l0, b[u32(i * elements(columns) + from * block_q)], depth, part);
        legs_.multiply(sums[from / chunk], l0, rows, part, depth, i == 0);
      }
      SetFlag<HardEvent::MTE1_MTE2>(panel_free + slot);
    }
    for (int64_t from = 0; from < columns; from += chunk) {
      const int64_t part = round_up(min_of(chunk, columns - from), fractal);
      legs_.store(sum[static_cast<uint64_t>(from)], sums[from / chunk], rows, part,
                  round_up(columns, fractal));
    }
  }

  // A tile of P or dS. Returns its slot.
  __aicore__ inline uint32_t load_panel(const GlobalTensor<T>& tile, int64_t rows) {
    const uint32_t slot = panel_turn_++ % slots;
    WaitFlag<HardEvent::MTE1_MTE2>(panel_free + slot);
    legs_.load_rows(panel(slot), tile, rows, rows, block_k, block_k);
    SetFlag<HardEvent::MTE2_MTE1>(slot);
    WaitFlag<HardEvent::MTE2_MTE1>(slot);
    return slot;
  }

  // All rows and columns of the tile that the cube touches are defined; masking comes later.
  __aicore__ inline void load_queries(const Tile& tile, uint32_t slot, int64_t i) {
    const Tiling& t = tiling_->problem;
    const uint64_t q = static_cast<uint64_t>(query_at(t.q, tile, 0));
    const uint64_t dout = static_cast<uint64_t>(query_at(tiling_->dout, tile, 0));
    const int64_t rows = padded(tile.rows);
    legs_.load_rows(q_l1(slot, i), q_[q], tile.rows, rows, t.head_dim, t.q.seqlen);
    legs_.load_rows(dout_l1(slot, i), dout_[dout], tile.rows, rows, t.head_dim_v,
                    tiling_->dout.seqlen);
  }
  __aicore__ inline void load_keys(const Tile& tile, uint32_t slot, int64_t i) {
    const Tiling& t = tiling_->problem;
    const int64_t head = head_k_of(t, tile);
    const uint64_t k = static_cast<uint64_t>(key_at(t.k, tile, head));
    const uint64_t v = static_cast<uint64_t>(key_at(t.v, tile, head));
    legs_.load_rows(k_l1(slot, i), k_[k], tile.keys, block_k, t.head_dim, t.k.seqlen);
    legs_.load_rows(v_l1(slot, i), v_[v], tile.keys, block_k, t.head_dim_v, t.v.seqlen);
  }

  // A B^T, both of `depth` columns: a tile of scores.
  __aicore__ inline void multiply_by_transpose(const GlobalTensor<float>& to,
                                               const LocalTensor<T>& a, const LocalTensor<T>& b,
                                               int64_t rows, int64_t depth) {
    const uint32_t c_slot = legs_.take_l0c();
    for (int64_t from = 0; from < depth; from += chunk) {
      const int64_t part = min_of(chunk, depth - from);
      const uint32_t l0 = legs_.take_l0();
      legs_.load_a(l0, a[u32(from * block_q)], rows, part);
      legs_.load_b_transposed(l0, b[u32(from * block_k)], part);
      legs_.multiply(c_slot, l0, rows, block_k, part, from == 0);
    }
    legs_.store(to, c_slot, rows, block_k, block_k);
  }

  __aicore__ inline void all_slots_are_free() {
    SetFlag<HardEvent::MTE1_MTE2>(owned_free);
    for (uint32_t slot = 0; slot < slots; ++slot) {
      SetFlag<HardEvent::MTE1_MTE2>(visited_free + slot);
      SetFlag<HardEvent::MTE1_MTE2>(panel_free + slot);
    }
    legs_.all_slots_are_free();
  }
  // An event left set would break the next kernel on this core.
  __aicore__ inline void wait_for_all_slots() {
    WaitFlag<HardEvent::MTE1_MTE2>(owned_free);
    for (uint32_t slot = 0; slot < slots; ++slot) {
      WaitFlag<HardEvent::MTE1_MTE2>(visited_free + slot);
      WaitFlag<HardEvent::MTE1_MTE2>(panel_free + slot);
    }
    legs_.wait_for_all_slots();
  }

  // Event ids. MTE1_MTE2: what L1 holds has been read. MTE2_MTE1: 0 and 1, by slot, a panel is
  // loaded, or what a step visits (and what its owner keeps).
  static constexpr uint32_t owned_free = 0;
  static constexpr uint32_t visited_free = 1;    // and 2
  static constexpr uint32_t panel_free = 3;      // and 4
  static constexpr uint32_t visited_filled = 2;  // and 3

  __aicore__ static inline int64_t padded(int64_t rows) { return round_up(rows, fractal); }
  __aicore__ static inline int64_t elements(int64_t columns) {
    return block_k * round_up(columns, fractal);
  }
  // Where tile i of a step begins in the workspace.
  __aicore__ static inline uint64_t tile_at(int64_t i) {
    return static_cast<uint64_t>(i * block_q * block_k);
  }
  __aicore__ inline LocalTensor<T> panel(uint32_t slot) {
    return panels_l1_.template Get<T>()[slot * u32(block_q * block_k)];
  }
  // Of tile i of a step in this slot; what the owner keeps has one place.
  __aicore__ inline LocalTensor<T> q_l1(uint32_t slot, int64_t i) {
    return at<pass == Pass::keys>(q_l1_, slot, i, tiling_->problem.head_dim);
  }
  __aicore__ inline LocalTensor<T> dout_l1(uint32_t slot, int64_t i) {
    return at<pass == Pass::keys>(dout_l1_, slot, i, tiling_->problem.head_dim_v);
  }
  __aicore__ inline LocalTensor<T> k_l1(uint32_t slot, int64_t i) {
    return at<pass == Pass::queries>(k_l1_, slot, i, tiling_->problem.head_dim);
  }
  __aicore__ inline LocalTensor<T> v_l1(uint32_t slot, int64_t i) {
    return at<pass == Pass::queries>(v_l1_, slot, i, tiling_->problem.head_dim_v);
  }
  template <bool is_visited, typename Buffer>
  __aicore__ inline LocalTensor<T> at(Buffer& l1, uint32_t slot, int64_t i, int64_t columns) {
    const int64_t block = is_visited ? slot * tiles_ + i : 0;
    return l1.template Get<T>()[u32(block * elements(columns))];
  }

  const GradientTiling* tiling_ = nullptr;
  GM_ADDR tables_ = nullptr;
  GradientWorkspace<T> workspace_;
  GlobalTensor<T> q_;
  GlobalTensor<T> k_;
  GlobalTensor<T> v_;
  GlobalTensor<T> dout_;
  TBuf<TPosition::A1> q_l1_;       // (block_q, head_dim); 2 x (tiles, the same) if visited
  TBuf<TPosition::A1> dout_l1_;    // (block_q, head_dim_v), likewise
  TBuf<TPosition::B1> k_l1_;       // (block_k, head_dim), likewise
  TBuf<TPosition::B1> v_l1_;       // (block_k, head_dim_v), likewise
  TBuf<TPosition::A1> panels_l1_;  // P or dS: 2 x (block_q, block_k)
  CubeLegs<T> legs_;
  int64_t tiles_ = 0;  // of a step, at most
  uint32_t panel_turn_ = 0;
};

}  // namespace flash
