// Global memory: the tensors that a launch was given, and nothing else.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "machine/chip.h"
#include "machine/history.h"

namespace emulator {

// output and workspace start as poison; input may not be written; in_out keeps what it holds.
enum class GmKind : uint8_t { input, output, in_out, workspace };

struct GmTensor {
  const char* name;
  void* address;
  int64_t bytes;
  GmKind kind;
};

// What all groups of a launch share. Offsets count from a tensor's first byte.
class GlobalMemory {
 public:
  // Overlapping tensors, null with a size, negative sizes: throws Violation.
  GlobalMemory(std::vector<GmTensor> tensors, bool checked);

  // The tensor that holds `address`, or just begins or ends there if empty; -1: none.
  int find(const void* address) const;
  const GmTensor& tensor(int index) const { return tensors_[static_cast<size_t>(index)]; }
  int count() const { return static_cast<int>(tensors_.size()); }

  uint32_t written(int tensor, int64_t block) const {
    if (!tracked(tensor)) return whole_block;
    return written_[static_cast<size_t>(tensor)][static_cast<size_t>(block)].load(
        std::memory_order_relaxed);
  }
  void mark_written(int tensor, int64_t block, uint32_t bytes) {
    if (!tracked(tensor)) return;
    std::atomic<uint32_t>& all = written_[static_cast<size_t>(tensor)][static_cast<size_t>(block)];
    if ((bytes & ~all.load(std::memory_order_relaxed)) == 0) return;  // cheaper than writing it
    all.fetch_or(bytes, std::memory_order_relaxed);
  }

  // Bytes of one block that one group read, wrote or added to.
  struct Use {
    uint32_t read = 0;
    uint32_t written = 0;
    uint32_t added = 0;
  };
  // Groups have no order between them. Returns what is wrong with group's use of this block beside
  // that of the groups noted before, or "" (then warning may be set).
  std::string note_group(int tensor, int64_t block, int group, const Use& use,
                         std::string& warning);

  std::mutex& add_mutex() { return add_mutex_; }  // atomic adds of groups on two host threads

 private:
  bool tracked(int tensor) const { return !written_[static_cast<size_t>(tensor)].empty(); }

  struct Owners {
    Use use;
    int reader = -1;
    int writer = -1;
    int adder = -1;
  };
  std::vector<GmTensor> tensors_;
  std::vector<std::vector<std::atomic<uint32_t>>> written_;
  std::vector<std::vector<Owners>> owners_;
  std::mutex add_mutex_;
  std::mutex owners_mutex_;
};

// One group's accesses to the tensors that someone writes.
class GroupGm {
 public:
  explicit GroupGm(GlobalMemory& memory) : memory_(memory) {
    pages_.resize(static_cast<size_t>(memory.count()));
  }

  struct Block {
    History& history;
    GlobalMemory::Use& use;
  };
  Block block(int tensor, int64_t index) {
    Page& all = page(tensor, index);
    return {all.histories[slot(index)], all.uses[slot(index)]};
  }

  // Compares with the groups that came before; "" or what is wrong.
  std::string join(int group, std::vector<std::string>& warnings);

 private:
  static constexpr int64_t page_blocks = 128;
  struct Page {
    History histories[page_blocks];
    GlobalMemory::Use uses[page_blocks];
  };
  static size_t slot(int64_t block) { return static_cast<size_t>(block % page_blocks); }
  Page& page(int tensor, int64_t block) {
    auto& pages = pages_[static_cast<size_t>(tensor)];
    const size_t index = static_cast<size_t>(block / page_blocks);
    if (index >= pages.size()) pages.resize(index + 1);
    if (!pages[index]) pages[index] = std::make_unique<Page>();
    return *pages[index];
  }
  GlobalMemory& memory_;
  std::vector<std::vector<std::unique_ptr<Page>>> pages_;
};

}  // namespace emulator
