"""The NVIDIA libraries, imported without a word on stdout and with a remedy where they are not there.

torch-tensorrt comes in two packages that own the same module: ``torch-tensorrt`` (library ``tensorrt``) for every
GPU, ``torch-tensorrt-rtx`` (library ``tensorrt_rtx``) for GeForce and RTX cards. Never both in one environment.
"""

import importlib
import importlib.metadata
import sys
from contextlib import redirect_stdout
from types import ModuleType

from embryofrag.errors import EmbryofragError

INSTALL = "pip install 'embryofrag[tensorrt]', which takes several GB from NVIDIA's package index"
PACKAGES = {"tensorrt": "tensorrt-cu13-bindings", "tensorrt_rtx": "tensorrt-rtx"}
"""Package that tells the version of a library, by library."""


def installed_library() -> tuple[str, str]:
    """Return name and version of the TensorRT library that is installed, without importing it.

    Raises:
        EmbryofragError: none is.
    """
    for library, package in PACKAGES.items():
        try:
            return library, importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    raise EmbryofragError(f"TensorRT is not installed: {INSTALL}")


def import_runtime() -> ModuleType:
    """Import the library that runs plans.

    Raises:
        EmbryofragError: it is not installed, or does not load.
    """
    library, _ = installed_library()
    try:
        with redirect_stdout(sys.stderr):
            return importlib.import_module(library)
    except (ImportError, OSError) as error:
        raise EmbryofragError(f"{library} does not load ({error}): {INSTALL}") from error


def import_compiler() -> ModuleType:
    """Import torch_tensorrt, which takes seconds.

    Raises:
        EmbryofragError: it is not installed, or does not load.
    """
    try:
        with redirect_stdout(sys.stderr):
            return importlib.import_module("torch_tensorrt")
    except ModuleNotFoundError as error:
        raise EmbryofragError(
            f"building a TensorRT engine needs {error.name}, which is not installed: {INSTALL}"
        ) from error
    except Exception as error:  # without a driver its import raises a bare Exception
        raise EmbryofragError(
            f"torch_tensorrt does not load ({error}): check the driver with `nvidia-smi`, or install anew: {INSTALL}"
        ) from error
