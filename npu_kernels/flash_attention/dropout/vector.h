// An AIV's part of dropout's keep bits: rows of tiles, tile after tile, each in two halves.
//
// Counters and words lie with the 64 rows of a half side by side, and a plane of them for each
// counter of a row: lane 64 x + r is counter x of row r. Rows begin at any element of a block of
// four, so that a row's 128 words lie in up to 33 planes; Gather puts them in order.
#pragma once

#include "kernel_operator.h"

#include "common/read_arguments.h"
#include "dropout/philox.h"

namespace flash {

// Highest, hence never kept: a word of 2^32 - 1 makes u = 1.
constexpr int32_t never_kept = 0x7FFFFFFF;

class DropoutCore {
 public:
  __aicore__ inline void init(TPipe& pipe, const MaskArguments& arguments) {
    tiling_ = &arguments.tiling;
    const auto tables = reinterpret_cast<GM_ADDR>(arguments.tables);
    bits_gm_.SetGlobalBuffer(reinterpret_cast<__gm__ uint8_t*>(arguments.bits));
    sequences_.SetGlobalBuffer(reinterpret_cast<__gm__ int64_t*>(tables + mask_sequences_at));
    philox_.init(pipe, tiling_->philox);
    pipe.InitBuffer(bits_, slots, static_cast<uint32_t>(bits_half_bytes));
    pipe.InitBuffer(counters_, static_cast<uint32_t>(philox_lanes * 4));
    pipe.InitBuffer(first_, static_cast<uint32_t>(half_q * 4));
    pipe.InitBuffer(within_, static_cast<uint32_t>(half_q * 4));
    pipe.InitBuffer(tables_, static_cast<uint32_t>(mask_sequences_at));
    load_tables(pipe, tables);
  }

  __aicore__ inline void process() {
    const int64_t core = GetBlockIdx();
    int64_t batch = -1;
    int64_t end = 0;  // of the sequence's tasks
    for (int64_t task = tiling_->first_task[core]; task < tiling_->first_task[core + 1]; ++task) {
      while (task >= end) {
        read_sequence(++batch);
        end = sequence_.first_task + tiling_->heads_q * tile_rows(sequence_);
      }
      const int64_t line = task - sequence_.first_task;  // of tiles, head after head
      const int64_t head = line / tile_rows(sequence_);
      const int64_t row = line % tile_rows(sequence_) * block_q;
      const int64_t tile = sequence_.first_tile + line * tile_columns(sequence_);
      const KeyRange keys = seen_keys(*tiling_, sequence_, row);
      if (keys.is_empty()) continue;
      write_half(head, row, keys, tile * bits_tile_bytes);
      write_half(head, row + half_q, keys, tile * bits_tile_bytes + bits_half_bytes);
    }
  }

 private:
  // Half of each tile in a row of tiles that has visible pairs: queries [row, row + 64), bits from
  // byte `to` on.
  __aicore__ inline void write_half(int64_t head, int64_t row, const KeyRange& keys, int64_t to) {
    const int64_t rows = min_of(max_of(sequence_.seqlen_q - row, 0), half_q);
    const bool draws = rows > 0 && tiling_->keeps_some != 0;
    const int64_t first =
        sequence_.first_element + (head * sequence_.seqlen_q + row) * sequence_.seqlen_k;
    // Rows that all begin with a block of four words need no counter more.
    const bool is_aligned = first % 4 == 0 && sequence_.seqlen_k % 4 == 0;
    const int64_t planes = is_aligned ? block_k / 4 : philox_planes;
    if (draws) set_counters(first + keys.first(), rows);
    int64_t next = 0;
    for (int64_t key = keys.first(); keys.holds(key); key = next) {
      next = keys.from(key + block_k);
      if (draws) {
        line_up(philox_.words(counters_.Get<int32_t>(), planes), first, rows);
        hide_beyond(rows, min_of(sequence_.seqlen_k - key, block_k));
        if (keys.holds(next)) move_counters((next - key) / 4);
      }
      store(draws, to + key / block_k * bits_tile_bytes);
    }
  }

  __aicore__ inline void move_counters(int64_t by) {
    const LocalTensor<int32_t> counters = counters_.Get<int32_t>();
    Adds(counters, counters, static_cast<int32_t>(by), static_cast<int32_t>(philox_lanes));
  }

  // Counters of the first tile. Rows beyond the sequence repeat its last one.
  __aicore__ inline void set_counters(int64_t first, int64_t rows) {
    const LocalTensor<int32_t> from = first_.Get<int32_t>();
    const LocalTensor<int32_t> within = within_.Get<int32_t>();
    const int32_t n = half_q;
    const auto whole = static_cast<int32_t>(sequence_.seqlen_k / 4);
    Mins(from, tables_.Get<int32_t>()[row_ramp_at / 4], static_cast<int32_t>(rows - 1), n);
    PipeBarrier<PIPE_V>();
    Muls(within, from, static_cast<int32_t>(sequence_.seqlen_k % 4), n);
    PipeBarrier<PIPE_V>();
    Muls(from, from, whole, n);
    Adds(within, within, static_cast<int32_t>(first % 4), n);
    PipeBarrier<PIPE_V>();
    ShiftRight(within, within, int32_t{2}, n);
    PipeBarrier<PIPE_V>();
    Add(from, from, within, n);
    PipeBarrier<PIPE_V>();
    const int64_t base = first / 4 - (int64_t{1} << 31);
    const LocalTensor<int32_t> counters = counters_.Get<int32_t>();
    for (int64_t plane = 0; plane < philox_planes; ++plane) {
      Adds(counters[static_cast<uint32_t>(plane * half_q)], from,
           static_cast<int32_t>(base + plane), n);
    }
    PipeBarrier<PIPE_V>();
  }

