// Which group does which tasks. Host only.
#pragma once

#include "tiling.h"

namespace flash {

inline int64_t working_groups(const ForwardTiling& t, int64_t groups) {
  return min_of(task_count(t), groups);
}

// Consecutive tasks for each group, about equally many non-empty tiles (and one more per task, for
// its queries and its results).
inline void split_work(ForwardTiling& t, int64_t groups) {
  const int64_t tasks = task_count(t);
  const auto cost = [&](int64_t task) { return task_at(t, task).tiles() + 1; };
  int64_t total = 0;
  for (int64_t task = 0; task < tasks; ++task) total += cost(task);
  t.groups = working_groups(t, groups);
  int64_t task = 0;
  int64_t done = 0;
  for (int64_t group = 0; group < t.groups; ++group) {
    t.first_task[group] = task;
    const int64_t last = tasks - (t.groups - group - 1);  // each of the later groups gets a task
    // Its end is where all groups up to it have their share of the total.
    const int64_t share =
        total / t.groups * (group + 1) + total % t.groups * (group + 1) / t.groups;
    do {
      done += cost(task++);
    } while (task < last && done + cost(task) / 2 < share);
  }
  for (int64_t group = t.groups; group <= max_groups; ++group) t.first_task[group] = tasks;
}

}  // namespace flash
