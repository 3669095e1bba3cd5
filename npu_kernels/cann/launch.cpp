// The kernels by the names that host.cpp calls: each launches itself.
#include "backward/sizes.h"
#include "common/problem.h"
#include "dropout/problem.h"
#include "launcher.h"
#include "stubs.h"

using flash::Launches;

extern "C" {

void flash_forward_fp16(GM_ADDR q, GM_ADDR k, GM_ADDR v, GM_ADDR bias, GM_ADDR slopes, GM_ADDR sink,
                        GM_ADDR keep, GM_ADDR dropout, GM_ADDR out, GM_ADDR lse,
                        GM_ADDR softmax_max, GM_ADDR softmax_sum, GM_ADDR tables, GM_ADDR workspace,
                        flash::Tiling tiling) {
  Launches::current()->launch("flash_forward_fp16", aclrtlaunch_ascend_forward_fp16, q, k, v, bias,
                              slopes, sink, keep, dropout, out, lse, softmax_max, softmax_sum,
                              tables, workspace, tiling);
}

void flash_forward_bf16(GM_ADDR q, GM_ADDR k, GM_ADDR v, GM_ADDR bias, GM_ADDR slopes, GM_ADDR sink,
                        GM_ADDR keep, GM_ADDR dropout, GM_ADDR out, GM_ADDR lse,
                        GM_ADDR softmax_max, GM_ADDR softmax_sum, GM_ADDR tables, GM_ADDR workspace,
                        flash::Tiling tiling) {
  Launches::current()->launch("flash_forward_bf16", aclrtlaunch_ascend_forward_bf16, q, k, v, bias,
                              slopes, sink, keep, dropout, out, lse, softmax_max, softmax_sum,
                              tables, workspace, tiling);
}

void dropout_mask(GM_ADDR bits, GM_ADDR tables, flash::MaskTiling tiling) {
  Launches::current()->launch("dropout_mask", aclrtlaunch_ascend_dropout_mask, bits, tables,
                              tiling);
}

void flash_backward_rows_fp16(GM_ADDR out, GM_ADDR dout, GM_ADDR dlse, GM_ADDR delta,
                              GM_ADDR tables, flash::GradientTiling tiling) {
  Launches::current()->launch("flash_backward_rows_fp16", aclrtlaunch_ascend_backward_rows_fp16,
                              out, dout, dlse, delta, tables, tiling);
}

void flash_backward_rows_bf16(GM_ADDR out, GM_ADDR dout, GM_ADDR dlse, GM_ADDR delta,
                              GM_ADDR tables, flash::GradientTiling tiling) {
  Launches::current()->launch("flash_backward_rows_bf16", aclrtlaunch_ascend_backward_rows_bf16,
                              out, dout, dlse, delta, tables, tiling);
}

void flash_backward_keys_fp16(GM_ADDR q, GM_ADDR k, GM_ADDR v, GM_ADDR bias, GM_ADDR slopes,
                              GM_ADDR keep, GM_ADDR dropout, GM_ADDR dout, GM_ADDR lse,
                              GM_ADDR delta, GM_ADDR dk, GM_ADDR dv, GM_ADDR tables,
                              GM_ADDR workspace, flash::GradientTiling tiling) {
  Launches::current()->launch("flash_backward_keys_fp16", aclrtlaunch_ascend_backward_keys_fp16, q,
                              k, v, bias, slopes, keep, dropout, dout, lse, delta, dk, dv, tables,
                              workspace, tiling);
}

void flash_backward_keys_bf16(GM_ADDR q, GM_ADDR k, GM_ADDR v, GM_ADDR bias, GM_ADDR slopes,
                              GM_ADDR keep, GM_ADDR dropout, GM_ADDR dout, GM_ADDR lse,
                              GM_ADDR delta, GM_ADDR dk, GM_ADDR dv, GM_ADDR tables,
                              GM_ADDR workspace, flash::GradientTiling tiling) {
  Launches::current()->launch("flash_backward_keys_bf16", aclrtlaunch_ascend_backward_keys_bf16, q,
                              k, v, bias, slopes, keep, dropout, dout, lse, delta, dk, dv, tables,
                              workspace, tiling);
}

void flash_backward_queries_fp16(GM_ADDR q, GM_ADDR k, GM_ADDR v, GM_ADDR bias, GM_ADDR slopes,
                                 GM_ADDR keep, GM_ADDR dropout, GM_ADDR dout, GM_ADDR lse,
                                 GM_ADDR delta, GM_ADDR dq, GM_ADDR dx, GM_ADDR tables,
                                 GM_ADDR workspace, flash::GradientTiling tiling) {
  Launches::current()->launch("flash_backward_queries_fp16",
                              aclrtlaunch_ascend_backward_queries_fp16, q, k, v, bias, slopes, keep,
                              dropout, dout, lse, delta, dq, dx, tables, workspace, tiling);
}

void flash_backward_queries_bf16(GM_ADDR q, GM_ADDR k, GM_ADDR v, GM_ADDR bias, GM_ADDR slopes,
                                 GM_ADDR keep, GM_ADDR dropout, GM_ADDR dout, GM_ADDR lse,
                                 GM_ADDR delta, GM_ADDR dq, GM_ADDR dx, GM_ADDR tables,
                                 GM_ADDR workspace, flash::GradientTiling tiling) {
  Launches::current()->launch("flash_backward_queries_bf16",
                              aclrtlaunch_ascend_backward_queries_bf16, q, k, v, bias, slopes, keep,
                              dropout, dout, lse, delta, dq, dx, tables, workspace, tiling);
}

void flash_backward_bias(GM_ADDR dx, GM_ADDR dbias, GM_ADDR tables, flash::GradientTiling tiling) {
  Launches::current()->launch("flash_backward_bias", aclrtlaunch_ascend_backward_bias, dx, dbias,
                              tables, tiling);
}

void flash_backward_sink(GM_ADDR sink, GM_ADDR lse, GM_ADDR delta, GM_ADDR dsink,
                         flash::GradientTiling tiling) {
  Launches::current()->launch("flash_backward_sink", aclrtlaunch_ascend_backward_sink, sink, lse,
                              delta, dsink, tiling);
}
}
