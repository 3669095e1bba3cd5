// One source, compiled for three widths of vectors, chosen when the program starts.
#pragma once

// By what the processor can do, not by its name: `arch=haswell` is that one model and no later one.
// Contraction is off in every clone: they give the same bits. ThreadSanitizer is not up yet when
// the choice is made, and crashes.
#if defined(__x86_64__) && defined(__GNUC__) && __GNUC__ >= 12 && !defined(__clang__) && \
    !defined(__SANITIZE_THREAD__)
#define EMULATOR_VECTORISED \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
// For what is written once per width: registers of 64 B.
#define EMULATOR_WIDE __attribute__((target("arch=x86-64-v4")))
#define EMULATOR_IS_WIDE (__builtin_cpu_supports("x86-64-v4") != 0)
#else
#define EMULATOR_VECTORISED
#define EMULATOR_WIDE
#define EMULATOR_IS_WIDE false
#endif
