// The order in which a group works in the forward: task after task, and in each task part after
// part of the keys, up to step_tiles() at once. The blocks of a task take a step together, each
// what it sees of these keys. All three cores of a group walk the same steps.
#pragma once

#include "kernel_operator.h"

#include "common/steps.h"

namespace flash {

struct ForwardStep {
  Step blocks[max_blocks];
  bool has[max_blocks];  // whether the block sees any of these keys
  int64_t first_key;     // where they begin
  int64_t tiles;         // of keys, of which each block has some that are side by side
  bool is_first;         // of its task
  bool is_last;
  int64_t index;  // of all steps of this group

  __aicore__ inline uint32_t slot() const { return static_cast<uint32_t>(index % slots); }
  // Which of its tiles is tile number `i` of these keys; below 0 or beyond its last: none.
  __aicore__ inline int64_t tile_of_block(int64_t block, int64_t i) const {
    return i - (blocks[block].tile.key - first_key) / block_k;
  }
  __aicore__ inline bool has_tile(int64_t block, int64_t i) const {
    const int64_t own = has[block] ? tile_of_block(block, i) : -1;
    return own >= 0 && own < blocks[block].tiles;
  }
  // Keys of tile number `i` that any block sees; 0: there is none.
  __aicore__ inline int64_t keys(int64_t i) const {
    int64_t most = 0;
    for (int64_t block = 0; block < max_blocks; ++block) {
      if (!has_tile(block, i)) continue;
      const Step& step = blocks[block];
      most = max_of(most, min_of(block_k, step.keys - tile_of_block(block, i) * block_k));
    }
    return most;
  }
};

class ForwardSteps {
 public:
  __aicore__ inline void init(GM_ADDR tables, const Tiling& tiling, int64_t group) {
    tiling_ = &tiling;
    tasks_.init(tables, tiling, group);
    span_ = step_tiles(tiling.head_dim, tiling.head_dim_v) * block_k;
  }

  // False: that was the last one. Tasks that see no key, and tiles that the mask empties, have no
  // step: they are never loaded.
  __aicore__ inline bool next(ForwardStep& step) {
    step.is_first = false;
    while (!goes_on()) {
      Task task;
      if (!tasks_.next(task)) return false;
      begin(task);
      step.is_first = true;
    }
    if (step.is_first) ++live_tasks_;
    step.first_key = next_span();
    step.tiles = span_ / block_k;
    step.index = steps_++;
    for (int64_t block = 0; block < max_blocks; ++block) {
      Visit& visit = visits_[block];
      step.has[block] = visit.goes_on() && visit.key < step.first_key + span_;
      if (!step.has[block]) continue;
      visit.take(step.blocks[block], span_);
      step.blocks[block].task_index = live_tasks_;
      step.blocks[block].index = step.index;
    }
    step.is_last = !goes_on();
    return true;
  }

 private:
  __aicore__ inline bool goes_on() const { return visits_[0].goes_on() || visits_[1].goes_on(); }
  __aicore__ inline void begin(const Task& task) {
    for (int64_t block = 0; block < max_blocks; ++block) {
      visits_[block] = Visit{};
      if (block < blocks_of(task)) visits_[block].begin(block_of(*tiling_, task, block));
    }
  }
  // Where the keys begin that come next, a multiple of span_.
  __aicore__ inline int64_t next_span() const {
    int64_t key = unbounded;
    for (int64_t block = 0; block < max_blocks; ++block) {
      if (visits_[block].goes_on()) key = min_of(key, visits_[block].key);
    }
    return key / span_ * span_;
  }

  const Tiling* tiling_ = nullptr;
  Tasks tasks_;
  Visit visits_[max_blocks] = {};
  int64_t span_ = 0;
  int64_t live_tasks_ = 0;
  int64_t steps_ = 0;
};

}  // namespace flash
