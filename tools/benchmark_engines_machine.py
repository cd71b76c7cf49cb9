"""What the figures of benchmark_engines hold for, and whether the machine was quiet while they were taken."""

import os
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click
from benchmark import describe_machine

QUIET_LOAD = 0.5
QUIET_SHARE = 0.05
"""Of the cores' time that others may take while it measures."""
PACKAGES = ("torch", "openvino", "nncf", "onnxruntime", "onnx", "numpy", "opencv-python-headless")
FLAGS = ("avx", "amx", "fma", "asimd", "bf16", "i8mm", "sve")
"""How the flags of a CPU start that arithmetic depends on."""


class Watch:
    """Says what share of the machine others had since it was made."""

    def __init__(self):
        self._start = _read_clocks()

    def stop(self) -> float | None:
        """Return the share, 0..1, and warn where it is not small; None where the system does not tell."""
        if None in self._start:
            return None
        clock_s, busy_s, own_s = (now - then for now, then in zip(_read_clocks(), self._start, strict=True))
        share = max(0.0, busy_s - own_s) / (clock_s * (os.cpu_count() or 1))
        if share > QUIET_SHARE:
            warn(f"others took {share:.0%} of this machine while it measured")
        return share


def _read_clocks() -> tuple[float, float | None, float]:
    """Seconds of the wall, of work of all cores by whomever, and of this process and its children that ended."""
    return time.perf_counter(), _busy_s(), sum(os.times()[:4])


def _busy_s(stat: Path = Path("/proc/stat")) -> float | None:
    if not stat.exists():
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, stat.read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def load_average() -> float:
    """Return the load of the last minute, and warn where it is not small."""
    load = os.getloadavg()[0]
    if load > QUIET_LOAD:
        warn(f"the load average is {load:.2f}")
    return load


def warn(trouble: str) -> None:
    """Say on stderr why the figures mean little."""
    click.echo(f"warning: {trouble}: measure on a quiet machine", err=True)


def describe() -> dict:
    """Return CPU, its flags and the versions of everything that is compared."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    flags = next((line.split()[2:] for line in lines if line.lower().startswith(("flags", "features"))), [])
    return {
        **describe_machine(),
        "flags": [flag for flag in flags if flag.startswith(FLAGS)],
        "versions": {package: installed for package in PACKAGES if (installed := _version(package))},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
