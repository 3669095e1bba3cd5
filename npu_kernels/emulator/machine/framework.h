// TPipe, TQue and TBuf as state of a core: buffers, their owners, event ids in use.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "machine/chip.h"
#include "machine/site.h"

namespace emulator {

class Core;

// A view of local or global memory: bytes [start, end) of a memory, or of a registered tensor.
struct Place {
  Memory memory = Memory::ub;
  int owner = -1;  // local: buffer; gm: tensor
  int64_t start = 0;
  int64_t end = 0;
};

enum class BufferState : uint8_t { plain, free, occupied, queued, dequeued };

struct Buffer {
  const char* position;
  Memory memory;
  int64_t start;
  int64_t bytes;
  int queue;  // -1: TBuf
  BufferState state;
  int free_event = -1;    // id that AllocTensor has to wait for
  int filled_event = -1;  // id that DeQue has to wait for
  Site last;              // AllocTensor, EnQue, DeQue or FreeTensor
};

struct Queue {
  const char* position;
  int depth;
  int filled_kind;  // EnQue sets, DeQue waits
  int free_kind;    // FreeTensor sets, AllocTensor waits
  int cursor = 0;   // buffers are taken in turn
  std::vector<int> buffers;
  std::deque<int> queued;
};

// Lives in its core, since a TPipe may end before or after its queues do.
class Framework {
 public:
  void open_pipe(Core& core, Site site);
  // noexcept: called by TPipe's destructor. `unwinding`: something failed already.
  void close_pipe(Core& core, Site site, bool unwinding) noexcept;
  bool is_open() const { return is_open_; }

  int add_buffer(Core& core, const char* position, Memory memory, int64_t bytes, int queue,
                 const char* call, Site site);
  int add_queue(const char* position, int depth, int filled_kind, int free_kind);

  Place alloc(Core& core, int queue, Site site);
  void enqueue(Core& core, int queue, const Place& place, Site site);
  Place dequeue(Core& core, int queue, Site site);
  void release(Core& core, int queue, const Place& place, Site site);

  int alloc_event(Core& core, int kind, const char* call, Site site);
  void release_event(Core& core, int kind, int id, Site site);
  int fetch_event(Core& core, int kind, Site site);
  // May a kernel set or wait this id by hand?
  void check_hand_event(Core& core, int kind, int id, const char* call, Site site);
  void forget_fetched(int kind, int id) { fetched_[kind] &= static_cast<uint8_t>(~(1u << id)); }

  const Buffer& buffer(int index) const { return buffers_[static_cast<size_t>(index)]; }
  int64_t top(Memory memory) const { return top_[static_cast<int>(memory)]; }

 private:
  Buffer& owned(Core& core, int queue, const Place& place, const char* call, Site site);
  Place place_of(int buffer) const;

  bool is_open_ = false;
  bool was_open_ = false;
  int64_t top_[local_memories] = {};
  std::vector<Buffer> buffers_;
  std::vector<Queue> queues_;
  uint8_t allocated_[64] = {};  // event ids out of AllocEventID or of a queue, per kind
  uint8_t fetched_[64] = {};
  bool queue_uses_[64] = {};
  bool noted_[64] = {};  // a constant id, once per kind
};

}  // namespace emulator
