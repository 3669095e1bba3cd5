// TPipe, TQue and TBuf: the framework's names for what framework.h keeps.
#pragma once

#include <exception>

#include "api/tensor.h"

namespace AscendC {

enum class HardEvent : uint8_t {
  MTE2_MTE1 = emulator::event_kind(PIPE_MTE2, PIPE_MTE1),
  MTE1_MTE2 = emulator::event_kind(PIPE_MTE1, PIPE_MTE2),
  MTE1_M = emulator::event_kind(PIPE_MTE1, PIPE_M),
  M_MTE1 = emulator::event_kind(PIPE_M, PIPE_MTE1),
  M_FIX = emulator::event_kind(PIPE_M, PIPE_FIX),
  FIX_M = emulator::event_kind(PIPE_FIX, PIPE_M),
  FIX_MTE2 = emulator::event_kind(PIPE_FIX, PIPE_MTE2),
  MTE2_FIX = emulator::event_kind(PIPE_MTE2, PIPE_FIX),
  MTE2_V = emulator::event_kind(PIPE_MTE2, PIPE_V),
  V_MTE2 = emulator::event_kind(PIPE_V, PIPE_MTE2),
  V_MTE3 = emulator::event_kind(PIPE_V, PIPE_MTE3),
  MTE3_V = emulator::event_kind(PIPE_MTE3, PIPE_V),
  MTE2_MTE3 = emulator::event_kind(PIPE_MTE2, PIPE_MTE3),
  MTE3_MTE2 = emulator::event_kind(PIPE_MTE3, PIPE_MTE2),
  V_S = emulator::event_kind(PIPE_V, PIPE_S),
  S_V = emulator::event_kind(PIPE_S, PIPE_V),
  MTE2_S = emulator::event_kind(PIPE_MTE2, PIPE_S),
  S_MTE2 = emulator::event_kind(PIPE_S, PIPE_MTE2),
  MTE3_S = emulator::event_kind(PIPE_MTE3, PIPE_S),
  S_MTE3 = emulator::event_kind(PIPE_S, PIPE_MTE3),
};

using TEventID = int8_t;

}  // namespace AscendC

namespace emulator {

// A position is a memory, and for a queue the two events between its producer and its consumer.
struct PositionTraits {
  const char* name;
  Memory memory;
  int filled;
  int free;
};

constexpr PositionTraits traits_of(AscendC::TPosition position) {
  switch (position) {
    case AscendC::TPosition::A1:
      return {"A1", Memory::l1, event_kind(PIPE_MTE2, PIPE_MTE1), event_kind(PIPE_MTE1, PIPE_MTE2)};
    case AscendC::TPosition::B1:
      return {"B1", Memory::l1, event_kind(PIPE_MTE2, PIPE_MTE1), event_kind(PIPE_MTE1, PIPE_MTE2)};
    case AscendC::TPosition::A2:
      return {"A2", Memory::l0a, event_kind(PIPE_MTE1, PIPE_M), event_kind(PIPE_M, PIPE_MTE1)};
    case AscendC::TPosition::B2:
      return {"B2", Memory::l0b, event_kind(PIPE_MTE1, PIPE_M), event_kind(PIPE_M, PIPE_MTE1)};
    case AscendC::TPosition::CO1:
      return {"CO1", Memory::l0c, event_kind(PIPE_M, PIPE_FIX), event_kind(PIPE_FIX, PIPE_M)};
    case AscendC::TPosition::VECIN:
      return {"VECIN", Memory::ub, event_kind(PIPE_MTE2, PIPE_V), event_kind(PIPE_V, PIPE_MTE2)};
    case AscendC::TPosition::VECOUT:
      return {"VECOUT", Memory::ub, event_kind(PIPE_V, PIPE_MTE3), event_kind(PIPE_MTE3, PIPE_V)};
    case AscendC::TPosition::VECCALC:
      return {"VECCALC", Memory::ub, 0, 0};
    default:
      return {"GM", Memory::gm, 0, 0};
  }
}

}  // namespace emulator

namespace AscendC {

// `depth`: EnQue calls without a DeQue between; the number of buffers is InitBuffer's.
template <TPosition position, int32_t depth, int32_t mask = 0>
class TQue {
  static_assert(depth >= 1, "depth 0, the in-place form, is not modelled");
  static_assert(mask == 0, "format conversion in a queue is not modelled");
  static_assert(position != TPosition::VECCALC && position != TPosition::GM,
                "a queue knows one producer and one consumer pipe: VECCALC has neither, use TBuf");

