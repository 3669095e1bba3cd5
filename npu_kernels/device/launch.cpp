// The kernels by the names that host.cpp calls: each launches itself.
#include "dropout_problem.h"
#include "launcher.h"
#include "problem.h"
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
}
