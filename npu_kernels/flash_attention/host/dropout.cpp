// The keep bits as abi.h asks for them, on the emulator or on a device: checks, tiling, launch.
#include <numeric>

#include "dropout/problem.h"
#include "host/call.h"
#include "host/check.h"
#include "host/launches.h"
#include "host/tiling.h"

namespace flash {
namespace {

// The kernel counts blocks of four elements in int32.
constexpr int64_t most_elements = int64_t{4} << 31;

// How many of the 2^32 words keep their pair: those below, since u grows with the word. u is 1 for
// the highest words, and keep_prob no more, so that one at least does not.
int64_t kept_words(float keep_prob) {
  int64_t least = 0;
  int64_t most = int64_t{1} << 32;
  while (least < most) {
    const int64_t word = least + (most - least) / 2;
    const float u = static_cast<float>(static_cast<uint32_t>(word)) * 0x1p-32f + 0x1p-33f;
    if (u < keep_prob) {
      least = word + 1;
    } else {
      most = word;
    }
  }
  return least;
}

void check_mask(const NpuDropoutMask& m) {
  check_sizes({{"batch", m.batch},
               {"heads_q", m.heads_q},
               {"seqlen_q", m.seqlen_q},
               {"seqlen_k", m.seqlen_k}});
  check_packing(m.cu_seqlens_q, m.cu_seqlens_k, m.batch, m.seqlen_q, m.seqlen_k);
  check_keep_prob(m.keep_prob);
  if (m.visible != nullptr) {
    check_prefix(m.visible->prefix, m.batch);
    check_anchor(m.visible->anchor);
  }
  check_groups(m.launch.groups);
}

struct Layout {
  std::vector<MaskSequence> sequences;
  int64_t tasks = 0;
  int64_t tiles = 0;
};

Layout layout_of(const NpuDropoutMask& m) {
  Layout layout;
  int64_t elements = 0;
  for (int64_t b = 0; m.heads_q > 0 && b < m.batch; ++b) {
    MaskSequence s{};
    const bool packed = m.cu_seqlens_q != nullptr;
    s.seqlen_q = packed ? m.cu_seqlens_q[b + 1] - m.cu_seqlens_q[b] : m.seqlen_q;
    s.seqlen_k = packed ? m.cu_seqlens_k[b + 1] - m.cu_seqlens_k[b] : m.seqlen_k;
    s.first_task = layout.tasks;
    s.first_tile = layout.tiles;
    s.first_element = elements;
    const int64_t* prefix = m.visible != nullptr ? m.visible->prefix : nullptr;
    s.prefix = prefix != nullptr ? min_of(prefix[b], s.seqlen_k) : 0;
    if (s.seqlen_q * s.seqlen_k > (most_elements - elements) / m.heads_q) {
      refuse("seqlen_k", "there are more than 2^33 pairs: the Philox counter would pass 2^31",
             NPU_UNSUPPORTED);
    }
    elements += m.heads_q * s.seqlen_q * s.seqlen_k;
    layout.tasks += m.heads_q * tile_rows(s);
    layout.tiles += m.heads_q * tile_rows(s) * tile_columns(s);
    layout.sequences.push_back(s);
  }
  return layout;
}

// Tiles of one head that are made, or 1 if that is more, in each of its rows of tiles.
std::vector<int64_t> costs_of(const MaskTiling& t, const MaskSequence& s) {
  std::vector<int64_t> costs;
  for (int64_t row = 0; row < tile_rows(s); ++row) {
    costs.push_back(max_of(seen_keys(t, s, row * block_q).tiles(), 1));
  }
  return costs;
}

// The first task of each core, so that all cost about as much.
void split(MaskTiling& t, const Layout& layout) {
  std::vector<std::vector<int64_t>> costs;
  std::vector<int64_t> of_head;
  int64_t total = 0;
  for (const MaskSequence& s : layout.sequences) {
    costs.push_back(costs_of(t, s));
    of_head.push_back(std::accumulate(costs.back().begin(), costs.back().end(), int64_t{0}));
    total += t.heads_q * of_head.back();
  }
  size_t sequence = 0;
  int64_t before = 0;  // of this sequence
  for (int64_t core = 0; core < t.cores; ++core) {
    const int64_t from = core * total / t.cores;
    while (from >= before + t.heads_q * of_head[sequence]) {
      before += t.heads_q * of_head[sequence++];
    }
    int64_t left = (from - before) % of_head[sequence];
    int64_t row = 0;
    for (; left > 0; ++row) left -= costs[sequence][static_cast<size_t>(row)];
    const int64_t head = (from - before) / of_head[sequence];
    const MaskSequence& s = layout.sequences[sequence];
    t.first_task[core] = s.first_task + head * tile_rows(s) + row;
  }
  t.first_task[t.cores] = layout.tasks;
}

MaskTiling tiling_of(const NpuDropoutMask& m, const Layout& layout) {
  const auto low = [](uint64_t x) { return static_cast<uint32_t>(x); };
  MaskTiling t{};
  t.philox = PhiloxSeed{{low(m.seed), low(m.seed >> 32)}, {0, low(m.offset), low(m.offset >> 32)}};
  const int64_t kept = kept_words(m.keep_prob);
  t.keeps_some = kept > 0 ? 1 : 0;
  t.most = kept > 0 ? static_cast<int32_t>(kept - 1 - (int64_t{1} << 31)) : 0;
  t.heads_q = m.heads_q;
  t.cores = min_of(layout.tasks, m.launch.groups * vector_cores);
  const NpuVisible all{NPU_UNBOUNDED, NPU_UNBOUNDED, nullptr, NPU_BOTTOM_RIGHT, 0};
  const NpuVisible& visible = m.visible != nullptr ? *m.visible : all;
  t.window_left = clamped_side(visible.window_left);
  t.window_right = clamped_side(visible.window_right);
  t.top_left = visible.anchor == NPU_TOP_LEFT ? 1 : 0;
  split(t, layout);
  return t;
}

std::vector<uint8_t> tables_of(const Layout& layout) {
  std::vector<uint8_t> tables(static_cast<size_t>(mask_sequences_at) +
                              layout.sequences.size() * sizeof(MaskSequence));
  std::vector<int32_t> words;
  for (int64_t row = 0; row < half_q; ++row) words.push_back(static_cast<int32_t>(row));
  for (int64_t phase = 0; phase < 4; ++phase) {
    for (int64_t column = 0; column < block_k; ++column) {
      words.push_back(static_cast<int32_t>(word_offset(phase, column)));
    }
  }
  std::memcpy(tables.data(), words.data(), words.size() * sizeof(int32_t));
  std::memcpy(tables.data() + mask_sequences_at, layout.sequences.data(),
              layout.sequences.size() * sizeof(MaskSequence));
  return tables;
}

Range bits_range(const NpuDropoutMask& m, const Layout& layout) {
  const int64_t needed = layout.tiles * bits_tile_bytes;
  if (m.bits_bytes < needed) {
    refuse("bits",
           "of " + text_of(m.bits_bytes) + " B is too small, needs " + text_of(needed) + " B");
  }
  return range_from("bits", m.bits, needed);
}

void run(NpuDropoutMask& m) {
  const Layout layout = layout_of(m);
  const Range bits = bits_range(m, layout);
  if (layout.tasks == 0) return;  // no pairs, no work
  const MaskTiling tiling = tiling_of(m, layout);
  const std::vector<uint8_t> tables = tables_of(layout);
  const Memory memory{{}, {bits}, workspace_range(m.launch, 0)};
  Launches launches(m.launch);
  const MaskArguments arguments{address_of(m.bits), launches.add_table(tables), tiling};
  launches.run(Kernel::dropout_mask, tiling.cores, memory, arguments);
}

}  // namespace
}  // namespace flash

int64_t npu_dropout_mask_workspace(NpuDropoutMask* mask) {
  return flash::answered_bytes(mask, [&] {
    flash::check_mask(*mask);
    flash::layout_of(*mask);
    return int64_t{0};
  });
}

int32_t npu_dropout_mask(NpuDropoutMask* mask) {
  return flash::answered(mask, [&] {
    mask->launch.counters_count = 0;
    flash::check_mask(*mask);
    flash::run(*mask);
  });
}
