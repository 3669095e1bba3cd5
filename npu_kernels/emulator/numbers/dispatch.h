// One source, compiled for three widths of vectors, chosen when the program starts.
#pragma once

// Contraction is off in every clone: they give the same bits. ThreadSanitizer is not up yet when
// the choice is made, and crashes.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
#define EMULATOR_VECTORISED \
  __attribute__((target_clones("arch=skylake-avx512", "arch=haswell", "default")))
#else
#define EMULATOR_VECTORISED
#endif