 public:
  template <typename T>
  LocalTensor<T> AllocTensor(Site site = Site()) {
    emulator::Core& core = emulator::this_core();
    return LocalTensor<T>(core.framework.alloc(core, queue_, site));
  }
  template <typename T>
  bool EnQue(const LocalTensor<T>& tensor, Site site = Site()) {
    emulator::Core& core = emulator::this_core();
    core.framework.enqueue(core, queue_, tensor.place(), site);
    return true;
  }
  template <typename T>
  LocalTensor<T> DeQue(Site site = Site()) {
    emulator::Core& core = emulator::this_core();
    return LocalTensor<T>(core.framework.dequeue(core, queue_, site));
  }
  template <typename T>
  void FreeTensor(LocalTensor<T>& tensor, Site site = Site()) {
    emulator::Core& core = emulator::this_core();
    core.framework.release(core, queue_, tensor.place(), site);
  }

 private:
  friend class TPipe;
  int queue_ = -1;
};

template <TPosition position>
class TBuf {
 public:
  template <typename T>
  LocalTensor<T> Get() {
    return LocalTensor<T>(place_);
  }
  template <typename T>
  LocalTensor<T> Get(uint32_t count, Site site = Site()) {
    return GetWithOffset<T>(count, 0, site);
  }
  // `count` in elements, `offset` in bytes.
  template <typename T>
  LocalTensor<T> GetWithOffset(uint32_t count, uint32_t offset, Site site = Site()) {
    emulator::Place place = place_;
    place.start += offset;
    place.end = place.start +
                emulator::round_up(static_cast<int64_t>(count) * static_cast<int64_t>(sizeof(T)),
                                   emulator::block_bytes);
    if (place.end > place_.end) {
      emulator::this_core().fail("TBuf::Get", site,
                                 "ends at byte " + std::to_string(place.end - place_.start) +
                                     " of a buffer of " +
                                     std::to_string(place_.end - place_.start) + " B");
    }
    return LocalTensor<T>(place);
  }

 private:
  friend class TPipe;
  emulator::Place place_;
};

class TPipe {
 public:
  explicit TPipe(Site site = Site()) : core_(&emulator::this_core()), site_(site) {
    core_->framework.open_pipe(*core_, site);
    core_->open_tpipe = this;
  }
  ~TPipe() { Destroy(site_); }
  TPipe(const TPipe&) = delete;
  TPipe& operator=(const TPipe&) = delete;

  void Destroy(Site site = Site()) noexcept {
    core_->framework.close_pipe(*core_, site, std::uncaught_exceptions() > 0);
    if (core_->open_tpipe == this) core_->open_tpipe = nullptr;
  }

  template <TPosition position, int32_t depth, int32_t mask>
  bool InitBuffer(TQue<position, depth, mask>& queue, uint8_t num, uint32_t len,
                  Site site = Site()) {
    constexpr emulator::PositionTraits traits = emulator::traits_of(position);
    emulator::Framework& framework = core_->framework;
    if (queue.queue_ >= 0) core_->fail("InitBuffer", site, "this queue has its buffers already");
    if (num == 0) core_->fail("InitBuffer", site, "a queue of no buffers");
    queue.queue_ = framework.add_queue(traits.name, depth, traits.filled, traits.free);
    for (int i = 0; i < num; ++i) {
      framework.add_buffer(*core_, traits.name, traits.memory, len, queue.queue_, "InitBuffer",
                           site);
    }
    return true;
  }
  template <TPosition position>
  bool InitBuffer(TBuf<position>& buffer, uint32_t len, Site site = Site()) {
    constexpr emulator::PositionTraits traits = emulator::traits_of(position);
    static_assert(position != TPosition::GM, "no buffers in GM");
    emulator::Framework& framework = core_->framework;
    if (buffer.place_.owner >= 0)
      core_->fail("InitBuffer", site, "this TBuf has its buffer already");
    const int index =
        framework.add_buffer(*core_, traits.name, traits.memory, len, -1, "InitBuffer", site);
    const emulator::Buffer& made = framework.buffer(index);
    buffer.place_ = emulator::Place{made.memory, index, made.start, made.start + made.bytes};
    return true;
  }

  template <HardEvent event>
  TEventID AllocEventID(Site site = Site()) {
    const int kind = static_cast<int>(event);
    return static_cast<TEventID>(core_->framework.alloc_event(*core_, kind, "AllocEventID", site));
  }
  template <HardEvent event>
  void ReleaseEventID(TEventID id, Site site = Site()) {
    core_->framework.release_event(*core_, static_cast<int>(event), id, site);
  }
  // Reserves nothing: set and wait on the spot.
  TEventID FetchEventID(HardEvent event, Site site = Site()) {
    return static_cast<TEventID>(
        core_->framework.fetch_event(*core_, static_cast<int>(event), site));
  }
  template <HardEvent event>
  TEventID FetchEventID(Site site = Site()) {
    return FetchEventID(event, site);
  }

 private:
  emulator::Core* core_;
  Site site_;
};

inline TPipe* GetTPipePtr() {
  return static_cast<TPipe*>(emulator::this_core().open_tpipe);
}

}  // namespace AscendC
