#include "machine/framework.h"

#include <cstring>

#include "machine/core.h"

namespace emulator {
namespace {

constexpr int pre_set_events = 3;  // M_MTE1 ids that TPipe sets on the AIC and waits for at its end
constexpr int m_mte1 = event_kind(PIPE_M, PIPE_MTE1);

}  // namespace

void Framework::open_pipe(Core& core, Site site) {
  if (is_open_) core.fail("TPipe", site, "a second TPipe on one core");
  if (was_open_)
    core.fail("TPipe", site, "a TPipe was here before: memory would be given out twice");
  is_open_ = was_open_ = true;
  if (!core.is_cube()) return;
  for (int id = 0; id < pre_set_events; ++id) {
    core.set_flag(m_mte1, id, "TPipe", site);
    allocated_[m_mte1] |= static_cast<uint8_t>(1u << id);
  }
}

void Framework::close_pipe(Core& core, Site site, bool unwinding) noexcept {
  if (!is_open_) return;
  is_open_ = false;
  if (unwinding) return;
  try {
    for (size_t i = 0; i < buffers_.size(); ++i) {
      Buffer& b = buffers_[i];
      if (b.state != BufferState::plain && b.state != BufferState::free) {
        core.fail("TPipe's end", b.last,
                  "buffer " + std::to_string(i) + " (" + b.position + ") was never freed");
      }
      if (b.free_event < 0) continue;
      const int kind = queues_[static_cast<size_t>(b.queue)].free_kind;
      core.wait_flag(kind, b.free_event, "TPipe's end", site);
      allocated_[kind] &= static_cast<uint8_t>(~(1u << b.free_event));
    }
    if (core.is_cube()) {
      for (int id = 0; id < pre_set_events; ++id) {
        core.wait_flag(m_mte1, id, "TPipe's end", site);
        allocated_[m_mte1] &= static_cast<uint8_t>(~(1u << id));
      }
    }
    core.barrier(PIPE_ALL, "TPipe's end", site);
    for (int kind = 0; kind < 64; ++kind) {
      if (allocated_[kind] == 0) continue;
      core.fail("TPipe's end", site, "an id of " + event_name(kind) + " was never released");
    }
  } catch (const Violation& violation) {
    if (core.deferred_error.empty()) core.deferred_error = violation.what();
  }
}

int Framework::add_buffer(Core& core, const char* position, Memory memory, int64_t bytes, int queue,
                          const char* call, Site site) {
  if (!is_open_) core.fail(call, site, "the TPipe has ended");
  const std::string what = std::string(position) + ", " + std::to_string(bytes) + " B: ";
  if (!core.has(memory)) core.fail(call, site, what + "this core has no such memory");
  if (bytes == 0) core.fail(call, site, what + "a buffer of nothing");
  if (static_cast<int>(buffers_.size()) >= max_buffers) {
    core.fail(call, site, what + "more than 64 buffers on one core");
  }
  const MemoryLimits& limits = limits_of[static_cast<int>(memory)];
  int64_t& top = top_[static_cast<int>(memory)];
  const int64_t rounded = round_up(bytes, block_bytes);
  const bool reserved = memory == Memory::ub && !core.options().whole_ub;
  const int64_t usable = limits.usable - (reserved ? select_reserve_bytes : 0);
  if (top + rounded > usable) {
    core.fail(call, site,
              what + limits.name + " has " + std::to_string(usable - top) + " B left of " +
                  std::to_string(usable));
  }
  buffers_.push_back(Buffer{position, memory, top, rounded, queue,
                            queue < 0 ? BufferState::plain : BufferState::free, -1, -1, site});
  top += rounded;
  const int index = static_cast<int>(buffers_.size()) - 1;
  if (queue >= 0) queues_[static_cast<size_t>(queue)].buffers.push_back(index);
  return index;
}

int Framework::add_queue(const char* position, int depth, int filled_kind, int free_kind) {
  queues_.push_back(Queue{position, depth, filled_kind, free_kind, 0, {}, {}});
  queue_uses_[filled_kind] = queue_uses_[free_kind] = true;
  return static_cast<int>(queues_.size()) - 1;
}

Place Framework::place_of(int buffer) const {
  const Buffer& b = buffers_[static_cast<size_t>(buffer)];
  return Place{b.memory, buffer, b.start, b.start + b.bytes};
}

Place Framework::alloc(Core& core, int queue, Site site) {
  if (queue < 0) core.fail("AllocTensor", site, "InitBuffer has not given this queue any buffer");
  Queue& q = queues_[static_cast<size_t>(queue)];
  int held = 0;
  for (const Buffer& b : buffers_) {
    const bool is_held = b.queue >= 0 && b.state != BufferState::free;
    if (is_held && std::strcmp(b.position, q.position) == 0) ++held;
  }
  if (held >= max_held_tensors) {
    core.fail("AllocTensor", site, std::string("8 tensors of ") + q.position + " are held already");
  }
  const int count = static_cast<int>(q.buffers.size());
  for (int step = 0; step < count; ++step) {
    const int slot = (q.cursor + step) % count;
    const int index = q.buffers[static_cast<size_t>(slot)];
    Buffer& b = buffers_[static_cast<size_t>(index)];
    if (b.state != BufferState::free) continue;
    if (b.free_event >= 0) {
      core.wait_flag(q.free_kind, b.free_event, "AllocTensor", site);
      allocated_[q.free_kind] &= static_cast<uint8_t>(~(1u << b.free_event));
      b.free_event = -1;
    }
    b.state = BufferState::occupied;
    b.last = site;
    q.cursor = (slot + 1) % count;
    return place_of(index);
  }
  const Buffer& b = buffers_[static_cast<size_t>(q.buffers.front())];
  core.fail("AllocTensor", site,
            std::string("all ") + std::to_string(count) + " buffers of this " + q.position +
                " queue are held, the first since " + to_string(b.last));
}

Buffer& Framework::owned(Core& core, int queue, const Place& place, const char* call, Site site) {
  const bool local = place.memory != Memory::gm && place.owner >= 0;
  if (queue < 0 || !local || buffers_[static_cast<size_t>(place.owner)].queue != queue) {
    core.fail(call, site, "the tensor does not belong to this queue");
  }
  return buffers_[static_cast<size_t>(place.owner)];
}

void Framework::enqueue(Core& core, int queue, const Place& place, Site site) {
  Buffer& b = owned(core, queue, place, "EnQue", site);
  Queue& q = queues_[static_cast<size_t>(queue)];
  if (b.state != BufferState::occupied && b.state != BufferState::dequeued) {
    core.fail("EnQue", site,
              std::string("the tensor is ") +
                  (b.state == BufferState::free ? "free" : "in the queue already") + ", see " +
                  to_string(b.last));
  }
  if (static_cast<int>(q.queued.size()) >= q.depth) {
    core.fail("EnQue", site, "more tensors in the queue than its depth " + std::to_string(q.depth));
  }
  b.filled_event = alloc_event(core, q.filled_kind, "EnQue", site);
  core.set_flag(q.filled_kind, b.filled_event, "EnQue", site);
  b.state = BufferState::queued;
  b.last = site;
  q.queued.push_back(place.owner);
}

Place Framework::dequeue(Core& core, int queue, Site site) {
  if (queue < 0) core.fail("DeQue", site, "InitBuffer has not given this queue any buffer");
  Queue& q = queues_[static_cast<size_t>(queue)];
  if (q.queued.empty())
    core.fail("DeQue", site, std::string("this ") + q.position + " queue is empty");
  const int index = q.queued.front();
  q.queued.pop_front();
  Buffer& b = buffers_[static_cast<size_t>(index)];
  core.wait_flag(q.filled_kind, b.filled_event, "DeQue", site);
  allocated_[q.filled_kind] &= static_cast<uint8_t>(~(1u << b.filled_event));
  b.filled_event = -1;
  b.state = BufferState::dequeued;
  b.last = site;
  return place_of(index);
}

void Framework::release(Core& core, int queue, const Place& place, Site site) {
  Buffer& b = owned(core, queue, place, "FreeTensor", site);
  Queue& q = queues_[static_cast<size_t>(queue)];
  if (b.state == BufferState::free) {
    core.fail("FreeTensor", site, "freed twice, before at " + to_string(b.last));
  }
  if (b.state == BufferState::queued) {
    core.fail("FreeTensor", site, "the tensor is still in the queue, see " + to_string(b.last));
  }
  b.free_event = alloc_event(core, q.free_kind, "FreeTensor", site);
  core.set_flag(q.free_kind, b.free_event, "FreeTensor", site);
  b.state = BufferState::free;
  b.last = site;
  Arena& arena = core.arena(b.memory);
  if (core.options().adversarial) {
    arena.forget(b.start, b.start + b.bytes);  // who still reads it may not have run yet
  } else {
    arena.poison(b.start, b.start + b.bytes);
  }
}

int Framework::alloc_event(Core& core, int kind, const char* call, Site site) {
  for (int id = 0; id < event_ids; ++id) {
    if (((allocated_[kind] >> id) & 1u) != 0) continue;
    allocated_[kind] |= static_cast<uint8_t>(1u << id);
    return id;
  }
  core.fail(call, site, "all 8 ids of " + event_name(kind) + " are in use");
}

void Framework::release_event(Core& core, int kind, int id, Site site) {
  if (id < 0 || id >= event_ids || ((allocated_[kind] >> id) & 1u) == 0) {
    core.fail(
        "ReleaseEventID", site,
        event_name(kind) + " id " + std::to_string(id) + " was not given out by AllocEventID");
  }
  allocated_[kind] &= static_cast<uint8_t>(~(1u << id));
}

int Framework::fetch_event(Core& core, int kind, Site site) {
  const int id = alloc_event(core, kind, "FetchEventID", site);
  allocated_[kind] &= static_cast<uint8_t>(~(1u << id));
  fetched_[kind] |= static_cast<uint8_t>(1u << id);
  return id;
}

void Framework::check_hand_event(Core& core, int kind, int id, const char* call, Site site) {
  const std::string what = event_name(kind) + " id " + std::to_string(id) + ": ";
  if (id < 0 || id >= event_ids) core.fail(call, site, what + "ids are 0..7");
  if (is_open_ && core.is_cube() && kind == m_mte1 && id < pre_set_events) {
    core.fail(call, site, what + "owned by TPipe, which has set it already; use ids 3..5");
  }
  const bool given = (((allocated_[kind] | fetched_[kind]) >> id) & 1u) != 0;
  if (given) return;
  if (id >= reserved_event_id) core.fail(call, site, what + "ids 6 and 7 belong to the framework");
  if (is_open_ && queue_uses_[kind]) {
    core.fail(call, site,
              what +
                  "a queue of this core takes its ids of this kind: use AllocEventID "
                  "or FetchEventID");
  }
  if (is_open_ && core.options().checked && !noted_[kind]) {
    noted_[kind] = true;
    core.note(call, site,
              "a constant id of " + event_name(kind) +
                  " beside a TPipe: documented are ids from AllocEventID or FetchEventID");
  }
}

}  // namespace emulator
