"""The driver is asked by its own interface, and every way in which it is not there has its sentence."""

import shutil
import subprocess

import pytest

from embryofrag.engine.tensorrt.gpu import choose_gpu, device_index, find_gpus, has_gpu
from embryofrag.errors import EmbryofragError, UsageError

DRIVER = """
#include <string.h>
#include <stddef.h>
int cuInit(unsigned flags) { return INIT; }
int cuDriverGetVersion(int *version) { *version = VERSION; return 0; }
int cuDeviceGetCount(int *count) { *count = COUNT; return 0; }
int cuDeviceGet(int *device, int index) { *device = 40 + index; return index < COUNT ? 0 : 101; }
int cuDeviceGetName(char *name, int length, int device)
    { strncpy(name, device == 40 ? "NVIDIA L4" : "NVIDIA T4", length); return 0; }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = (size_t)24 << 30; return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device)
    { *value = attribute == 75 ? 8 : attribute == 76 ? 9 : attribute == 16 ? 58 : -1; return 0; }
"""


@pytest.fixture
def driver(tmp_path):
    """Compile a driver library that gives stated answers."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")

    def compile_driver(*, init: int = 0, version: int = 13000, count: int = 2) -> str:
        source = tmp_path / "driver.c"
        source.write_text(DRIVER)
        library = tmp_path / f"libcuda-{init}-{version}-{count}.so"
        answers = [f"-DINIT={init}", f"-DVERSION={version}", f"-DCOUNT={count}"]
        subprocess.run([compiler, "-shared", "-fPIC", *answers, str(source), "-o", str(library)], check=True)
        return str(library)

    return compile_driver


def test_cards_are_described(driver):
    library = driver()
    first, second = find_gpus(library)
    assert (first.index, first.name, first.compute_capability, first.num_sms) == (0, "NVIDIA L4", "8.9", 58)
    assert first.memory_bytes == 24 << 30
    assert choose_gpu("cuda:1", library) == second
    assert choose_gpu(None, library) == first
    assert has_gpu("cuda:1", library)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"init": 100}, "CUDA error 100.*nvidia-smi"),
        ({"version": 12080}, r"too old \(CUDA 12.8\).*driver 580"),
        ({"count": 0}, "CUDA_VISIBLE_DEVICES"),
    ],
)
def test_driver_without_a_usable_card(driver, answers, message):
    library = driver(**answers)
    with pytest.raises(EmbryofragError, match=message):
        find_gpus(library)
    assert not has_gpu(library=library)


def test_no_driver():
    with pytest.raises(EmbryofragError, match=r"no NVIDIA driver on this machine.*driver 580"):
        find_gpus("libcuda-that-is-not-there.so.1")
    assert not has_gpu(library="libcuda-that-is-not-there.so.1")


def test_card_that_is_not_there(driver):
    library = driver()
    with pytest.raises(EmbryofragError, match=r"no device cuda:2.*cuda:0 \(NVIDIA L4\), cuda:1 \(NVIDIA T4\)"):
        choose_gpu("cuda:2", library)
    assert not has_gpu("cuda:2", library)


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "cpu", "cuda:-1"])
def test_name_that_is_no_device(device):
    with pytest.raises(UsageError, match="write cuda:0"):
        device_index(device)
