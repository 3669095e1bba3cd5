// Adversarial mode: the instructions of a group run in another order than they were issued in, as
// far as the edges of the ordering model allow. What only luck had put in order then gives other
// numbers.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <vector>

#include "machine/instruction.h"

namespace emulator {

// Small and good enough to choose by; the same on every machine.
class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed) {}
  // A number in [0, sides).
  int roll(int sides);

 private:
  uint64_t state_;
};

// Every instruction waits in the line of its pipe. When too many wait, the first of the pipe that
// the dice rank highest starts, after all that has to end before it; so the pipes ranked low fall
// behind as far as they may. What an instruction writes becomes visible later: when an edge demands
// it, or when enough instructions of its pipe have started since.
class Adversary {
 public:
  explicit Adversary(uint64_t seed);

  // `needs`: what must have ended before this instruction starts.
  void issue(const Instruction& instruction, const Clock& needs, std::vector<Written> written,
             const Instruction::Body& body);
  // Ends all instructions that the clock knows, and with them what they need.
  void end(const Clock& clock);
  void end_all();

  // Which of `count` cores that could go on does.
  int choose(int count) { return dice_.roll(count); }

 private:
  struct Pending {
    Instruction instruction;
    Clock needs;
    std::vector<Written> written;
    Instruction::Body body;
    std::vector<uint8_t> bytes;  // once it has started: what it will have written
    uint32_t sequence() const { return instruction.who.sequence(); }
  };
  struct Line {
    std::deque<std::unique_ptr<Pending>> waiting;
    std::vector<std::unique_ptr<Pending>> started;  // and not yet visible
    size_t held = 0;                                // at most so many of them
  };

  void rank_anew();
  void start_first(size_t lane);
  void commit(Line& line, size_t which);

  Dice dice_;
  std::array<Line, lane_count> lines_;
  std::array<size_t, lane_count> ranks_;  // lanes, the most eager first
  size_t room_;                           // how many instructions may wait
  size_t waiting_ = 0;
};

}  // namespace emulator
