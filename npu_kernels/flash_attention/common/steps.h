// The order in which a group works: task after task, and in each task key tile after key tile. All
// three cores of a group walk the same steps.
#pragma once

#include "kernel_operator.h"

#include "common/problem.h"

namespace flash {

using namespace AscendC;

// The sequences of the batch, read from GM one at a time.
class Sequences {
 public:
  __aicore__ inline void init(GM_ADDR tables) {
    words_.SetGlobalBuffer(reinterpret_cast<__gm__ int64_t*>(tables + sequences_at));
  }
  __aicore__ inline Sequence read(int64_t index) const {
    const uint64_t at = static_cast<uint64_t>(index * sequence_bytes / word_bytes);
    Sequence sequence;
    sequence.row_q = words_.GetValue(at);
    sequence.row_k = words_.GetValue(at + 1);
    sequence.seqlen_q = words_.GetValue(at + 2);
    sequence.seqlen_k = words_.GetValue(at + 3);
    sequence.prefix = words_.GetValue(at + 4);
    sequence.first_task = words_.GetValue(at + 5);
    sequence.first_tile = words_.GetValue(at + 6);
    sequence.first_key_task = words_.GetValue(at + 7);
    return sequence;
  }

 private:
  static constexpr int64_t word_bytes = sizeof(int64_t);
  GlobalTensor<int64_t> words_;
};

// A group's tasks.
class Tasks {
 public:
  __aicore__ inline void init(GM_ADDR tables, const Tiling& tiling, int64_t group) {
    tiling_ = &tiling;
    sequences_.init(tables);
    next_ = tiling.first_task[group];
    end_ = tiling.first_task[group + 1];
  }

  // False: that was the last one.
  __aicore__ inline bool next(Task& task) {
    if (next_ == end_) return false;
    while (next_ >= end_of_sequence_) {
      sequence_ = sequences_.read(++batch_);
      end_of_sequence_ = sequence_.first_task + tasks_of(*tiling_, sequence_);
    }
    task = task_of(*tiling_, sequence_, batch_, next_ - sequence_.first_task);
    ++next_;
    return true;
  }

 private:
  const Tiling* tiling_ = nullptr;
  Sequences sequences_;
  int64_t next_ = 0;
  int64_t end_ = 0;
  int64_t batch_ = -1;
  int64_t end_of_sequence_ = 0;
  Sequence sequence_{};
};

// Tiles side by side: those of one block of queries or, in the backward, of one block of keys.
struct Step {
  Tile tile;         // the first one
  int64_t tiles;     // 1..max_step_tiles
  int64_t rows;      // of all tiles; or of each, if they share them
  int64_t keys;      // likewise
  int64_t row_step;  // from one tile to the next: block_q, or 0
  int64_t key_step;  // 0, or block_k
  bool is_first;     // of its task
  bool is_last;
  int64_t task_index;  // of this group's tasks that have steps
  int64_t index;       // of all steps of this group

  __aicore__ inline Tile at(int64_t i) const {
    Tile one = tile;
    one.row += i * row_step;
    one.key += i * key_step;
    one.rows = min_of(block_q, rows - i * row_step);
    one.keys = min_of(block_k, keys - i * key_step);
    return one;
  }

  // Which half of each double buffer. Statistics live as long as a task, all else as a step.
  __aicore__ inline uint32_t slot() const { return static_cast<uint32_t>(index % slots); }
  __aicore__ inline uint32_t task_slot() const { return static_cast<uint32_t>(task_index % slots); }
};

// A task's way through its keys, which are those of one block of queries.
struct Visit {
  Task task;
  int64_t key;  // the next one

  __aicore__ inline void begin(const Task& of) {
    task = of;
    key = of.keys.first();
  }
  __aicore__ inline bool goes_on() const { return task.keys.holds(key); }

  // Tiles up to the next multiple of `span` keys, or to where the mask hides one. Indexes are left
  // to whoever counts.
  __aicore__ inline void take(Step& step, int64_t span) {
    step.tile = tile_of(task, key);
    step.keys = task.keys.keys(key, span - key % span);
    step.tiles = ceil_div(step.keys, block_k);
    step.rows = task.rows;
    step.row_step = 0;
    step.key_step = block_k;
    step.is_first = key == task.keys.first();
    key = task.keys.from(key + step.tiles * block_k);
    step.is_last = !goes_on();
  }
};

// Of tasks of one block of queries.
class Steps {
 public:
  // tiles: of a step, at most.
  __aicore__ inline void init(GM_ADDR tables, const Tiling& tiling, int64_t group, int64_t tiles) {
    tasks_.init(tables, tiling, group);
    span_ = tiles * block_k;
  }

  // False: that was the last one. Tasks that see no key, and tiles that the mask empties, have no
  // step: they are never loaded.
  __aicore__ inline bool next(Step& step) {
    while (!visit_.goes_on()) {
      Task task;
      if (!tasks_.next(task)) return false;
      visit_.begin(task);
      if (!task.keys.is_empty()) ++live_tasks_;
    }
    visit_.take(step, span_);
    step.task_index = live_tasks_;
    step.index = steps_++;
    return true;
  }

 private:
  Tasks tasks_;
  Visit visit_{};
  int64_t span_ = 0;  // keys of a step, at most
  int64_t live_tasks_ = 0;
  int64_t steps_ = 0;
};

}  // namespace flash
