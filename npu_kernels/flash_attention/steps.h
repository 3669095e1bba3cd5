// The order in which a group works: task after task, and in each task key tile after key tile. All
// three cores of a group walk the same steps.
#pragma once

#include "tiling.h"

namespace flash {

// One tile of keys for one block of queries.
struct Step {
  Task task;
  int64_t task_index;
  int64_t key;    // first key of the tile
  int64_t keys;   // 1..block_k
  int64_t index;  // of all steps of this group

  __aicore__ inline bool is_first() const { return key == 0; }
  __aicore__ inline bool is_last() const { return key + keys == task.key_limit; }
  // Which half of each double buffer. Statistics live as long as a task, all else as a step.
  __aicore__ inline uint32_t slot() const { return static_cast<uint32_t>(index % slots); }
  __aicore__ inline uint32_t task_slot() const { return static_cast<uint32_t>(task_index % slots); }
};

class Steps {
 public:
  __aicore__ inline Steps(const ForwardTiling& tiling, int64_t group)
      : tiling_(tiling), next_task_(tiling.first_task[group]), end_(tiling.first_task[group + 1]) {}

  // False: that was the last one. Tasks that see no key, and tiles that the mask empties, have no
  // step: they are never loaded.
  __aicore__ inline bool next(Step& step) {
    while (key_ >= task_.key_limit) {
      if (next_task_ == end_) return false;
      task_ = task_at(tiling_, next_task_++);
      key_ = 0;
      if (task_.key_limit > 0) ++live_tasks_;
    }
    const int64_t keys = min_of(block_k, task_.key_limit - key_);
    step = Step{task_, live_tasks_, key_, keys, steps_++};
    key_ += keys;
    return true;
  }

 private:
  const ForwardTiling& tiling_;
  int64_t next_task_;
  int64_t end_;
  Task task_{};
  int64_t key_ = 0;
  int64_t live_tasks_ = 0;
  int64_t steps_ = 0;
};

}  // namespace flash
