"""Faults put into the mask kernel, one at a time, and what must be said of each.

`by="emulator"`: the report must hold every text of `says`. `by="bits"`: some bit must differ from
the reference's.
"""

from __future__ import annotations

from injections.injection import Injection

PHILOX, CORE, HOST, PROBLEM = (
    "dropout/philox.h",
    "dropout/vector.h",
    "host/dropout.cpp",
    "dropout/problem.h",
)

INJECTIONS = {
    # --- Order ---
    "no-barrier-within-a-product": Injection(
        file=PHILOX,
        old="multiply_step(step, products[i]);\n      PipeBarrier<PIPE_V>();",
        new="multiply_step(step, products[i]);",
        says=("RAW", "no PipeBarrier<PIPE_V>"),
    ),
    "no-barrier-before-the-words-are-lined-up": Injection(
        file=PHILOX,
        old="Sub(products[i].upper, products[i].b, products[i].c, lanes_);\n"
        "    PipeBarrier<PIPE_V>();",
        new="Sub(products[i].upper, products[i].b, products[i].c, lanes_);",
        says=("RAW", "no PipeBarrier<PIPE_V>", "Sub"),
    ),
    "tables-not-waited-for": Injection(
        file=CORE,
        old="    WaitFlag<HardEvent::MTE2_V>(loaded);\n",
        new="",
        says=("RAW", "no MTE2_V wait", "UB"),
    ),
    "bits-stored-before-they-are-there": Injection(
        file=CORE,
        old="    bits = bits_.DeQue<uint8_t>();\n    DataCopy(",
        new="    DataCopy(",
        says=("DataCopy", "RAW", "no V_MTE3 wait"),
    ),
    "halves-of-a-tile-in-one-place": Injection(
        file=CORE,
        old="tile * bits_tile_bytes + bits_half_bytes)",
        new="tile * bits_tile_bytes)",
        says=("DataCopy", "WAW", "GM tensor bits"),
    ),
    "a-core-too-many": Injection(
        file=HOST,
        old="t.first_task[t.cores] = layout.tasks;",
        new="t.first_task[t.cores] = layout.tasks + 1;",
        says=("GM tensor tables", "outside of the tensor"),
    ),
    # --- Arithmetic that the chip does not promise ---
    "multiplier-in-unsigned-halves": Injection(
        file=PHILOX,
        old="(m & 0xFFFF) < 0x8000 ? m & 0xFFFF : (m & 0xFFFF) - 0x10000",
        new="m & 0xFFFF",
        says=("Muls", "an integer result does not fit"),
    ),
    "key-added-instead-of-xor": Injection(
        file=PHILOX,
        old="      or_constant(p.b, p.a, p.key);",
        new="      Add(p.b, p.a, p.key, repeat_lanes);",
        says=("Add", "an integer result does not fit"),
    ),
    "rounding-left-out": Injection(
        file=PHILOX,
        old="Adds(p.c, p.b, int32_t{0x8000}, lanes_);",
        new="Adds(p.c, p.b, int32_t{0}, lanes_);",
        says=("Add", "an integer result does not fit"),
    ),
    # --- Philox ---
    "nine-rounds": Injection(
        file=PHILOX,
        old="philox_rounds = 10;",
        new="philox_rounds = 9;",
        by="bits",
        says=(),
    ),
    "key-not-bumped": Injection(
        file=PHILOX,
        old="      k0 += key_step_0;\n",
        new="",
        by="bits",
        says=(),
    ),
    "multipliers-swapped": Injection(
        file=PHILOX,
        old="return product(multiplier_0, factor, round, 2);",
        new="return product(multiplier_1, factor, round, 2);",
        by="bits",
        says=(),
    ),
    "offset-halves-swapped": Injection(
        file=HOST,
        old="{0, low(m.offset), low(m.offset >> 32)}",
        new="{0, low(m.offset >> 32), low(m.offset)}",
        by="bits",
        says=(),
    ),
    "seed-halves-swapped": Injection(
        file=HOST,
        old="{low(m.seed), low(m.seed >> 32)}",
        new="{low(m.seed >> 32), low(m.seed)}",
        by="bits",
        says=(),
    ),
    "threshold-one-too-high": Injection(
        file=HOST,
        old="static_cast<int32_t>(kept - 1 - (int64_t{1} << 31))",
        new="static_cast<int32_t>(kept - (int64_t{1} << 31))",
        by="bits",
        says=(),
        asked={"at_a_word": 0},
    ),
    "threshold-one-too-low": Injection(
        file=HOST,
        old="static_cast<int32_t>(kept - 1 - (int64_t{1} << 31))",
        new="static_cast<int32_t>(kept - 2 - (int64_t{1} << 31))",
        by="bits",
        says=(),
        asked={"at_a_word": 1},
    ),
    # --- Elements ---
    "words-in-reverse": Injection(
        file=PROBLEM,
        old="const int64_t word = (phase + column) % 4;",
        new="const int64_t word = 3 - (phase + column) % 4;",
        by="bits",
        says=(),
    ),
    "most-significant-bit-first": Injection(
        file=HOST,
        old="word_offset(phase, column)",
        new="word_offset(phase, column ^ 7)",
        by="bits",
        says=(),
    ),
    "rows-begin-a-block": Injection(
        file=CORE,
        old="(first + row * sequence_.seqlen_k) % 4;",
        new="0 * row;",
        by="bits",
        says=(),
    ),
    "rows-all-begin-alike": Injection(
        file=CORE,
        old="(first + row * sequence_.seqlen_k) % 4;",
        new="(first + 0 * row) % 4;",
        by="bits",
        says=(),
    ),
    "a-plane-too-few": Injection(
        file=PROBLEM,
        old="philox_planes = block_k / 4 + 1;",
        new="philox_planes = block_k / 4;",
        by="bits",
        says=(),
    ),
    "every-tile-of-a-row-alike": Injection(
        file=CORE,
        old="move_counters((next - key) / 4);",
        new="move_counters(0);",
        by="bits",
        says=(),
    ),
    "every-head-alike": Injection(
        file=CORE,
        old="(head * sequence_.seqlen_q + row) * sequence_.seqlen_k",
        new="(0 * head + row) * sequence_.seqlen_k",
        by="bits",
        says=(),
    ),
    "sequences-counted-once-not-for-each-head": Injection(
        file=HOST,
        old="elements += m.heads_q * s.seqlen_q * s.seqlen_k;",
        new="elements += s.seqlen_q * s.seqlen_k;",
        by="bits",
        says=(),
    ),
    "bits-beyond-a-sequence": Injection(
        file=CORE,
        old="      if (keys >= column + repeat_lanes) continue;",
        new="      if (keys > 0) continue;",
        by="bits",
        says=(),
    ),
}
