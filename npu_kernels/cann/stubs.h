// What launches the kernels of kernels/: ascendc_library (CANN 8.x) generates these functions, and
// flash_attention.asc (9.x) has them.
#pragma once

#include "acl/acl.h"

extern "C" {

uint32_t aclrtlaunch_ascend_forward_fp16(uint32_t blocks, aclrtStream stream, void* q, void* k,
                                         void* v, void* bias, void* slopes, void* sink, void* keep,
                                         void* dropout, void* out, void* lse, void* softmax_max,
                                         void* softmax_sum, void* tables, void* workspace,
                                         void* tiling);
uint32_t aclrtlaunch_ascend_forward_bf16(uint32_t blocks, aclrtStream stream, void* q, void* k,
                                         void* v, void* bias, void* slopes, void* sink, void* keep,
                                         void* dropout, void* out, void* lse, void* softmax_max,
                                         void* softmax_sum, void* tables, void* workspace,
                                         void* tiling);
uint32_t aclrtlaunch_ascend_dropout_mask(uint32_t blocks, aclrtStream stream, void* bits,
                                         void* tables, void* tiling);
uint32_t aclrtlaunch_ascend_backward_rows_fp16(uint32_t blocks, aclrtStream stream, void* out,
                                               void* dout, void* dlse, void* delta, void* tables,
                                               void* tiling);
uint32_t aclrtlaunch_ascend_backward_rows_bf16(uint32_t blocks, aclrtStream stream, void* out,
                                               void* dout, void* dlse, void* delta, void* tables,
                                               void* tiling);
uint32_t aclrtlaunch_ascend_backward_keys_fp16(uint32_t blocks, aclrtStream stream, void* q,
                                               void* k, void* v, void* bias, void* slopes,
                                               void* keep, void* dropout, void* dout, void* lse,
                                               void* delta, void* dk, void* dv, void* tables,
                                               void* workspace, void* tiling);
uint32_t aclrtlaunch_ascend_backward_keys_bf16(uint32_t blocks, aclrtStream stream, void* q,
                                               void* k, void* v, void* bias, void* slopes,
                                               void* keep, void* dropout, void* dout, void* lse,
                                               void* delta, void* dk, void* dv, void* tables,
                                               void* workspace, void* tiling);
uint32_t aclrtlaunch_ascend_backward_queries_fp16(uint32_t blocks, aclrtStream stream, void* q,
                                                  void* k, void* v, void* bias, void* slopes,
                                                  void* keep, void* dropout, void* dout, void* lse,
                                                  void* delta, void* dq, void* dx, void* tables,
                                                  void* workspace, void* tiling);
uint32_t aclrtlaunch_ascend_backward_queries_bf16(uint32_t blocks, aclrtStream stream, void* q,
                                                  void* k, void* v, void* bias, void* slopes,
                                                  void* keep, void* dropout, void* dout, void* lse,
                                                  void* delta, void* dq, void* dx, void* tables,
                                                  void* workspace, void* tiling);
uint32_t aclrtlaunch_ascend_backward_bias(uint32_t blocks, aclrtStream stream, void* dx,
                                          void* dbias, void* tables, void* tiling);
uint32_t aclrtlaunch_ascend_backward_sink(uint32_t blocks, aclrtStream stream, void* sink,
                                          void* lse, void* delta, void* dsink, void* tiling);
}
