"""CPU features are read from the kernel's own list."""

import platform

import pytest

from embryofrag.engine.machine import cpu_features, num_cpus
from embryofrag.engine.openvino import has_precision

CPUINFO = """processor\t: 0
model name\t: one with avx512_bf16 in its name
{key}\t: fpu sse2 {flag}
"""


@pytest.mark.skipif(platform.system() != "Linux", reason="reads /proc/cpuinfo")
@pytest.mark.parametrize(
    ("key", "flag", "expected"),
    [
        ("flags", "avx512_bf16", {"bf16"}),
        ("flags", "amx_bf16", {"bf16"}),
        ("Features", "bf16", {"bf16"}),
        ("flags", "avx_vnni", {"vnni"}),
        ("flags", "avx512_vnni avx512_bf16", {"bf16", "vnni"}),
        ("flags", "avx2", set()),
        ("bugs", "amx_bf16", set()),
    ],
)
def test_reads_flags(tmp_path, key, flag, expected):
    path = tmp_path / "cpuinfo"
    path.write_text(CPUINFO.format(key=key, flag=flag))
    assert cpu_features(path) == expected


def test_never_claims_more_than_openvino():
    assert has_precision("fp32")
    assert "bf16" not in cpu_features() or has_precision("bf16")


def test_counts_cpus():
    assert num_cpus() >= 1
