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
    constexpr int64_t of_queries = pass == Pass::keys ? slots : 1;
    constexpr int64_t of_keys = pass == Pass::keys ? 1 : slots;
    pipe.InitBuffer(q_l1_, u32(of_queries * elements(t.head_dim) * value_bytes));
    pipe.InitBuffer(dout_l1_, u32(of_queries * elements(t.head_dim_v) * value_bytes));
    pipe.InitBuffer(k_l1_, u32(of_keys * elements(t.head_dim) * value_bytes));
    pipe.InitBuffer(v_l1_, u32(of_keys * elements(t.head_dim_v) * value_bytes));
    pipe.InitBuffer(p_l1_, u32(block_q * block_k * value_bytes));
    pipe.InitBuffer(ds_l1_, u32(block_q * block_k * value_bytes));
    legs_.init(pipe);
  }

  // Two steps deep, as the forward.
  __aicore__ inline void process() {
    typename Walk<pass>::Steps steps;
    steps.init(tables_, tiling_->problem, GetBlockIdx());
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
  // S = Q K^T and dP = dO V^T, without scale and mask.
  __aicore__ inline void compute_products(const Step& step) {
    const Tiling& t = tiling_->problem;
    const uint32_t slot = step.slot();
    WaitFlag<HardEvent::MTE1_MTE2>(visited_free + slot);
    if (step.is_first) WaitFlag<HardEvent::MTE1_MTE2>(owned_free);
    if (pass == Pass::keys || step.is_first) load_queries(step);
    if (pass == Pass::queries || step.is_first) load_keys(step);
    SetFlag<HardEvent::MTE2_MTE1>(slot);
    WaitFlag<HardEvent::MTE2_MTE1>(slot);

    multiply_by_transpose(workspace_.scores[slot], q_l1(slot), k_l1(slot), step, t.head_dim);
    multiply_by_transpose(workspace_.dweights[slot], dout_l1(slot), v_l1(slot), step, t.head_dim_v);
    if (step.is_last) SetFlag<HardEvent::MTE1_MTE2>(owned_free);
    CrossCoreSetFlag<aic_with_aivs, PIPE_FIX>(products_ready);
  }

  __aicore__ inline void add_sums(const Step& step) {
    const Tiling& t = tiling_->problem;
    const Tile& tile = step.tile;
    const uint32_t slot = step.slot();
    const int64_t rows = padded(tile.rows);
    const LocalTensor<T> p = p_l1_.template Get<T>();
    const LocalTensor<T> ds = ds_l1_.template Get<T>();

    WaitFlag<HardEvent::MTE1_MTE2>(tiles_free);
    CrossCoreWaitFlag(tiles_ready);
    if (pass == Pass::keys) {
      legs_.load_rows(p, workspace_.weights[slot], rows, rows, block_k, block_k);
    }
    legs_.load_rows(ds, workspace_.dscores[slot], rows, rows, block_k, block_k);
    SetFlag<HardEvent::MTE2_MTE1>(tiles_filled);
    WaitFlag<HardEvent::MTE2_MTE1>(tiles_filled);

    if (!step.is_first) {
      PipeBarrier<PIPE_FIX>();  // one addition to a value after the other
      SetAtomicAdd<float>();
    }
    const uint32_t task_slot = step.task_slot();
    if (pass == Pass::keys) {
      add_transposed(workspace_.second_sum[task_slot], p, dout_l1(slot), tile, t.head_dim_v);
      add_transposed(workspace_.first_sum[task_slot], ds, q_l1(slot), tile, t.head_dim);
    } else {
      add(workspace_.first_sum[task_slot], ds, k_l1(slot), tile, t.head_dim);
    }
    if (!step.is_first) SetAtomicNone();
    SetFlag<HardEvent::MTE1_MTE2>(tiles_free);
    SetFlag<HardEvent::MTE1_MTE2>(visited_free + slot);
    if (step.is_last) CrossCoreSetFlag<aic_with_aivs, PIPE_FIX>(sums_ready);
  }

  // All rows and columns of the tile that the cube touches are defined; masking comes later.
  __aicore__ inline void load_queries(const Step& step) {
    const Tiling& t = tiling_->problem;
    const Tile& tile = step.tile;
    const uint64_t q = static_cast<uint64_t>(query_at(t.q, tile, 0));
    const uint64_t dout = static_cast<uint64_t>(query_at(tiling_->dout, tile, 0));
    const int64_t rows = padded(tile.rows);
    legs_.load_rows(q_l1(step.slot()), q_[q], tile.rows, rows, t.head_dim, t.q.seqlen);
    legs_.load_rows(dout_l1(step.slot()), dout_[dout], tile.rows, rows, t.head_dim_v,
                    tiling_->dout.seqlen);
  }
  __aicore__ inline void load_keys(const Step& step) {
    const Tiling& t = tiling_->problem;
    const Tile& tile = step.tile;
    const int64_t head = head_k_of(t, tile);
    const uint64_t k = static_cast<uint64_t>(key_at(t.k, tile, head));
    const uint64_t v = static_cast<uint64_t>(key_at(t.v, tile, head));
    legs_.load_rows(k_l1(step.slot()), k_[k], tile.keys, block_k, t.head_dim, t.k.seqlen);
    legs_.load_rows(v_l1(step.slot()), v_[v], tile.keys, block_k, t.head_dim_v, t.v.seqlen);
  }

  // A B^T, both of `depth` columns: a tile of scores.
  __aicore__ inline void multiply_by_transpose(const GlobalTensor<float>& to,
                                               const LocalTensor<T>& a, const LocalTensor<T>& b,
                                               const Step& step, int64_t depth) {
    const int64_t rows = padded(step.tile.rows);
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

  // sum += tile^T B, with B of the queries: (keys, columns). Padding rows of the tile take no part:
  // the cube is told the true depth.
  __aicore__ inline void add_transposed(const GlobalTensor<float>& sum, const LocalTensor<T>& tile,
                                        const LocalTensor<T>& b, const Tile& of, int64_t columns) {
    for (int64_t from = 0; from < columns; from += chunk) {
      const int64_t part = round_up(min_of(chunk, columns - from), fractal);
      const uint32_t l0 = legs_.take_l0();
      legs_.load_a_transposed(l0, tile, padded(of.keys), of.rows);
      legs_.load_b(l0, b[u32(from * block_q)], of.rows, part);
      const uint32_t c_slot = legs_.take_l0c();
      legs_.multiply(c_slot, l0, padded(of.keys), part, of.rows, true);
      legs_.store(sum[static_cast<uint64_t>(from)], c_slot, padded(of.keys), part,
                  round_up(columns, fractal));
    }
  }
  // sum += tile B, with B of the keys: (rows, columns).
  __aicore__ inline void add(const GlobalTensor<float>& sum, const LocalTensor<T>& tile,
                             const LocalTensor<T>& b, const Tile& of, int64_t columns) {
    for (int64_t from = 0; from < columns; from += chunk) {
      const int64_t part = round_up(min_of(chunk, columns - from), fractal);
      const uint32_t l0 = legs_.take_l0();
      legs_.load_a(l0, tile, padded(of.rows), of.keys);
      legs_.load_b(l0, b[u32(from * block_k)], of.keys, part);
      const uint32_t c_slot = legs_.take_l0c();
      legs_.multiply(c_slot, l0, padded(of.rows), part, of.keys, true);
      legs_.store(sum[static_cast<uint64_t>(from)], c_slot, padded(of.rows), part,
                  round_up(columns, fractal));
    }
  }

  __aicore__ inline void all_slots_are_free() {
    SetFlag<HardEvent::MTE1_MTE2>(owned_free);
    for (uint32_t slot = 0; slot < slots; ++slot) {
      SetFlag<HardEvent::MTE1_MTE2>(visited_free + slot);
    }
    SetFlag<HardEvent::MTE1_MTE2>(tiles_free);
    legs_.all_slots_are_free();
  }
  // An event left set would break the next kernel on this core.
  __aicore__ inline void wait_for_all_slots() {
    WaitFlag<HardEvent::MTE1_MTE2>(owned_free);
    for (uint32_t slot = 0; slot < slots; ++slot) {
      WaitFlag<HardEvent::MTE1_MTE2>(visited_free + slot);
    }
    WaitFlag<HardEvent::MTE1_MTE2>(tiles_free);
    legs_.wait_for_all_slots();
  }

  // Event ids. MTE1_MTE2: what L1 holds has been read. MTE2_MTE1: 0 and 1, by slot, what a step
  // visits (and what its owner keeps) is loaded.
  static constexpr uint32_t owned_free = 0;
  static constexpr uint32_t visited_free = 1;  // and 2
  static constexpr uint32_t tiles_free = 3;
  static constexpr uint32_t tiles_filled = 2;

  __aicore__ static inline int64_t padded(int64_t rows) { return round_up(rows, fractal); }
  __aicore__ static inline int64_t elements(int64_t columns) {
    return block_k * round_up(columns, fractal);
  }
  // The slot of a step in what is visited; what the owner keeps has one.
  __aicore__ inline LocalTensor<T> q_l1(uint32_t slot) {
    return at<pass == Pass::keys>(q_l1_.template Get<T>(), slot, tiling_->problem.head_dim);
  }
  __aicore__ inline LocalTensor<T> dout_l1(uint32_t slot) {
    return at<pass == Pass::keys>(dout_l1_.template Get<T>(), slot, tiling_->problem.head_dim_v);
  }
  __aicore__ inline LocalTensor<T> k_l1(uint32_t slot) {
    return at<pass == Pass::queries>(k_l1_.template Get<T>(), slot, tiling_->problem.head_dim);
  }
  __aicore__ inline LocalTensor<T> v_l1(uint32_t slot) {
    return at<pass == Pass::queries>(v_l1_.template Get<T>(), slot, tiling_->problem.head_dim_v);
  }
  template <bool is_visited>
  __aicore__ static inline LocalTensor<T> at(const LocalTensor<T>& l1, uint32_t slot,
                                             int64_t columns) {
    return is_visited ? l1[slot * u32(elements(columns))] : l1;
  }

  const GradientTiling* tiling_ = nullptr;
  GM_ADDR tables_ = nullptr;
  GradientWorkspace<T> workspace_;
  GlobalTensor<T> q_;
  GlobalTensor<T> k_;
  GlobalTensor<T> v_;
  GlobalTensor<T> dout_;
  TBuf<TPosition::A1> q_l1_;     // (block_q, head_dim), twice if visited
  TBuf<TPosition::A1> dout_l1_;  // (block_q, head_dim_v), the same
  TBuf<TPosition::B1> k_l1_;     // (block_k, head_dim), the same
  TBuf<TPosition::B1> v_l1_;     // (block_k, head_dim_v), the same
  TBuf<TPosition::A1> p_l1_;     // (block_q, block_k)
  TBuf<TPosition::A1> ds_l1_;    // (block_q, block_k)
  CubeLegs<T> legs_;
};

}  // namespace flash
