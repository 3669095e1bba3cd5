// The order in which a group works: task after task, and in each task key tile after key tile. All
// three cores of a group walk the same steps.
#pragma once

#include "kernel_operator.h"
#include "problem.h"

namespace flash {

using namespace AscendC;

// A group's tasks. Sequences are read from GM as they come.
class Tasks {
 public:
  __aicore__ inline void init(GM_ADDR tables, const Tiling& tiling, int64_t group) {
    tiling_ = &tiling;
    sequences_.SetGlobalBuffer(reinterpret_cast<__gm__ int64_t*>(tables + sequences_at));
    next_ = tiling.first_task[group];
    end_ = tiling.first_task[group + 1];
  }

  // False: that was the last one.
  __aicore__ inline bool next(Task& task) {
    if (next_ == end_) return false;
    while (next_ >= end_of_sequence_) read_sequence(++batch_);
    task = task_of(*tiling_, sequence_, batch_, next_ - sequence_.first_task);
    ++next_;
    return true;
  }

 private:
  __aicore__ inline void read_sequence(int64_t index) {
    const uint64_t at = static_cast<uint64_t>(index * sequence_bytes / int64_t{sizeof(int64_t)});
    sequence_.row_q = sequences_.GetValue(at);
    sequence_.row_k = sequences_.GetValue(at + 1);
    sequence_.seqlen_q = sequences_.GetValue(at + 2);
    sequence_.seqlen_k = sequences_.GetValue(at + 3);
    sequence_.prefix = sequences_.GetValue(at + 4);
    sequence_.first_task = sequences_.GetValue(at + 5);
    sequence_.first_tile = sequences_.GetValue(at + 6);
    end_of_sequence_ = sequence_.first_task + tasks_of(*tiling_, sequence_);
  }

  const Tiling* tiling_ = nullptr;
  GlobalTensor<int64_t> sequences_;
  int64_t next_ = 0;
  int64_t end_ = 0;
  int64_t batch_ = -1;
  int64_t end_of_sequence_ = 0;
  Sequence sequence_{};
};

// One tile of keys for one block of queries.
struct Step {
  Tile tile;
  bool is_first;  // of its task
  bool is_last;
  int64_t task_index;  // of this group's tasks that have steps
  int64_t index;       // of all steps of this group

  // Which half of each double buffer. Statistics live as long as a task, all else as a step.
  __aicore__ inline uint32_t slot() const { return static_cast<uint32_t>(index % slots); }
  __aicore__ inline uint32_t task_slot() const { return static_cast<uint32_t>(task_index % slots); }
};

class Steps {
 public:
  __aicore__ inline void init(GM_ADDR tables, const Tiling& tiling, int64_t group) {
    tasks_.init(tables, tiling, group);
  }

  // False: that was the last one. Tasks that see no key, and tiles that the mask empties, have no
  // step: they are never loaded.
  __aicore__ inline bool next(Step& step) {
    while (!task_.keys.holds(key_)) {
      if (!tasks_.next(task_)) return false;
      key_ = task_.keys.first();
      if (!task_.keys.is_empty()) ++live_tasks_;
    }
    const int64_t following = task_.keys.after(key_);
    step = Step{tile_of(task_, key_), key_ == task_.keys.first(), !task_.keys.holds(following),
                live_tasks_, steps_++};
    key_ = following;
    return true;
  }

 private:
  Tasks tasks_;
  Task task_{};
  int64_t key_ = 0;
  int64_t live_tasks_ = 0;
  int64_t steps_ = 0;
};

}  // namespace flash
