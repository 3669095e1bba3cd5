// How a kernel gets its arguments: it is given one address in GM, and reads a struct from there.
// The stub generator of CANN 8.x knows pointers and numbers only, no struct of ours.
#pragma once

#include "kernel_operator.h"

namespace flash {

// What is read may be part of any field, such as a float; a plain int64_t may not be, to a
// compiler.
using Word [[gnu::may_alias]] = int64_t;

template <typename Arguments>
__aicore__ inline void read_arguments(Arguments& arguments, GM_ADDR at) {
  static_assert(sizeof(Arguments) % sizeof(Word) == 0, "read by words");
  AscendC::GlobalTensor<int64_t> words;
  words.SetGlobalBuffer(reinterpret_cast<__gm__ int64_t*>(at));
  auto* to = reinterpret_cast<Word*>(&arguments);
  for (uint64_t word = 0; word < sizeof(Arguments) / sizeof(Word); ++word) {
    to[word] = words.GetValue(word);
  }
}

}  // namespace flash
