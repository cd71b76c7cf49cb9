"""Disk -> `Frame` -> `Picture`: which images an archive holds, whose they are, and their pixels.

Importing this room loads no image library; reading the first picture does.
"""

from importlib import import_module

from embryofrag.archive.decode import decode_image, read_picture
from embryofrag.archive.evidence import merge_evidence
from embryofrag.archive.layouts import LAYOUTS
from embryofrag.archive.options import ReadLimits, ScanOptions
from embryofrag.archive.scan import Scan, scan_archive

__all__ = [
    "LAYOUTS",
    "ReadLimits",
    "Scan",
    "ScanOptions",
    "blank_overlay",
    "decode_image",
    "merge_evidence",
    "read_picture",
    "scan_archive",
]


def __getattr__(name: str):
    if name == "blank_overlay":
        return import_module("embryofrag.archive.overlay").blank_overlay
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
