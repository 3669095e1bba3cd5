// Where the tensors of a problem lie, each checked against its shape and strides. Host only.
#pragma once

#include <algorithm>

#include "host/check.h"
#include "host/ranges.h"

namespace flash {

// --- Rows: q, k, v, out and their gradients ---

// Of a tensor: sequences that have a stride of their own, rows to each, heads, values to a row.
struct RowsShape {
  int64_t batch;
  int64_t rows;
  int64_t heads;
  int64_t dim;
  bool is_packed;

  bool is_empty() const { return batch == 0 || rows == 0 || heads == 0; }
};

inline RowsShape rows_of_queries(const NpuProblem& p, int64_t dim) {
  if (is_packed(p)) return RowsShape{1, p.cu_seqlens_q[p.batch], p.heads_q, dim, true};
  return RowsShape{p.batch, p.seqlen_q, p.heads_q, dim, false};
}
inline RowsShape rows_of_keys(const NpuProblem& p, int64_t dim) {
  if (is_packed(p)) return RowsShape{1, p.cu_seqlens_k[p.batch], p.heads_k, dim, true};
  return RowsShape{p.batch, p.seqlen_k, p.heads_k, dim, false};
}

inline Range rows_range(const char* name, const NpuTensor& t, const RowsShape& shape) {
  if (t.bytes < 0) refuse(name, "bytes is negative");
  if (shape.is_empty()) return range_from(name, t.data, 0);
  if (shape.is_packed && t.stride_batch != 0) {
    refuse(name, "stride_batch is " + text_of(t.stride_batch) + ", must be 0 if packed");
  }
  if (t.data == nullptr) refuse(name, "null pointer");
  const int64_t units = units_within(name, t.bytes, value_bytes, shape.dim,
                                     {{"stride_batch", shape.batch, t.stride_batch},
                                      {"stride_seqlen", shape.rows, t.stride_seqlen},
                                      {"stride_head", shape.heads, t.stride_head}});
  return range_from(name, t.data, units * value_bytes);
}

// The same for a tensor that is written: two cores must never write one byte of it.
inline Range written_rows_range(const char* name, const NpuTensor& t, const RowsShape& shape) {
  Range range = rows_range(name, t, shape);
  if (shape.is_empty()) return range;
  std::pair<int64_t, int64_t> axes[] = {
      {t.stride_batch, shape.batch}, {t.stride_seqlen, shape.rows}, {t.stride_head, shape.heads}};
  std::sort(std::begin(axes), std::end(axes));
  int64_t extent = shape.dim;
  for (const auto& [stride, size] : axes) {
    if (size <= 1) continue;
    if (stride < extent) refuse(name, "its strides make rows overlap");
    extent += (size - 1) * stride;
  }
  if (shape.rows > 1 && t.stride_seqlen >= int64_t{1} << 31) {
    refuse(name, "stride_seqlen is above 2^31", NPU_UNSUPPORTED);
  }
  const int64_t values = shape.batch * shape.rows * shape.heads * shape.dim;  // all apart: fits
  range.has_gaps = range.bytes != values * value_bytes;
  return range;
}

// lse and what is like it.
inline Range statistics_range(const char* name, const float* data, const NpuProblem& p) {
  const RowsShape shape = rows_of_queries(p, 1);
  if (shape.is_empty()) return range_from(name, data, 0);
  const int64_t heads = shape.batch * shape.heads;  // below 2^31
  if (shape.rows > longest * longest / (heads * float_bytes)) {
    refuse(name, "has more than 2^60 values", NPU_UNSUPPORTED);
  }
  return range_from(name, data, heads * shape.rows * float_bytes);
}

// --- Pairs: bias, bits ---

inline bool has_pairs(const NpuProblem& p) {
  return p.batch > 0 && p.heads_q > 0 && p.seqlen_q > 0 && p.seqlen_k > 0;
}

inline Range bias_range(const NpuProblem& p) {
  const NpuPairs& bias = p.bias;
  if (bias.stride_k != 0 && bias.stride_k != 1) {
    refuse("bias", "stride_k is " + text_of(bias.stride_k) + ", must be 0 or 1");
  }
  if (!has_pairs(p)) return range_from("bias", bias.data, 0);
  const int64_t units = units_within("bias", bias.bytes, value_bytes, 1,
                                     {{"stride_batch", p.batch, bias.stride_batch},
                                      {"stride_head", p.heads_q, bias.stride_head},
                                      {"stride_q", p.seqlen_q, bias.stride_q},
                                      {"stride_k", p.seqlen_k, bias.stride_k}});
  if (p.seqlen_q > 1 && bias.stride_k == 1 && bias.stride_q != 0 && bias.stride_q < p.seqlen_k) {
    refuse("bias", "stride_q " + text_of(bias.stride_q) + " makes rows overlap");
  }
  if (p.seqlen_q > 1 && bias.stride_q >= int64_t{1} << 31) {
    refuse("bias", "stride_q is above 2^31", NPU_UNSUPPORTED);
  }
  return range_from("bias", bias.data, units * value_bytes);
}

inline bool is_side_by_side(const NpuBits& bits) {
  return bits.stride_batch == NPU_UNBOUNDED;
}

// Tiles of one head of sequence b.
inline int64_t tiles_of_head(const NpuProblem& p, int64_t b) {
  if (!is_packed(p)) return ceil_div(p.seqlen_q, block_q) * ceil_div(p.seqlen_k, block_k);
  return ceil_div(p.cu_seqlens_q[b + 1] - p.cu_seqlens_q[b], block_q) *
         ceil_div(p.cu_seqlens_k[b + 1] - p.cu_seqlens_k[b], block_k);
}

inline Range side_by_side_range(const char* name, const NpuBits& bits, const NpuProblem& p) {
  const int64_t room = bits.bytes / bits_tile_bytes;
  int64_t tiles = 0;
  for (int64_t b = 0; b < p.batch; ++b) {
    const int64_t more = tiles_of_head(p, b);
    if (more > (room - tiles) / p.heads_q) {
      refuse(name, "of " + text_of(bits.bytes) + " B is too small for its shape");
    }
    tiles += more * p.heads_q;
  }
  return range_from(name, bits.data, tiles * bits_tile_bytes);
}

inline Range bits_range(const char* name, const NpuBits& bits, const NpuProblem& p) {
  if (bits.bytes < 0) refuse(name, "bytes is negative");
  if (!has_pairs(p)) return range_from(name, bits.data, 0);
  if (is_side_by_side(bits)) return side_by_side_range(name, bits, p);
  const int64_t tiles =
      units_within(name, bits.bytes, bits_tile_bytes, ceil_div(p.seqlen_k, block_k),
                   {{"stride_batch", p.batch, bits.stride_batch},
                    {"stride_head", p.heads_q, bits.stride_head},
                    {"stride_row", ceil_div(p.seqlen_q, block_q), bits.stride_row}});
  return range_from(name, bits.data, tiles * bits_tile_bytes);
}

// --- All that a problem gives ---

inline std::vector<Range> problem_ranges(const NpuProblem& p) {
  std::vector<Range> ranges{rows_range("q", p.q, rows_of_queries(p, p.head_dim)),
                            rows_range("k", p.k, rows_of_keys(p, p.head_dim)),
                            rows_range("v", p.v, rows_of_keys(p, p.head_dim_v))};
  if (p.bias.data != nullptr) ranges.push_back(bias_range(p));
  if (p.keep.data != nullptr) ranges.push_back(bits_range("keep", p.keep, p));
  if (p.dropout.data != nullptr) ranges.push_back(bits_range("dropout", p.dropout, p));
  if (p.slopes != nullptr) {
    if (p.slopes_stride_batch != 0 && p.slopes_stride_batch != p.heads_q) {
      refuse("slopes", "stride_batch is " + text_of(p.slopes_stride_batch) +
                           ", must be 0 or heads_q " + text_of(p.heads_q));
    }
    const int64_t rows = p.slopes_stride_batch == 0 ? min_of(p.batch, 1) : p.batch;
    ranges.push_back(range_from("slopes", p.slopes, rows * p.heads_q * float_bytes));
  }
  if (p.sink != nullptr) ranges.push_back(range_from("sink", p.sink, p.heads_q * float_bytes));
  return ranges;
}

}  // namespace flash
