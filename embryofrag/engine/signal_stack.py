"""Keeps a thread's alternate signal stack as it was."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

_STACK_T_BYTES = 64
"""Room for the platform's ``stack_t`` (24 bytes on 64-bit Linux)."""


@contextmanager
def keep_signal_stack() -> Iterator[None]:
    """Put the calling thread's alternate signal stack back when the block ends.

    OpenVINO's CPU plugin sets one when it first looks at the processor, and leaves it set after it has unmapped it.
    Python asks for the alternate stack in every handler (SA_ONSTACK), so the next signal that has one - Ctrl-C, the
    end of a child process - would end the process with a segmentation fault.
    """
    sigaltstack = getattr(ctypes.CDLL(None), "sigaltstack", None)
    if sigaltstack is None:
        yield
        return
    before = ctypes.create_string_buffer(_STACK_T_BYTES)
    sigaltstack(None, before)
    try:
        yield
    finally:
        sigaltstack(before, None)
