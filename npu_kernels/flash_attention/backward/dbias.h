// dbias: dX summed over the axes along which the bias is one value. AIVs only; a part of dbias, 64
// queries by 128 keys, has one owner, which adds in the order of sequence, head, query and key.
#pragma once

#include "kernel_operator.h"

#include "backward/steps.h"
#include "backward/workspace.h"
#include "common/row_slab.h"

namespace flash {

class BiasGradient {
 public:
  __aicore__ inline void init(TPipe& pipe, const BackwardArguments& arguments) {
    tiling_ = &arguments.tiling;
    sequences_.init(gm(arguments.problem.tables));
    dx_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(arguments.gradients.dx));
    dbias_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(arguments.gradients.dbias));
    pipe.InitBuffer(parts_, slots, u32(half_q * block_k * float_bytes));
    pipe.InitBuffer(sums_, 1, u32(half_q * block_k * float_bytes));
    pipe.InitBuffer(rows_, 1, u32(half_q * float_bytes));
    scratch_.init(pipe, u32(half_q));
  }

  __aicore__ inline void process() {
    const PairSizes& size = tiling_->dbias;
    const int64_t blocks_q = ceil_div(size.queries, half_q);
    const int64_t blocks_k = ceil_div(size.keys, block_k);
    const int64_t parts = size.batch * size.heads * blocks_q * blocks_k;
    for (int64_t i = GetBlockIdx(); i < parts; i += GetBlockNum()) {
      const int64_t key = i % blocks_k * block_k;
      const int64_t row = i / blocks_k % blocks_q * half_q;
      const int64_t head = i / blocks_k / blocks_q % size.heads;
      const int64_t batch = i / blocks_k / blocks_q / size.heads;
      const LocalTensor<float> sums = sums_.AllocTensor<float>();
      Duplicate(sums, 0.0f, u32(half_q * block_k));
      PipeBarrier<PIPE_V>();
      add_sequences(sums, batch, head, row, key);
      if (size.queries == 1) add_rows(sums);
      const int64_t at = ((batch * size.heads + head) * size.queries + row) * size.keys + key;
      if (size.keys == 1) {
        store_row_sums(sums, at, min_of(half_q, size.queries - row));
      } else {
        store(sums, at, min_of(half_q, size.queries - row), min_of(block_k, size.keys - key));
      }
    }
  }

 private:
  // The places that share a value of dbias: all along an axis of size 1, else one.
  struct Span {
    int64_t begin;
    int64_t end;
  };
  __aicore__ static inline Span span_of(int64_t size, int64_t place, int64_t step, int64_t all) {
    return size == 1 ? Span{0, all} : Span{place, min_of(place + step, all)};
  }

  __aicore__ inline void add_sequences(const LocalTensor<float>& sums, int64_t batch, int64_t head,
                                       int64_t row, int64_t key) {
    const PairSizes& size = tiling_->dbias;
    const Span batches = span_of(size.batch, batch, 1, tiling_->problem.batch);
    const Span heads = span_of(size.heads, head, 1, tiling_->problem.heads_q);
    for (int64_t b = batches.begin; b < batches.end; ++b) {
      const Sequence s = sequences_.read(b);
      const Span rows = span_of(size.queries, row, half_q, s.seqlen_q);
      const Span keys = span_of(size.keys, key, block_k, s.seqlen_k);
      for (int64_t h = heads.begin; h < heads.end; ++h) {
        for (int64_t i = rows.begin; i < rows.end; i += half_q) {
          const int64_t block = i / block_q * block_q;
          const int64_t queries = min_of(block_q, s.seqlen_q - block);
          const KeyRange seen = key_range(tiling_->problem, s, block, queries);
          for (int64_t j = keys.begin; j < keys.end; j += block_k) {
            if (visits(seen, j)) add(sums, Tile{s, b, h, block, queries, j, block_k}, i - block);
          }
        }
      }
    }
  }

  // Whether the pass over queries came to the tile that begins at `key`.
  __aicore__ static inline bool visits(const KeyRange& seen, int64_t key) {
    return key < seen.prefix || (key >= seen.begin && key < seen.end);
  }

  // sums += dX of the tile's half that begins at first_row.
  __aicore__ inline void add(const LocalTensor<float>& sums, const Tile& tile, int64_t first_row) {
    const uint32_t count = u32(half_rows(tile.rows, first_row) * block_k);
    LocalTensor<float> part = parts_.AllocTensor<float>();
    DataCopy(part, dx_[static_cast<uint64_t>(dx_at(tile) + first_row * block_k)], count);
    parts_.EnQue(part);
    part = parts_.DeQue<float>();
    Add(sums, sums, part, static_cast<int32_t>(count));
    PipeBarrier<PIPE_V>();
    parts_.FreeTensor(part);
  }

  // The sum of the rows, half by half, to the first.
  __aicore__ inline void add_rows(const LocalTensor<float>& sums) const {
    for (uint32_t half = u32(half_q / 2); half > 0; half /= 2) {
      Add(sums, sums, sums[half * u32(block_k)], static_cast<int32_t>(half * u32(block_k)));
      PipeBarrier<PIPE_V>();
    }
  }

  __aicore__ inline void store_row_sums(LocalTensor<float> sums, int64_t at, int64_t rows) {
    LocalTensor<float> result = rows_.AllocTensor<float>();
    scratch_.row_sum(result, sums, u32(half_q), 1);
    sums_.FreeTensor(sums);
    rows_.EnQue(result);
    result = rows_.DeQue<float>();
    DataCopyPad(dbias_[static_cast<uint64_t>(at)], result, row_of(rows));
    rows_.FreeTensor(result);
  }

  __aicore__ inline void store(LocalTensor<float> sums, int64_t at, int64_t rows, int64_t columns) {
    sums_.EnQue(sums);
    sums = sums_.DeQue<float>();
    DataCopyExtParams copy;
    copy.blockCount = u16(rows);
    copy.blockLen = u32(columns * float_bytes);
    copy.srcStride = u32((block_k - round_up(columns, block_lanes)) / block_lanes);
    copy.dstStride = rows > 1 ? u32((tiling_->dbias.keys - columns) * float_bytes) : 0;
    DataCopyPad(dbias_[static_cast<uint64_t>(at)], sums, copy);
    sums_.FreeTensor(sums);
  }

  const GradientTiling* tiling_ = nullptr;
  Sequences sequences_;
  GlobalTensor<float> dx_;
  GlobalTensor<float> dbias_;
  TQue<TPosition::VECIN, 1> parts_;  // 2 x (half_q, block_k)
  TQue<TPosition::VECOUT, 1> sums_;  // (half_q, block_k)
  TQue<TPosition::VECOUT, 1> rows_;  // (half_q)
  SlabScratch scratch_;
};

}  // namespace flash