  // The words of each row in the order of its elements, (64, 128).
  __aicore__ inline void line_up(const LocalTensor<int32_t>& words, int64_t first, int64_t rows) {
    const LocalTensor<int32_t> lined = philox_.scratch();
    const LocalTensor<uint32_t> offsets = tables_.Get<uint32_t>()[word_offsets_at / 4];
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t phase = (first + row * sequence_.seqlen_k) % 4;
      Gather(lined[static_cast<uint32_t>(row * block_k)], words,
             offsets[static_cast<uint32_t>(phase * block_k)], static_cast<uint32_t>(row * 4),
             static_cast<uint32_t>(block_k));
    }
    PipeBarrier<PIPE_V>();
  }

  // Pairs beyond the sequence are 0 in the bits.
  __aicore__ inline void hide_beyond(int64_t rows, int64_t keys) {
    const LocalTensor<int32_t> lined = philox_.scratch();
    if (rows < half_q) {
      Duplicate(lined[static_cast<uint32_t>(rows * block_k)], never_kept,
                static_cast<int32_t>((half_q - rows) * block_k));
    }
    for (int64_t column = 0; column < block_k; column += repeat_lanes) {
      if (keys >= column + repeat_lanes) continue;
      uint64_t beyond[2] = {~uint64_t{0} << max_of(keys - column, 0), 0};
      Duplicate(lined[static_cast<uint32_t>(column)], never_kept, beyond,
                static_cast<uint8_t>(rows), 1, static_cast<uint8_t>(block_k * 4 / block_bytes));
    }
    PipeBarrier<PIPE_V>();
  }

  // A word is kept iff it is at most `most`, that is, iff their maximum is `most`.
  __aicore__ inline void store(bool draws, int64_t to) {
    LocalTensor<uint8_t> bits = bits_.AllocTensor<uint8_t>();
    if (draws) {
      const LocalTensor<int32_t> lined = philox_.scratch();
      const uint32_t count = half_q * block_k;
      Maxs(lined, lined, tiling_->most, static_cast<int32_t>(count));
      PipeBarrier<PIPE_V>();
      CompareScalar(bits, lined, tiling_->most, CMPMODE::EQ, count);
      PipeBarrier<PIPE_V>();
    } else {
      Duplicate(bits.ReinterpretCast<int16_t>(), int16_t{0}, int32_t{bits_half_bytes / 2});
    }
    bits_.EnQue(bits);
    bits = bits_.DeQue<uint8_t>();
    DataCopy(bits_gm_[static_cast<uint64_t>(to)], bits, static_cast<uint32_t>(bits_half_bytes));
    bits_.FreeTensor(bits);
  }

  __aicore__ inline void read_sequence(int64_t index) {
    const uint64_t at = static_cast<uint64_t>(index * mask_sequence_bytes / 8);
    sequence_.seqlen_q = sequences_.GetValue(at);
    sequence_.seqlen_k = sequences_.GetValue(at + 1);
    sequence_.first_task = sequences_.GetValue(at + 2);
    sequence_.first_tile = sequences_.GetValue(at + 3);
    sequence_.first_element = sequences_.GetValue(at + 4);
    sequence_.prefix = sequences_.GetValue(at + 5);
  }

  __aicore__ inline void load_tables(TPipe& pipe, GM_ADDR tables) {
    GlobalTensor<int32_t> from;
    from.SetGlobalBuffer(reinterpret_cast<__gm__ int32_t*>(tables));
    DataCopy(tables_.Get<int32_t>(), from, static_cast<uint32_t>(mask_sequences_at / 4));
    const TEventID loaded = pipe.FetchEventID(HardEvent::MTE2_V);
    SetFlag<HardEvent::MTE2_V>(loaded);
    WaitFlag<HardEvent::MTE2_V>(loaded);
  }

  static_assert(half_q * block_k <= 6 * philox_lanes, "words in order fit the scratch");
  static_assert(Philox::ub_bytes + slots * bits_half_bytes + philox_lanes * 4 + 2 * half_q * 4 +
                        mask_sequences_at <=
                    ub_limit,
                "UB");

  const MaskTiling* tiling_ = nullptr;
  MaskSequence sequence_{};
  GlobalTensor<uint8_t> bits_gm_;
  GlobalTensor<int64_t> sequences_;
  Philox philox_;
  TQue<TPosition::VECOUT, 1> bits_;    // 2 x (64, 128) bits
  TBuf<TPosition::VECCALC> counters_;  // (33, 64), of the next tile
  TBuf<TPosition::VECCALC> first_;     // (64): of each row, where its counters begin
  TBuf<TPosition::VECCALC> within_;    // (64)
  TBuf<TPosition::VECCALC> tables_;    // rows, word offsets
};

__aicore__ inline void dropout_mask(GM_ADDR at) {
  MaskArguments arguments;
  read_arguments(arguments, at);
  TPipe pipe;
  DropoutCore core;
  core.init(pipe, arguments);
  core.process();
}

}  // namespace flash
