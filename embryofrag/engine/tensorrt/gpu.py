"""The NVIDIA GPUs of this machine, asked of the driver itself: no PyTorch, no TensorRT, no memory on the card."""

import ctypes
import re
import sys
from dataclasses import dataclass

from embryofrag.errors import EmbryofragError, UsageError

DRIVER_LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
MIN_CUDA = 13000
"""1000 major + 10 minor of the CUDA that PyTorch and TensorRT are built for; the driver must offer at least that."""
MIN_DRIVER = "580"
"""First driver series that does."""

_COMPUTE_CAPABILITY_MAJOR, _COMPUTE_CAPABILITY_MINOR, _MULTIPROCESSOR_COUNT = 75, 76, 16
"""CUdevice_attribute of the CUDA driver interface."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One card, as CUDA numbers them (CUDA_VISIBLE_DEVICES counts)."""

    index: int
    name: str
    compute_capability: str
    """"major.minor"."""
    memory_bytes: int
    num_sms: int
    """Streaming multiprocessors."""


def device_index(device: str | None) -> int:
    """Return the number in "cuda:1"; None is the first card.

    Raises:
        UsageError: it names no CUDA device.

    >>> device_index("cuda:1"), device_index("cuda"), device_index(None)
    (1, 0, 0)
    """
    match = re.fullmatch(r"cuda(?::(\d+))?", device or "cuda")
    if match is None:
        raise UsageError(f"no device {device!r}: write cuda:0 or cuda:1 ...")
    return int(match[1] or 0)


def split_devices(devices: str | None) -> tuple[str | None, ...]:
    """Return the cards that "cuda:0,cuda:1" names, in that order; None is the first card.

    Raises:
        UsageError: one of them names no CUDA device, or a card is named twice.

    >>> split_devices("cuda:0, cuda:2"), split_devices(None)
    (('cuda:0', 'cuda:2'), (None,))
    """
    if devices is None:
        return (None,)
    names = tuple(name.strip() for name in devices.split(","))
    # an empty name would be the first card
    indices = [device_index(name or devices) for name in names]
    if len(set(indices)) < len(indices):
        raise UsageError(f"--device {devices} names a card twice: name each once")
    return names


def choose_gpu(device: str | None = None, library: str = DRIVER_LIBRARY) -> Gpu:
    """Return the card that "cuda:N" names.

    Raises:
        UsageError: `device` names no CUDA device.
        EmbryofragError: there is no such card; see `find_gpus`.
    """
    index = device_index(device)
    gpus = find_gpus(library)
    if index >= len(gpus):
        known = ", ".join(f"cuda:{gpu.index} ({gpu.name})" for gpu in gpus)
        raise EmbryofragError(f"no device cuda:{index} on this machine: choose one of {known}")
    return gpus[index]


def has_gpu(devices: str | None = None, library: str = DRIVER_LIBRARY) -> bool:
    """Return whether `choose_gpu` finds each of the cards, see `split_devices`.

    Raises:
        UsageError: as `split_devices`.
    """
    highest = max(map(device_index, split_devices(devices)))
    try:
        return highest < len(find_gpus(library))
    except EmbryofragError:
        return False


def find_gpus(library: str = DRIVER_LIBRARY) -> tuple[Gpu, ...]:
    """Return the NVIDIA GPUs that this process may use, at least one.

    Raises:
        EmbryofragError: no NVIDIA driver, one that is too old, or no card.
    """
    try:
        driver = ctypes.CDLL(library)
    except OSError as error:
        raise EmbryofragError(
            f"no NVIDIA driver on this machine ({library} is not there): install driver {MIN_DRIVER} or newer, or use "
            f"--engine openvino"
        ) from error
    code = driver.cuInit(0)
    if code != 0:
        raise EmbryofragError(f"no NVIDIA GPU can be used here (CUDA error {code}): see what `nvidia-smi` says")
    version = _asked(driver.cuDriverGetVersion)
    if version < MIN_CUDA:
        raise EmbryofragError(
            f"the NVIDIA driver is too old (CUDA {version // 1000}.{version % 1000 // 10}): TensorRT needs driver "
            f"{MIN_DRIVER} or newer (CUDA {MIN_CUDA // 1000}.{MIN_CUDA % 1000 // 10})"
        )
    count = _asked(driver.cuDeviceGetCount)
    if count == 0:
        raise EmbryofragError("no NVIDIA GPU on this machine, or CUDA_VISIBLE_DEVICES hides it: use --engine openvino")
    return tuple(_describe(driver, index) for index in range(count))


def _describe(driver: ctypes.CDLL, index: int) -> Gpu:
    device = _asked(driver.cuDeviceGet, index)
    name = ctypes.create_string_buffer(256)
    _check(driver.cuDeviceGetName(name, len(name), device))
    memory_bytes = ctypes.c_size_t()
    _check(driver.cuDeviceTotalMem_v2(ctypes.byref(memory_bytes), device))
    attributes = (_COMPUTE_CAPABILITY_MAJOR, _COMPUTE_CAPABILITY_MINOR, _MULTIPROCESSOR_COUNT)
    major, minor, num_sms = (_asked(driver.cuDeviceGetAttribute, attribute, device) for attribute in attributes)
    return Gpu(
        index=index,
        name=name.value.decode(errors="replace"),
        compute_capability=f"{major}.{minor}",
        memory_bytes=memory_bytes.value,
        num_sms=num_sms,
    )


def _asked(function, *arguments: int) -> int:
    """Return the int that a driver function writes to its first argument."""
    value = ctypes.c_int()
    _check(function(ctypes.byref(value), *arguments))
    return value.value


def _check(code: int) -> None:
    if code != 0:
        raise EmbryofragError(f"the NVIDIA driver answered with CUDA error {code}: see what `nvidia-smi` says")
