"""The machine as a benchmark names it: processor, cores, and what multiplies matrices there."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

from threadpoolctl import threadpool_info

from conformance.benchmark.roofline import is_reached
from conformance.torch_bridge.tensors import import_torch
from reference.parallel.threads import cores


def processor(device: str = "cpu") -> str:
    """What torch calls an accelerator; else model and cores, such as "AMD EPYC 7763, 2 cores"."""
    if device != "cpu" and is_reached(device):
        kind = getattr(import_torch(device), device.partition(":")[0])
        return str(kind.get_device_name())
    return f"{_model()}, {cores(None)} cores"


def libraries() -> str:
    """The thread pools that are loaded, each with version, kernels and number of threads."""
    pools = {
        " ".join(filter(None, (pool["internal_api"], pool["version"], pool.get("architecture"))))
        + f", {pool['num_threads']} threads"
        for pool in threadpool_info()
    }
    torch = sys.modules.get("torch")
    if torch is not None:
        pools.add(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    return "; ".join(sorted(pools))


def _model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
