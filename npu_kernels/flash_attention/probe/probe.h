// What the probes' kernels do: npu_kernels/probe/ asks for them and says what their answers mean.
#pragma once

#include "kernel_operator.h"

#include "probe/cube.h"
#include "probe/vector.h"

namespace flash {

__aicore__ inline void probe_vector(GM_ADDR at) {
  ProbeArguments arguments;
  read_arguments(arguments, at);
  TPipe pipe;
  VectorProbe core;
  core.init(pipe, arguments);
  core.process();
}

__aicore__ inline void probe_cube(GM_ADDR at) {
  ProbeArguments arguments;
  read_arguments(arguments, at);
  if (static_cast<Probe>(arguments.operation) == Probe::hand_overs) {
    return wait_for_each_other(arguments.count);
  }
  if ASCEND_IS_AIC {
    TPipe pipe;
    CubeProbe core;
    core.init(pipe, arguments);
    core.multiply();
  }
}

}  // namespace flash
