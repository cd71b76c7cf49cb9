"""What this machine's CPU can do, read without loading a backend."""

import os
import platform
from functools import cache
from pathlib import Path

FEATURE_FLAGS = {
    "bf16": frozenset({"avx512_bf16", "amx_bf16", "bf16"}),
    "vnni": frozenset({"avx512_vnni", "avx_vnni", "amx_int8"}),
}
"""Feature that engines ask for -> flags of CPUs that have it, as Linux names them: bfloat16 arithmetic on x86 and Arm,
sums of int8 products on x86."""


@cache
def cpu_features(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Return which of the features engines ask for this CPU has; none is known outside Linux."""
    if platform.system() != "Linux":
        return frozenset()
    for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            has = set(value.split())
            return frozenset(feature for feature, flags in FEATURE_FLAGS.items() if flags & has)
    return frozenset()


def num_cpus() -> int:
    """Return how many CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
