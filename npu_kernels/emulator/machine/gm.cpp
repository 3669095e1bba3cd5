#include "machine/gm.h"

#include <algorithm>
#include <cstring>

#include "machine/site.h"

namespace emulator {
namespace {

const uint8_t* begin_of(const GmTensor& t) {
  return static_cast<const uint8_t*>(t.address);
}

void poison(const GmTensor& t) {
  auto* bytes = static_cast<uint8_t*>(t.address);
  for (int64_t i = 0; i < t.bytes; i += 4) {
    std::memcpy(bytes + i, &poison_word, static_cast<size_t>(std::min<int64_t>(4, t.bytes - i)));
  }
}

std::string text_of(const GmTensor& t, int64_t block, uint32_t bytes) {
  int first = 0;
  while (((bytes >> first) & 1u) == 0) ++first;
  int last = 31;
  while (((bytes >> last) & 1u) == 0) --last;
  const int64_t start = block * block_bytes;
  return "GM tensor " + std::string(t.name) + ", bytes [" + std::to_string(start + first) + ", " +
         std::to_string(start + last + 1) + ")";
}

}  // namespace

GlobalMemory::GlobalMemory(std::vector<GmTensor> tensors, bool checked)
    : tensors_(std::move(tensors)), written_(tensors_.size()), owners_(tensors_.size()) {
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const GmTensor& t = tensors_[i];
    if (t.bytes < 0) throw Violation(std::string(t.name) + ": negative size");
    if (t.bytes > 0 && t.address == nullptr)
      throw Violation(std::string(t.name) + ": null pointer");
    for (size_t j = 0; j < i; ++j) {
      const GmTensor& u = tensors_[j];
      if (t.bytes > 0 && u.bytes > 0 && begin_of(t) < begin_of(u) + u.bytes &&
          begin_of(u) < begin_of(t) + t.bytes &&
          !(t.kind == GmKind::input && u.kind == GmKind::input)) {
        throw Violation(std::string(t.name) + " and " + u.name + " overlap");
      }
    }
    const bool fresh = t.kind == GmKind::output || t.kind == GmKind::workspace;
    if (fresh) poison(t);
    if (!checked || t.kind == GmKind::input) continue;
    const size_t blocks = static_cast<size_t>(ceil_div(t.bytes, block_bytes));
    written_[i] = std::vector<std::atomic<uint32_t>>(blocks);
    owners_[i].resize(blocks);
    if (fresh) continue;
    for (auto& mask : written_[i]) mask.store(whole_block, std::memory_order_relaxed);
  }
}

int GlobalMemory::find(const void* address) const {
  const auto* p = static_cast<const uint8_t*>(address);
  int empty = -1;
  for (int i = 0; i < count(); ++i) {
    const GmTensor& t = tensor(i);
    if (p >= begin_of(t) && p < begin_of(t) + t.bytes) return i;
    if (p == begin_of(t) || p == begin_of(t) + t.bytes) empty = i;
  }
  return empty;
}

std::string GlobalMemory::note_group(int tensor, int64_t block, int group, const Use& use,
                                     std::string& warning) {
  const std::lock_guard<std::mutex> lock(owners_mutex_);
  Owners& o = owners_[static_cast<size_t>(tensor)][static_cast<size_t>(block)];
  const uint32_t plain = use.written & o.use.written;
  const uint32_t mixed = (use.written & o.use.added) | (use.added & o.use.written);
  const uint32_t seen = (use.written | use.added) & o.use.read;
  const uint32_t sees = use.read & (o.use.written | o.use.added);
  const uint32_t sums = use.added & o.use.added;
  const auto say = [&](const char* what, uint32_t bytes, int other) {
    return std::string(what) + " by groups " + std::to_string(other) + " and " +
           std::to_string(group) +
           ", which have no order: " + text_of(this->tensor(tensor), block, bytes);
  };
  if (plain != 0) return say("written", plain, o.writer);
  if (mixed != 0) return say("written and added to", mixed, o.writer >= 0 ? o.writer : o.adder);
  if (seen != 0) return say("read and written", seen, o.reader);
  if (sees != 0) return say("written and read", sees, o.writer >= 0 ? o.writer : o.adder);
  if (sums != 0) warning = say("added to", sums, o.adder);
  o.use.read |= use.read;
  o.use.written |= use.written;
  o.use.added |= use.added;
  if (use.read != 0) o.reader = group;
  if (use.written != 0) o.writer = group;
  if (use.added != 0) o.adder = group;
  return "";
}

std::string GroupGm::join(int group, std::vector<std::string>& warnings) {
  for (int tensor = 0; tensor < memory_.count(); ++tensor) {
    bool warned = false;
    const auto& pages = pages_[static_cast<size_t>(tensor)];
    for (size_t index = 0; index < pages.size(); ++index) {
      if (!pages[index]) continue;
      for (int64_t i = 0; i < page_blocks; ++i) {
        const GlobalMemory::Use& use = pages[index]->uses[i];
        if ((use.read | use.written | use.added) == 0) continue;
        std::string warning;
        const int64_t block = static_cast<int64_t>(index) * page_blocks + i;
        std::string wrong = memory_.note_group(tensor, block, group, use, warning);
        if (!wrong.empty()) return wrong;
        if (!warning.empty() && !warned) warnings.push_back(warning);
        warned = warned || !warning.empty();
      }
    }
  }
  return "";
}

}  // namespace emulator
