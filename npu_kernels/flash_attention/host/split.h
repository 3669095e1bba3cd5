// Which group does which tasks. Host only.
#pragma once

#include <vector>

#include "common/problem.h"

namespace flash {

// What the tasks of one head of each sequence cost; all heads of a sequence are alike.
using Costs = std::vector<std::vector<int64_t>>;

// Consecutive tasks for each group, up to `limit` of cost. Returns how many groups that takes, or
// more than max_groups if those are not enough.
inline int64_t split_up_to(Tiling& t, const Costs& costs, int64_t heads, int64_t limit) {
  int64_t groups = 0;
  int64_t load = limit;
  int64_t task = 0;
  for (const std::vector<int64_t>& of_head : costs) {
    for (int64_t head = 0; head < heads; ++head) {
      for (const int64_t cost : of_head) {
        if (load + cost > limit) {
          if (groups == max_groups) return max_groups + 1;
          t.first_task[groups++] = task;
          load = 0;
        }
        load += cost;
        ++task;
      }
    }
  }
  for (int64_t group = groups; group <= max_groups; ++group) t.first_task[group] = task;
  return groups;
}

// The least limit for which `groups` are enough. Returns it.
inline int64_t split_work(Tiling& t, const Costs& costs, int64_t heads, int64_t groups) {
  int64_t least = 1;
  int64_t total = 0;
  for (const std::vector<int64_t>& of_head : costs) {
    for (const int64_t cost : of_head) {
      least = max_of(least, cost);
      total += cost;
    }
  }
  int64_t most = max_of(total * heads, least);
  while (least < most) {
    const int64_t limit = least + (most - least) / 2;
    if (split_up_to(t, costs, heads, limit) <= groups) {
      most = limit;
    } else {
      least = limit + 1;
    }
  }
  t.groups = split_up_to(t, costs, heads, least);
  return least;
}

// Tasks of queries: each costs the tiles of its blocks, and one more for each block's queries and
// results.
inline Costs query_costs(const Tiling& t, const std::vector<Sequence>& sequences) {
  Costs costs;
  for (const Sequence& s : sequences) {
    std::vector<int64_t> of_head;
    for (int64_t part = 0; part < ceil_div(s.seqlen_q, t.blocks * block_q); ++part) {
      const Task task = task_of(t, s, 0, part);
      int64_t cost = 0;
      for (int64_t i = 0; i < blocks_of(task); ++i) {
        cost += block_of(t, task, i).keys.tiles() + 1;
      }
      of_head.push_back(cost);
    }
    costs.push_back(std::move(of_head));
  }
  return costs;
}

}  // namespace flash
