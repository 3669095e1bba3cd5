#include "machine/adversary.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "machine/group.h"

namespace emulator {
namespace {

constexpr int ranks_last = 64;  // instructions, on average

// Neutral in a sum, also for a term of -0.
void fill_with_minus_zero(const Written& written) {
  const float minus_zero = -0.0f;
  for (int64_t i = 0; i < written.bytes; i += 4) {
    std::memcpy(written.at + i, &minus_zero, sizeof minus_zero);
  }
}

void add(uint8_t* to, const uint8_t* terms, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 4) {
    float sum = 0;
    float term = 0;
    std::memcpy(&sum, to + i, sizeof sum);
    std::memcpy(&term, terms + i, sizeof term);
    sum += term;
    std::memcpy(to + i, &sum, sizeof sum);
  }
}

std::vector<uint8_t> copy_of(const std::vector<Written>& all) {
  std::vector<uint8_t> bytes;
  for (const Written& written : all) {
    bytes.insert(bytes.end(), written.at, written.at + written.bytes);
  }
  return bytes;
}

void put_back(const std::vector<Written>& all, const std::vector<uint8_t>& bytes) {
  const uint8_t* from = bytes.data();
  for (const Written& written : all) {
    std::memcpy(written.at, from, static_cast<size_t>(written.bytes));
    from += written.bytes;
  }
}

}  // namespace

// --- The side of the instruction ---

Instruction::~Instruction() {
  if (written_.empty() || runs_ || std::uncaught_exceptions() > 0) return;
  core.fail_later(call, site, "the emulator announces what this writes, but does not run() it");
}

void Instruction::note_written(uint8_t* at, int64_t bytes) {
  if (!written_.empty() && written_.back().at + written_.back().bytes == at) {
    written_.back().bytes += bytes;
  } else {
    written_.push_back(Written{at, bytes});
  }
}

void Instruction::defer(const Body& body) {
  std::vector<Written> written;
  written.swap(written_);
  adversary_->issue(*this, needs(), std::move(written), body);
}

void Instruction::wait_for_value() const {
  if (adversary_ != nullptr) adversary_->end(needs());
}

// The pipe's clock, and what the hardware or the stock build switch keeps in order without it.
Clock Instruction::needs() const {
  Clock clock = clock_;
  const auto own = static_cast<size_t>(who.lane());
  const auto earlier_on_this_pipe = [&] { clock.seen[own] = who.sequence() - 1; };
  if (pipe == PIPE_S || (pipe == PIPE_M && may_accumulate)) earlier_on_this_pipe();
  if (!core.options().auto_sync || core.is_cube()) return clock;
  if (pipe == PIPE_V) earlier_on_this_pipe();
  for (const pipe_t other : {PIPE_V, PIPE_MTE2, PIPE_MTE3}) {
    if (pipe == PIPE_S) clock.join(core.end_of(other));
    if (pipe == other) clock.join(core.end_of(PIPE_S));
  }
  return clock;
}

// --- The order ---

int Dice::roll(int sides) {
  state_ += 0x9E3779B97F4A7C15u;  // splitmix64
  uint64_t bits = state_;
  bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9u;
  bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EBu;
  bits ^= bits >> 31;
  return static_cast<int>((bits >> 32) * static_cast<uint64_t>(sides) >> 32);
}

Adversary::Adversary(uint64_t seed) : dice_(seed) {
  std::iota(ranks_.begin(), ranks_.end(), size_t{0});
  rank_anew();
  room_ = size_t{16} << (2 * dice_.roll(4));
  for (Line& line : lines_) {
    constexpr size_t most_held[] = {0, 2, 8};
    line.held = most_held[dice_.roll(3)];
  }
}

void Adversary::rank_anew() {
  for (int i = lane_count - 1; i > 0; --i) {
    std::swap(ranks_[static_cast<size_t>(i)], ranks_[static_cast<size_t>(dice_.roll(i + 1))]);
  }
}

void Adversary::issue(const Instruction& instruction, const Clock& needs,
                      std::vector<Written> written, const Instruction::Body& body) {
  Line& line = lines_[static_cast<size_t>(instruction.who.lane())];
  line.waiting.push_back(
      std::make_unique<Pending>(Pending{instruction, needs, std::move(written), body, {}}));
  ++waiting_;
  while (waiting_ > room_) {
    for (const size_t lane : ranks_) {
      if (lines_[lane].waiting.empty()) continue;
      start_first(lane);
      break;
    }
    if (dice_.roll(ranks_last) == 0) rank_anew();
  }
}

void Adversary::end(const Clock& clock) {
  const auto is_due = [&](size_t lane) {
    const auto& waiting = lines_[lane].waiting;
    return !waiting.empty() && clock.knows(static_cast<int>(lane), waiting.front()->sequence());
  };
  for (size_t i = 0; i < lane_count;) {
    if (is_due(ranks_[i])) {
      start_first(ranks_[i]);
      i = 0;
    } else {
      ++i;
    }
  }
  for (size_t lane = 0; lane < lane_count; ++lane) {
    Line& line = lines_[lane];
    const auto ends = [&](const std::unique_ptr<Pending>& one) {
      return clock.knows(static_cast<int>(lane), one->sequence());
    };
    const auto kept = std::partition(line.started.begin(), line.started.end(), ends);
    for (auto left = kept - line.started.begin(); left > 0; --left) {
      commit(line, static_cast<size_t>(dice_.roll(static_cast<int>(left))));
    }
  }
}

void Adversary::end_all() {
  Clock all;
  all.seen.fill(max_sequence);
  end(all);
}

// Pipes start in order. What the first in line needs is never in its own line, so this ends.
void Adversary::start_first(size_t lane) {
  Line& line = lines_[lane];
  end(line.waiting.front()->needs);
  std::unique_ptr<Pending> first = std::move(line.waiting.front());
  line.waiting.pop_front();
  --waiting_;
  const bool adds = first->instruction.adds;
  const std::vector<uint8_t> before = copy_of(first->written);
  if (adds) std::for_each(first->written.begin(), first->written.end(), fill_with_minus_zero);
  first->body(first->instruction);
  first->body = nullptr;
  first->bytes = copy_of(first->written);
  put_back(first->written, before);
  line.started.push_back(std::move(first));
  const auto stay = static_cast<size_t>(dice_.roll(static_cast<int>(line.held) + 1));
  while (line.started.size() > stay) {
    commit(line, static_cast<size_t>(dice_.roll(static_cast<int>(line.started.size()))));
  }
}

void Adversary::commit(Line& line, size_t which) {
  const std::unique_ptr<Pending> done = std::move(line.started[which]);
  line.started.erase(line.started.begin() + static_cast<std::ptrdiff_t>(which));
  if (!done->instruction.adds) {
    put_back(done->written, done->bytes);
    return;
  }
  const uint8_t* terms = done->bytes.data();
  for (const Written& written : done->written) {
    add(written.at, terms, written.bytes);
    terms += written.bytes;
  }
}

}  // namespace emulator
