// Which group does which tasks. Host only.
#pragma once

#include <vector>

#include "tiling.h"

namespace flash {

inline int64_t working_groups(const ForwardTiling& t, int64_t groups) {
  return min_of(task_count(t), groups);
}

// Consecutive tasks for each group, up to `limit` of cost. Returns how many groups that takes.
// costs: of the blocks of one head; all heads are alike.
inline int64_t split_up_to(ForwardTiling& t, const std::vector<int64_t>& costs, int64_t limit) {
  const int64_t tasks = task_count(t);
  const int64_t blocks = static_cast<int64_t>(costs.size());
  int64_t groups = 0;
  int64_t load = limit;
  for (int64_t task = 0; task < tasks; ++task) {
    const int64_t cost = costs[static_cast<size_t>(task % blocks)];
    if (load + cost > limit) {
      if (groups <= max_groups) t.first_task[groups] = task;
      ++groups;
      load = 0;
    }
    load += cost;
  }
  for (int64_t group = groups; group <= max_groups; ++group) t.first_task[group] = tasks;
  return groups;
}

// The least limit for which `groups` are enough. A task costs its non-empty tiles, and one more
// for its queries and its results.
inline void split_work(ForwardTiling& t, int64_t groups) {
  std::vector<int64_t> costs;
  for (int64_t block = 0; block < ceil_div(t.seqlen_q, block_q); ++block) {
    costs.push_back(task_at(t, block).tiles() + 1);
  }
  int64_t least = 1;
  int64_t total = 0;
  for (const int64_t cost : costs) {
    least = max_of(least, cost);
    total += cost;
  }
  int64_t most = max_of(total * t.batch * t.heads_q, 1);
  while (least < most) {
    const int64_t limit = least + (most - least) / 2;
    if (split_up_to(t, costs, limit) <= groups) {
      most = limit;
    } else {
      least = limit + 1;
    }
  }
  t.groups = split_up_to(t, costs, least);
}

}  // namespace flash
