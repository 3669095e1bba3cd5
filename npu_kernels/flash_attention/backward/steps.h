// The order in which a group works in the backward. Pass::queries walks as the forward does
// (steps.h); here is how Pass::keys walks: block of keys after block of keys, and for each one
// query head after query head, some blocks of queries after the other.
#pragma once

#include "kernel_operator.h"

#include "backward/sizes.h"
#include "common/steps.h"

namespace flash {

class KeyTasks {
 public:
  __aicore__ inline void init(GM_ADDR tables, const Tiling& tiling, int64_t group) {
    tiling_ = &tiling;
    sequences_.init(tables);
    next_ = tiling.first_task[group];
    end_ = tiling.first_task[group + 1];
  }

  // False: that was the last one.
  __aicore__ inline bool next(KeyTask& task) {
    if (next_ == end_) return false;
    while (next_ >= end_of_sequence_) {
      sequence_ = sequences_.read(++batch_);
      end_of_sequence_ = sequence_.first_key_task + key_tasks_of(*tiling_, sequence_);
    }
    task = key_task_of(*tiling_, sequence_, batch_, next_ - sequence_.first_key_task);
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

class KeySteps {
 public:
  // tiles: of a step, at most.
  __aicore__ inline void init(GM_ADDR tables, const Tiling& tiling, int64_t group, int64_t tiles) {
    tiling_ = &tiling;
    most_tiles_ = tiles;
    tasks_.init(tables, tiling, group);
  }

  // False: that was the last one. Keys that no query sees have no step.
  __aicore__ inline bool next(Step& step) {
    while (head_ == end_of_heads_) {
      if (!tasks_.next(task_)) return false;
      if (task_.queries.is_empty()) continue;
      const int64_t heads = tiling_->heads_q / tiling_->heads_k;
      head_ = task_.head * heads;
      end_of_heads_ = head_ + heads;
      row_ = task_.queries.begin;
      is_first_ = true;
      ++live_tasks_;
    }
    step.tile = tile_of(task_, head_, row_);
    step.tiles = min_of(most_tiles_, ceil_div(task_.queries.end - row_, block_q));
    step.rows = min_of(step.tiles * block_q, task_.sequence.seqlen_q - row_);
    step.keys = task_.keys;
    step.row_step = block_q;
    step.key_step = 0;
    row_ += step.tiles * block_q;
    if (row_ >= task_.queries.end) {
      row_ = task_.queries.begin;
      ++head_;
    }
    step.is_first = is_first_;
    step.is_last = head_ == end_of_heads_;
    step.task_index = live_tasks_;
    step.index = steps_++;
    is_first_ = false;
    return true;
  }

 private:
  const Tiling* tiling_ = nullptr;
  int64_t most_tiles_ = 0;
  KeyTasks tasks_;
  KeyTask task_{};
  int64_t head_ = 0;
  int64_t end_of_heads_ = 0;
  int64_t row_ = 0;
  bool is_first_ = false;
  int64_t live_tasks_ = 0;
  int64_t steps_ = 0;
};

// A task whose gradients are 0: it has no step.
__aicore__ inline bool is_empty(const Task& task) {
  return task.keys.is_empty();
}
__aicore__ inline bool is_empty(const KeyTask& task) {
  return task.queries.is_empty();
}

template <Pass pass>
struct Walk;
template <>
struct Walk<Pass::keys> {
  using Task = KeyTask;
  using Tasks = KeyTasks;
  using Steps = KeySteps;
};
template <>
struct Walk<Pass::queries> {
  using Task = flash::Task;
  using Tasks = flash::Tasks;
  using Steps = flash::Steps;
};

}  // namespace flash
