#include "machine/instruction.h"

#include <algorithm>

#include "machine/adversary.h"
#include "machine/group.h"

namespace emulator {
namespace {

// The tensor's index rides in Place::owner; offsets count from the tensor's first byte.
struct GmStore {
  GlobalMemory& memory;
  GroupGm& group;
  int tensor;
  uint32_t written(int64_t block) const { return memory.written(tensor, block); }
  void mark_written(int64_t block, uint32_t bytes) { memory.mark_written(tensor, block, bytes); }
  History& history(int64_t block) { return group.history(tensor, block); }
};

std::string range(int64_t first, int64_t last) {
  return "bytes [" + std::to_string(first) + ", " + std::to_string(last) + ")";
}

}  // namespace

std::string text_of(const Core& core, const Place& place, int64_t first, int64_t last) {
  if (place.memory == Memory::gm) {
    if (place.owner < 0) return "GM outside of every tensor";
    return "GM tensor " + std::string(core.group->gm().tensor(place.owner).name) + ", " +
           range(first, last);
  }
  std::string text =
      std::string(limits_of[static_cast<int>(place.memory)].name) + " " + range(first, last);
  if (place.owner < 0) return text;
  const Buffer& buffer = core.framework.buffer(place.owner);
  return text + " of buffer " + std::to_string(place.owner) + " (" + buffer.position + ", " +
         std::to_string(buffer.bytes) + " B at " + std::to_string(buffer.start) + ")";
}

Place gm_place(const void* address, const char* call, Site site) {
  Core& core = this_core();
  // A tensor that has no elements may have no address; an access is refused, as without a buffer.
  if (address == nullptr) return Place{Memory::gm, -1, 0, 0};
  const GlobalMemory& memory = core.group->gm();
  const int tensor = memory.find(address);
  if (tensor < 0) core.fail(call, site, "the address lies in no tensor of this launch");
  const auto* begin = static_cast<const uint8_t*>(memory.tensor(tensor).address);
  return Place{Memory::gm, tensor, static_cast<const uint8_t*>(address) - begin,
               memory.tensor(tensor).bytes};
}

int64_t gm_bytes(const Place& place) {
  return this_core().group->gm().tensor(place.owner).bytes;
}

void need_fresh(const Instruction& in, const Place& place, int64_t offset, int64_t bytes) {
  if (place.owner < 0) return;  // found by the access itself
  const GmTensor& tensor = in.core.group->gm().tensor(place.owner);
  const std::string what = std::string("a scalar read of ") + tensor.name;
  if (tensor.kind != GmKind::input) {
    in.fail(what + ", which this launch may write: the data cache would be stale");
  }
  const uint8_t* at = static_cast<const uint8_t*>(tensor.address) + place.start + offset;
  if (!in.core.options().checked || !in.core.cache.may_be_stale(at, bytes)) return;
  in.fail(what +
          " through a data cache that may hold what was there before the launch: call "
          "DataCacheCleanAndInvalid<T, CacheLine::ENTIRE_DATA_CACHE, DcciDst::CACHELINE_OUT> once "
          "on this core before it reads");
}

void drop_from_cache(const Place& place, bool all, Site site) {
  Core& core = this_core();
  if (all) {
    core.cache.drop_all();
    return;
  }
  if (place.owner < 0) {
    core.fail("DataCacheCleanAndInvalid", site, "a tensor without SetGlobalBuffer");
  }
  const void* address = core.group->gm().tensor(place.owner).address;
  core.cache.drop_line(static_cast<const uint8_t*>(address) + place.start);
}

Instruction::Instruction(Core& core_, pipe_t pipe_, const char* call_, Site site_, uint64_t repeats)
    : core(core_), pipe(pipe_), call(call_), site(site_), adversary_(core_.group->adversary()) {
  if (!core_has(core.is_cube(), pipe)) {
    fail(std::string("this core has no ") + pipe_names[pipe]);
  }
  PipeState& state = core.pipes[pipe];
  if (state.log.size() >= max_sequence) fail("more instructions than the emulator can number");
  state.log.push_back(Issued{call, site, ++core.issued});
  who = Who::of(core.lane(pipe), false, state.issued());
  clock_ = state.clock;
  ++core.counters.pipes[pipe].instructions;
  core.counters.pipes[pipe].repeats += repeats;
}

std::string Instruction::told(const std::string& text) const {
  return to_string(site) + ": " + call + " on " + core.name() + ", " + pipe_names[pipe] + ": " +
         text;
}

void Instruction::need_memory(const Place& place, Memory memory, const char* what) const {
  if (place.memory == memory) return;
  if (place.memory == Memory::gm) fail(std::string(what) + " is in GM");
  fail(std::string(what) + " is in " + limits_of[static_cast<int>(place.memory)].name +
       ", not in " + limits_of[static_cast<int>(memory)].name);
}

void Instruction::need_aligned(const Place& place, int64_t alignment, const char* what) const {
  if (place.start % alignment == 0) return;
  fail(std::string(what) + " starts at byte " + std::to_string(place.start) + ", not aligned to " +
       std::to_string(alignment) + " B: " + text_of(core, place, place.start, place.end));
}

void Instruction::need_range(int64_t value, int64_t least, int64_t most, const char* what) const {
  if (value >= least && value <= most) return;
  fail(std::string(what) + " is " + std::to_string(value) + ", must be in [" +
       std::to_string(least) + ", " + std::to_string(most) + "]");
}

void Instruction::check_bounds(const Place& place, int64_t first, int64_t last, bool writes) const {
  if (place.owner < 0) fail("a tensor that no buffer backs: not allocated, or GM not registered");
  if (first < place.start || last > place.end) {
    fail(std::string(writes ? "writes " : "reads ") + text_of(core, place, first, last) +
         ", outside of the tensor's " + range(place.start, place.end));
  }
  if (place.memory == Memory::gm) {
    if (writes && core.group->gm().tensor(place.owner).kind == GmKind::input) {
      fail("writes the input " + text_of(core, place, first, last));
    }
    return;
  }
  if (!core.has(place.memory)) {
    fail(std::string("no ") + limits_of[static_cast<int>(place.memory)].name + " on this core");
  }
  const Buffer& buffer = core.framework.buffer(place.owner);
  if (buffer.state == BufferState::free) {
    fail(std::string(writes ? "writes " : "reads ") + text_of(core, place, first, last) +
         ", which is free since " + to_string(buffer.last));
  }
}

uint8_t* Instruction::bytes_of(const Place& place, int64_t offset) const {
  if (place.memory != Memory::gm) return core.arena(place.memory).at(place.start + offset);
  const GmTensor& tensor = core.group->gm().tensor(place.owner);
  return static_cast<uint8_t*>(tensor.address) + place.start + offset;
}

template <typename Store>
void Instruction::touch_block(Store& store, const Place& place, int64_t block, uint32_t bytes,
                              bool writes) {
  const auto on_conflict = [&](Who earlier, bool earlier_writes) {
    conflict(place, block, bytes, earlier, earlier_writes, writes);
  };
  if (!writes) {
    const uint32_t missing = bytes & ~store.written(block);
    if (missing != 0) never_written(place, block, missing);
    store.history(block).note_read(who, bytes, clock_, on_conflict);
    return;
  }
  store.history(block).note_write(who, bytes, clock_, on_conflict);
  store.mark_written(block, bytes);
}

uint8_t* Instruction::touch(const Place& place, int64_t offset, int64_t bytes, bool writes) {
  const int64_t first = place.start + offset;
  const int64_t last = first + bytes;
  check_bounds(place, first, last, writes);
  if (core.options().checked) {
    if (place.memory == Memory::gm) {
      touch_gm(place, first, last, writes);
    } else {
      Arena& arena = core.arena(place.memory);
      for (int64_t block = first / block_bytes; block * block_bytes < last; ++block) {
        const int64_t start = block * block_bytes;
        touch_block(arena, place, block,
                    block_mask(std::max<int64_t>(first - start, 0),
                               std::min<int64_t>(last - start, block_bytes)),
                    writes);
      }
    }
  }
  uint8_t* at = bytes_of(place, offset);
  if (writes && adversary_ != nullptr) note_written(at, bytes);
  return at;
}

void Instruction::touch_lanes(const Place& place, int64_t offset, uint32_t lanes, bool writes) {
  if (lanes == 0) return;
  const int64_t start = place.start + offset;
  int64_t low = 0;
  int64_t high = block_bytes;
  while (((lanes >> low) & 1u) == 0) ++low;
  while (((lanes >> (high - 1)) & 1u) == 0) --high;
  check_bounds(place, start + low, start + high, writes);
  if (core.options().checked)
    touch_block(core.arena(place.memory), place, start / block_bytes, lanes, writes);
  if (!writes || adversary_ == nullptr) return;
  for (int64_t i = low; i < high; ++i) {
    if (((lanes >> i) & 1u) != 0) note_written(bytes_of(place, offset + i), 1);
  }
}

void Instruction::touch_gm(const Place& place, int64_t first, int64_t last, bool writes) {
  GlobalMemory& memory = core.group->gm();
  if (memory.tensor(place.owner).kind == GmKind::input) return;  // nobody writes it
  GmStore store{memory, core.group->accesses(), place.owner};
  who = Who::of(core.lane(pipe), writes && adds, who.sequence());
  for (int64_t block = first / block_bytes; block * block_bytes < last; ++block) {
    const int64_t start = block * block_bytes;
    const uint32_t bytes = block_mask(std::max<int64_t>(first - start, 0),
                                      std::min<int64_t>(last - start, block_bytes));
    GlobalMemory::Use& use = store.group.use(place.owner, block);
    if (writes && adds) {
      const uint32_t missing = bytes & ~store.written(block);
      if (missing != 0) never_written(place, block, missing);
      use.added |= bytes;
    } else {
      (writes ? use.written : use.read) |= bytes;
    }
    touch_block(store, place, block, bytes, writes);
  }
}

void Instruction::never_written(const Place& place, int64_t block, uint32_t missing) const {
  int64_t low = 0;
  int64_t high = block_bytes;
  while (((missing >> low) & 1u) == 0) ++low;
  while (((missing >> (high - 1)) & 1u) == 0) --high;
  const int64_t start = block * block_bytes;
  fail("reads " + text_of(core, place, start + low, start + high) + ", which nobody wrote");
}

void Instruction::conflict(const Place& place, int64_t block, uint32_t bytes, Who earlier,
                           bool earlier_writes, bool writes) {
  const int other_core = earlier.lane() / pipe_count;
  const int other_pipe = earlier.lane() % pipe_count;
  const bool same_core = other_core == core.index;
  const bool same_pipe = same_core && other_pipe == pipe;
  if (same_pipe && (pipe == PIPE_S || (pipe == PIPE_M && may_accumulate))) return;

  enum { note, warning, error } severity = error;
  const bool only_war = same_pipe && pipe == PIPE_V && !earlier_writes;
  // --cce-auto-sync: V after V, and the scalar pipe with V, MTE2 and MTE3, on vector cores.
  const auto synced = [](int p) { return p == PIPE_V || p == PIPE_MTE2 || p == PIPE_MTE3; };
  const bool by_switch = core.options().auto_sync && same_core && !core.is_cube() &&
                         ((same_pipe && pipe == PIPE_V) || (pipe == PIPE_S && synced(other_pipe)) ||
                          (other_pipe == PIPE_S && synced(pipe)));
  if (only_war || by_switch) severity = note;
  const bool sums = writes && who.atomic() && earlier.atomic();
  if (sums) severity = core.options().deterministic ? error : warning;

  const Issued& before = core.group->core(other_core).pipes[other_pipe].log[earlier.sequence() - 1];
  // Every block of a slab has the same story: tell it once per pair of lines.
  const std::string key = std::to_string(before.site.line) + before.site.file + ":" +
                          std::to_string(site.line) + site.file + (earlier_writes ? "w" : "r") +
                          (writes ? "w" : "r") + std::to_string(severity);
  if (severity != error && !core.seen.insert(key).second) return;

  const char* hazard = sums ? "two sums" : !writes ? "RAW" : earlier_writes ? "WAW" : "WAR";
  std::string missing;
  if (same_pipe) {
    missing = std::string("no PipeBarrier<") + pipe_names[pipe] + "> between";
  } else if (same_core) {
    missing = "no " + event_name(event_kind(other_pipe, pipe)) + " wait between";
  } else {
    missing = "no CrossCoreSetFlag and CrossCoreWaitFlag between";
  }
  int64_t low = 0;
  int64_t high = block_bytes;
  while (((bytes >> low) & 1u) == 0) ++low;
  while (((bytes >> (high - 1)) & 1u) == 0) --high;
  const int64_t start = block * block_bytes;
  const std::string text =
      std::string(hazard) + ", " + missing + ": " + (writes ? "writes " : "reads ") +
      text_of(core, place, start + low, start + high) + ", " +
      (earlier_writes ? "written" : "read") + " by " + before.call + " (" + core_names[other_core] +
      " " + pipe_names[other_pipe] + ") at " + to_string(before.site);
  if (severity == error) fail(text);
  auto& list = severity == warning ? core.group->warnings : core.group->notes;
  list.push_back(told(text));
}

}  // namespace emulator
