"""The device's library and its binding, over the host's memory and the emulator's cores.

Everything on our side of CANN is as on a device: build.sh, the library, what Python uploads and
fetches. CANN itself is tests/cann/runtime.cpp. Nothing here ran on a device.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cann_on_host import PARTS, folder_with, on_host, script

import npu_kernels
from conformance.laws import CAUSAL, question
from conformance.transform import laid_out
from npu_kernels import ascend_c, binding, build, device_library, on_device
from npu_kernels.knobs import Knobs
from npu_kernels.torch_probe import Probe
from reference.dropout import Dropout
from reference.mask import Mask

ROOT = Path(__file__).parents[1]
CHIP = "Ascend910B2"


@pytest.fixture(scope="module")
def cann(tmp_path_factory):
    return folder_with(tmp_path_factory.mktemp("device") / "cann", *PARTS)


@pytest.fixture(scope="module")
def built(cann):
    """NPU_BUILD_DIR with a library for CHIP in it."""
    folder = cann.parent / "built"
    done = script("-arch", "910", NPU_BUILD_DIR=str(folder), ASCEND_HOME_PATH=str(cann))
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def kernel(cann, built, monkeypatch):
    """Our kernel, launched as on a device."""
    monkeypatch.setenv("NPU_BUILD_DIR", str(built))
    on = on_host(cann)
    on.memory.runtime.host_cann_set_soc(CHIP.encode())
    name = f"device[{device_library.soc(on.library)}]"
    knobs = Knobs(cores=on_device.groups(on))
    return ascend_c.AscendKernel(name=name, library=on, knobs=knobs, digest="")
